"""Patterns across horizons: what is found by itself, and that nothing is conjectured from too little."""

from fractions import Fraction
from math import factorial

import pytest

from mechopt.core.errors import InputError
from mechopt.core.functions import RationalFunction
from mechopt.study.formula.horizons import across_values, horizons, parse_across, parse_horizons
from mechopt.study.formula.patterns import SEQUENCES, across, difference, fit, fit_numbers, scaled
from tests.parametric_models import battaglini, independent

P = RationalFunction.parameter()


def test_the_two_value_family_is_recognised() -> None:
    lined = horizons(independent(1), range(1, 6), prove=False)
    told = {c.about: c.statement for c in lined.conjectures}
    assert told["value of piece 1 from below"] == "v = T"
    assert told["upper end of piece 1 from below"] == "0 = -p + (1 - p)^T"
    assert told["value of piece 2 from below"] == "v = p + T - (1 - p)^T"
    assert told["value of piece 1 from above"] == "v = 2 p T"
    assert told["lower end of piece 1 from above"] == "p = T/(T + 1)"
    assert told["value of piece 2 from above"] == "v = 2 p T - p^T + ((1 - p)/p) T p^T"
    for conjecture in lined.conjectures:
        assert len(conjecture.pattern.tested) >= 2
    shared = {end.exact: having for end, having in lined.shared_ends.items() if end.exact is not None}
    assert shared[Fraction(1, 2)] == (1, 2, 3) and shared[Fraction(4, 5)] == (4, 5)


@pytest.mark.slow
def test_patterns_across_a_second_parameter() -> None:
    """v = T iff (h-1) p <= (1-p)^T, and v = T h p iff p >= T/(T+h-1)."""
    text = independent(1, '[1, "h"]').replace("[parameters]", '[parameters]\nh = ["1", "9"]')
    found = across_values(text, range(1, 6), "h", [Fraction(h) for h in (2, 3, 4, 5)], prove=False)
    told = {c.about: c.statement for c in found}
    assert told["value of piece 1 from below"] == "v = T"
    assert told["upper end of piece 1 from below"] == "0 = (1 - h) p + (1 - p)^T"
    assert told["value of piece 1 from above"] == "v = h p T"
    assert told["lower end of piece 1 from above"] == "p = T/(T + h - 1)"


def test_persistent_types_have_patterns_too() -> None:
    lined = horizons(battaglini(1, interval='["1/2", "1"]'), range(1, 6), prove=False)
    told = {c.about: c.statement for c in lined.conjectures}
    assert told["upper end of piece 1 from below"] == "a = 3/4"
    assert (
        told["upper end of piece 2 from below"] == "0 = 3/10 - 6/5 a + a^2"
        or "a^2" in told["upper end of piece 2 from below"]
    )


@pytest.mark.parametrize(
    "chosen", [("",), ("T",), ("T", "{p}^T"), ("", "T", "(1 - {p})^T"), ("{p}^T", "(2 {p} - 1)^T")]
)
def test_combinations_are_found_again(chosen: tuple[str, ...]) -> None:
    coefficients = [P + 2, 1 / (P + 1), RationalFunction((3,))][: len(chosen)]
    values = {}
    for horizon in range(1, 7):
        values[horizon] = sum(
            (c * SEQUENCES[s](horizon) for c, s in zip(coefficients, chosen, strict=True)), RationalFunction(())
        )
    pattern = fit(values)
    assert pattern is not None and pattern.sequences == chosen
    assert all(pattern.at(horizon) == value for horizon, value in values.items())
    values[6] = values[6] + P / 10**6
    changed = fit(values)
    assert changed is None or changed.sequences != chosen


def test_nothing_is_conjectured_from_too_little() -> None:
    assert fit({1: P, 2: 2 * P}) is None
    assert fit_numbers({1: Fraction(1), 2: Fraction(2)}) is None
    factorials = {h: RationalFunction((factorial(h), 1)) for h in range(1, 7)}
    assert fit(factorials) is None


def test_where_two_patterns_are_equal() -> None:
    first = fit({h: RationalFunction((h,)) for h in range(1, 6)})
    second = fit({h: h + P - (1 - P) ** h for h in range(1, 6)})
    assert first is not None and second is not None
    where = difference(first, second)
    assert where is not None and where.text("p") == "-p + (1 - p)^T"
    assert difference(first, first) is None
    assert scaled(where) == where


def test_across_needs_one_shape() -> None:
    one, other = fit({h: h * P for h in range(1, 5)}), fit({h: P**h for h in range(1, 5)})
    assert one is not None and other is not None
    assert across({Fraction(2): one, Fraction(3): other}) is None


@pytest.mark.parametrize("text", ["", "3..1", "0..2", "2,2", "x", "1..y"])
def test_horizons_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError, match=r"write 1\.\.6"):
        parse_horizons(text)


def test_values_across_that_cannot_be_read() -> None:
    for text in ("h=1,2,3", "h", "h=a,b,c,d"):
        with pytest.raises(InputError, match="--across"):
            parse_across(text)
