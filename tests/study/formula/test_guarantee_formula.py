"""The best guarantee as a function of a parameter: by hand, at random points, and under tampering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from random import Random

import pytest

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.core.functions import RationalFunction
from mechopt.modelfile.parametric import read_parametric_scenarios
from mechopt.proof.certificate import CertificateError
from tests.parametric_models import EQUAL_REVENUE

P = RationalFunction.parameter()
THREE_FUTURES = """
kind = "scenarios"
discount = "9/10"
[parameters]
h = ["3", "9"]
[[distributions]]
name = "low"
values = [1, 2]
probabilities = ["1/2", "1/2"]
[[distributions]]
name = "high"
values = [1, "h"]
probabilities = ["2/3", "1/3"]
[[scenarios]]
sequence = ["low"]
[[scenarios]]
sequence = ["low", "high"]
[[scenarios]]
sequence = ["low", "low", "high"]
"""


@cache
def found(text: str) -> mo.results.GuaranteeFormula:
    return mo.mechanisms.guarantee_formula(text)


def test_the_guarantee_of_one_or_two_periods_by_hand() -> None:
    """The first period sells at 4 with probability q, else at 1; q makes both ratios the same.

    The first period alone earns 4 p q + 1 - q, of 4 p where p >= 1/4. If the second one comes, its values suffice to
    take out the buyer's whole utility: the seller earns the value of what was sold, 4 p q + (1 + 3 p)(1 - q), and the 2
    that every price earns there, of 3 + 3 p.
    """
    formula = found(EQUAL_REVENUE)
    assert formula.proved
    below, above = formula.pieces
    assert below.function == 1 and below.stop == Fraction(1, 4)
    # q from (4 p q + 1 - q) / (4 p) = (4 p q + (1 + 3 p)(1 - q) + 2) / (3 + 3 p)
    q = ((3 + 3 * P) - (3 + 3 * P) / (4 * P)) / ((4 * P - 1) * (3 + 3 * P) / (4 * P) - (P - 1))
    assert above.function == (4 * P * q + 1 - q) / (4 * P)
    assert formula.value("1/2") == Fraction(10, 11) and formula.value(0.5) == pytest.approx(10 / 11)
    least, (place,) = formula.least
    assert least.radical() == "(208 + 12 sqrt(6))/265" and place.radical() == "(10 + 3 sqrt(6))/46"


@pytest.mark.parametrize("text", [EQUAL_REVENUE, THREE_FUTURES], ids=["two", "three"])
def test_guarantees_equal_exact_ones_at_random_points(text: str) -> None:
    formula, random = found(text), Random(1)
    assert formula.proved and not formula.uncovered
    model = formula.model
    for _ in range(12):
        point = model.start + (model.stop - model.start) * Fraction(random.randrange(1, 997), 997)
        certificate = mo.formats.certify_guarantee(model.at(point))
        assert certificate.value == formula.value(point)
        for pieces, optimum in zip(formula.optima, certificate.optima, strict=True):
            assert next(piece.function for piece in pieces if point in piece)(point) == optimum.value


def nudged(proof: mo.formats.GuaranteeProof, side: str) -> mo.formats.GuaranteeProof:
    basis = proof.bases[-1]
    (j, function), *rest = getattr(basis, side)
    changed = replace(basis, **{side: ((j, function + (P - proof.start) / 10**6), *rest)})
    return replace(proof, bases=(*proof.bases[:-1], changed))


TAMPERINGS: dict[str, Callable[[mo.formats.GuaranteeProof], mo.formats.GuaranteeProof]] = {
    "value": lambda proof: replace(
        proof, pieces=(replace(proof.pieces[0], value=proof.pieces[0].value + P / 10**9), *proof.pieces[1:])
    ),
    "primal": lambda proof: nudged(proof, "primal"),
    "dual": lambda proof: nudged(proof, "dual"),
    "basis-dropped": lambda proof: replace(proof, bases=proof.bases[1:]),
    "piece-dropped": lambda proof: replace(proof, pieces=proof.pieces[:-1]),
    "interval": lambda proof: replace(proof, stop=proof.stop + 1),
    "fingerprint": lambda proof: replace(proof, fingerprint=""),
    "optimum-dropped": lambda proof: replace(proof, optima=proof.optima[:1]),
    "optima-swapped": lambda proof: replace(proof, optima=proof.optima[::-1]),
    "optimum-of-something-else": lambda proof: replace(
        proof, optima=(replace(proof.optima[0], objective=mo.Welfare()), *proof.optima[1:])
    ),
    "optimum-changed": lambda proof: replace(
        proof,
        optima=(
            replace(
                proof.optima[0],
                pieces=(
                    replace(proof.optima[0].pieces[0], value=proof.optima[0].pieces[0].value * 2),
                    *proof.optima[0].pieces[1:],
                ),
            ),
            *proof.optima[1:],
        ),
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_rejected(tampering: str) -> None:
    formula = found(EQUAL_REVENUE)
    assert mo.check_formula(EQUAL_REVENUE, formula.proof()).bases == len(formula.walk.bases)
    with pytest.raises(CertificateError):
        mo.check_formula(formula.model, TAMPERINGS[tampering](formula.proof()))


def test_a_file_comes_back(tmp_path) -> None:
    found(EQUAL_REVENUE).save(tmp_path / "guarantee.json")
    theorem = mo.check_formula(EQUAL_REVENUE, tmp_path / "guarantee.json")
    assert [piece.value for piece in theorem.pieces] == [piece.function for piece in found(EQUAL_REVENUE).pieces]
    with pytest.raises(InputError, match="kind"):
        mo.formula(EQUAL_REVENUE)
    with pytest.raises(InputError, match="kind"):
        read_parametric_scenarios("""
kind = "independent"
horizon = 1
[parameters]
p = ["0", "1"]
[[buyers]]
values = ["p"]
probabilities = [1]
""")


def test_stopped_searches() -> None:
    early = mo.mechanisms.guarantee_formula(EQUAL_REVENUE, time_limit=0.0)
    assert early.uncovered and not early.proved and not early.pieces
    late = mo.mechanisms.guarantee_formula(EQUAL_REVENUE, most_pieces=2)
    assert late.uncovered and len(late.walk.bases) <= 2
    with pytest.raises(LimitError, match="nothing is known at p"):
        early.value("1/2")
