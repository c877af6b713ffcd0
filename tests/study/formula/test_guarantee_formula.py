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


TERMS: dict[str, dict[str, object]] = {
    "regret": {"objective": "regret"},
    "weighted": {"objective": "weighted"},
    "per-period": {"ir": "per-period"},
    "constant": {"ic": "dic+indu"},
    "super": {"ic": "super-dic"},
    "standard": {"ir": "per-period", "benchmark": "standard"},
    "interim": {"ir": "interim", "objective": "weighted"},
    "budget": {"subject_to": "budget:2 + p"},
}
COIN = """
kind = "scenarios"
weights = ["1 + p", 2]
[parameters]
p = ["0", "1"]
[[distributions]]
name = "F"
values = [1, 2]
probabilities = ["1 - p", "p"]
[[distributions]]
name = "G"
values = [1, 3]
probabilities = ["1/2", "1/2"]
[[scenarios]]
sequence = ["F"]
[[scenarios]]
sequence = ["F", "G"]
"""


@pytest.mark.parametrize("name", TERMS)
def test_guarantees_of_other_terms_equal_exact_ones_at_random_points(name: str) -> None:
    asked, random = TERMS[name], Random(name)
    formula = mo.mechanisms.guarantee_formula(COIN, **asked)
    assert formula.proved and not formula.uncovered
    for _ in range(8):
        point = Fraction(random.randrange(1, 997), 997)
        plain = asked | ({"subject_to": f"budget:{2 + point}"} if name == "budget" else {})
        assert mo.formats.certify_guarantee(formula.model.at(point), **plain).value == formula.value(point)


def test_the_largest_regret_by_hand() -> None:
    """(-6 p^2 + 7 p - 2)/p between 1/2 and 2/3 is largest where its derivative 2/p^2 - 6 vanishes."""
    formula = mo.mechanisms.guarantee_formula(COIN, objective="regret")
    assert formula.objective == "regret" and formula.pieces[1].function == (7 * P - 6 * P**2 - 2) / P
    worst, (place,) = formula.largest
    assert place.radical() == "sqrt(3)/3" and worst.radical() == "7 - 4 sqrt(3)"


def test_what_is_asked_is_what_is_proved(tmp_path) -> None:
    """The proof of a guarantee under weaker constraints is none under others, nor of another objective."""
    formula = mo.mechanisms.guarantee_formula(COIN, ir="per-period", objective="weighted")
    formula.save(tmp_path / "guarantee.json")
    assert mo.check_formula(COIN, tmp_path / "guarantee.json").bases == len(formula.walk.bases)
    proof = formula.proof()
    others = [
        {"objective": "ratio"},
        {"objective": "regret"},
        {"objective": "nothing"},
        {"benchmark": "standard"},
        {"benchmark": "nothing"},
        {"ir": (mo.EPIR(),)},
        {"ic": (mo.SuperDIC(),)},
        {"subject_to": (mo.NoSubsidy(),)},
    ]
    for other in others:
        with pytest.raises(CertificateError):
            mo.check_formula(COIN, replace(proof, **other))
    with pytest.raises(CertificateError, match="fingerprint"):
        mo.check_formula(COIN.replace('["1 + p", 2]', "[1, 2]"), proof)


def test_what_a_guarantee_cannot_be_of() -> None:
    with pytest.raises(InputError, match=r"weights\[0\]: is -"):
        mo.mechanisms.guarantee_formula(COIN.replace('"1 + p"', '"1/2 - p"'))
    with pytest.raises(InputError, match=r"weight of scenarios\[0\].* at p = 1/2"):
        mo.mechanisms.guarantee_formula(COIN.replace('"1 + p"', '"(1/2 - p)**2"'))
    with pytest.raises(InputError, match="draw"):
        mo.mechanisms.guarantee_formula(COIN, subject_to="deterministic")
    with pytest.raises(InputError, match="benchmark"):
        mo.mechanisms.guarantee_formula(COIN, ir="interim", benchmark="standard")
    absorbing = COIN.replace("values = [1, 3]", "values = [0]").replace('["1/2", "1/2"]', "[1]")
    with pytest.raises(InputError, match="its first best is not followed"):
        mo.mechanisms.guarantee_formula(absorbing.replace("[parameters]", 'absorbing = ["G"]\n[parameters]'))


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
