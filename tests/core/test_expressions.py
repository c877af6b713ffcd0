"""The grammar of expressions, against Python's own arithmetic, and what it refuses."""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mechopt.core.expressions import evaluate
from mechopt.core.functions import RationalFunction

THIRD = Fraction(1, 3)


def texts() -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["p", "2", "0.5", "h", "7", "p**2"])
    return st.recursive(
        leaf, lambda part: st.tuples(part, st.sampled_from("+-*/"), part).map(lambda x: f"({x[0]} {x[1]} {x[2]})")
    )


def by_python(text: str, p: Fraction, h: Fraction) -> Fraction:
    """The same in Python, numbers made exact: safe here, since the texts are the test's own."""
    return eval(
        text.replace("0.5", "Fraction(1, 2)")
        .replace("2", "Fraction(2)")
        .replace("7", "Fraction(7)")
        .replace("Fraction(1, Fraction(2))", "Fraction(1, 2)")
        .replace("**Fraction(2)", "**2"),
        {"p": p, "h": h, "Fraction": Fraction},
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # both are of a busy machine's clock
@given(texts())
def test_a_value_is_that_of_python(text: str) -> None:
    p, h = Fraction(2, 7), Fraction(5, 3)
    try:
        expected = by_python(text, p, h)
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="divides by zero"):
            evaluate(text, {"p": p, "h": h})
        return
    assert evaluate(text, {"p": p, "h": h}) == expected
    try:
        function = evaluate(text, {"p": RationalFunction.parameter(), "h": h})
    except ValueError as error:  # a difference that is zero for every p, or a degree beyond the limit
        assert "divides by zero" in str(error) or "degree" in str(error)
        return
    assert RationalFunction.of(function)(p) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 - p", 1 - THIRD),
        ("-p**2", -(THIRD**2)),
        ("2**3", 8),
        ("1/3*p", THIRD**2),
        ("--p", THIRD),
        ("1e-2", THIRD * 3 / 100),
    ],
)
def test_precedence_and_signs(text: str, value: Fraction) -> None:
    assert evaluate(text, {"p": THIRD}) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 - q", "'q' is not a parameter"),
        ("p(2)", "left over"),
        ("p.real", "has no meaning"),
        ("__import__('os')", "has no meaning"),
        ("(p", "not closed"),
        ("p +", "ends too early"),
        ("p**p", "whole number"),
        ("p**99", "at most 32"),
        ("1/(p - p)", "divides by zero"),
        ("(p**32)**32", "degree"),
        ("((9**32)**32)", "too long"),
        ("(" * 80 + "p" + ")" * 80, "parentheses"),
        ("1" * 3000, "characters"),
    ],
)
def test_what_is_not_an_expression_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("(", r"\(")):
        evaluate(text, {"p": RationalFunction.parameter()})
