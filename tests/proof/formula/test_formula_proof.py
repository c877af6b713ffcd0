"""What the checker of formulas accepts, and that it rejects every tampering."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber, real_roots
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import times
from mechopt.proof.certificate import CertificateError, digest
from mechopt.proof.formula.check import check_formula_proof
from mechopt.proof.formula.file import ClaimedPiece, FormulaProof, load_formula
from mechopt.proof.formula.signs import OpenInterval, SignError, check_end
from tests.parametric_models import CASES, battaglini, independent

P = RationalFunction.parameter()
PROVED = {
    "independent": (independent(3), "dic", "epir"),
    "identical-buyers": (independent(2, count=2), "dic", "epir"),
    "unlike-buyers": (CASES["two-unlike-buyers"].text, "dic", "epir"),
    "payments": (independent(2), "ppic", "per-period"),
    "persistent": (battaglini(3), "bayesian", "epir"),
    "budget": (CASES["budget-in-p"].text, "dic", "epir"),
    "persistent-budget": (CASES["battaglini-budget"].text, "bayesian", "epir"),
    "interdependent": (CASES["interdependent-two"].text, "periodic-ex-post", "periodic"),
    "public-states": (CASES["stock"].text, "bayesian", "epir"),
}


@cache
def formula(name: str) -> mo.results.Formula:
    text, ic, ir = PROVED[name]
    return mo.formula(text, ic, ir, prove=False)


@pytest.mark.parametrize("name", PROVED)
def test_an_honest_proof_is_accepted(name: str) -> None:
    found = formula(name)
    theorem = mo.check_formula(PROVED[name][0], found)
    assert theorem.bases == len(found.walk.bases)
    assert [piece.value for piece in theorem.pieces] == [piece.function for piece in found.pieces]


def rational(number: str) -> AlgebraicNumber:
    return AlgebraicNumber.rational(Fraction(number))


def nudged(proof: FormulaProof, side: str, part: int = 0) -> FormulaProof:
    """One entry of a basis off by a function that vanishes at both ends of the model's interval."""
    basis = proof.bases[part]
    entries = list(getattr(basis, side))
    j, function = entries[len(entries) // 2]
    entries[len(entries) // 2] = j, function + (P - proof.start) * (proof.stop - P) / 10**6
    bases = list(proof.bases)
    bases[part] = replace(basis, **{side: tuple(entries)})
    return replace(proof, bases=tuple(bases))


def moved(proof: FormulaProof, parts: str, end: AlgebraicNumber) -> FormulaProof:
    """The end between the first two parts elsewhere."""
    first, second, *rest = getattr(proof, parts)
    return replace(proof, **{parts: (replace(first, stop=end), replace(second, start=end), *rest)})


def widened(proof: FormulaProof) -> FormulaProof:
    """The first basis claims a little of the second."""
    stop = proof.bases[0].stop
    stop.narrowed(Fraction(1, 10**6))
    end = AlgebraicNumber.rational(stop.upper + Fraction(1, 10**4))
    return moved(moved(proof, "bases", end), "pieces", end) if len(proof.pieces) > 1 else moved(proof, "bases", end)


def other_value(proof: FormulaProof) -> FormulaProof:
    first = proof.pieces[0]
    return replace(proof, pieces=(replace(first, value=first.value + (P - proof.start) / 10**9), *proof.pieces[1:]))


TAMPERINGS: dict[str, Callable[[FormulaProof], FormulaProof]] = {
    "value": other_value,
    "ends-widened": widened,
    "piece-dropped": lambda proof: replace(proof, pieces=proof.pieces[1:]),
    "basis-dropped": lambda proof: replace(proof, bases=proof.bases[1:]),
    "middle-basis-dropped": lambda proof: replace(proof, bases=proof.bases[:1] + proof.bases[2:]),
    "last-piece-dropped": lambda proof: replace(proof, pieces=proof.pieces[:-1], bases=proof.bases[:-1]),
    "primal": lambda proof: nudged(proof, "primal"),
    "dual": lambda proof: nudged(proof, "dual"),
    "primal-last": lambda proof: nudged(proof, "primal", -1),
    "dual-last": lambda proof: nudged(proof, "dual", -1),
    "primal-entry-dropped": lambda proof: replace(
        proof, bases=(replace(proof.bases[0], primal=proof.bases[0].primal[1:]), *proof.bases[1:])
    ),
    "dual-doubled": lambda proof: replace(
        proof,
        bases=(
            replace(proof.bases[0], dual=tuple((r, 2 * y) for r, y in proof.bases[0].dual)),
            *proof.bases[1:],
        ),
    ),
    "interval": lambda proof: replace(proof, stop=proof.stop + 1),
    "parameter": lambda proof: replace(proof, parameter="x"),
    "fingerprint": lambda proof: replace(proof, fingerprint=proof.fingerprint[::-1]),
    "objective": lambda proof: replace(proof, objective=mo.Welfare()),
    "twice": lambda proof: replace(proof, bases=(proof.bases[0], *proof.bases)),
    "column-too-far": lambda proof: replace(
        proof,
        bases=(replace(proof.bases[0], primal=(*proof.bases[0].primal, (10**6, P))), *proof.bases[1:]),
    ),
    "closed-at-the-outer-end": lambda proof: replace(
        proof,
        pieces=(replace(proof.pieces[0], closed=(True, proof.pieces[0].closed[1])), *proof.pieces[1:]),
    ),
    "swapped": lambda proof: replace(
        proof,
        bases=(
            replace(proof.bases[0], primal=proof.bases[1].primal, dual=proof.bases[1].dual),
            replace(proof.bases[1], primal=proof.bases[0].primal, dual=proof.bases[0].dual),
            *proof.bases[2:],
        ),
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
@pytest.mark.parametrize("name", ["independent", "identical-buyers", "payments", "persistent", "public-states"])
def test_tampering_is_rejected(name: str, tampering: str) -> None:
    proof = formula(name).proof()
    with pytest.raises(CertificateError):
        mo.check_formula(formula(name).model, TAMPERINGS[tampering](proof))


def test_the_constraints_that_were_asked_are_those_that_are_proved() -> None:
    """A proof under stronger participation is none under weaker: its dual presses on bounds that are not there."""
    found = mo.formula(independent(2), "dic", "epir", prove=False)
    proof = replace(found.proof(), ir=(mo.Interim(),))
    with pytest.raises(CertificateError):
        mo.check_formula(found.model, proof)


def test_another_model_is_rejected() -> None:
    proof = formula("independent").proof()
    for text in (independent(3, "[1, 3]"), independent(3, interval='["0", "1/2"]'), independent(4)):
        with pytest.raises(CertificateError, match="made for another model"):
            mo.check_formula(text, proof)
    changed = mo.formula(independent(3, "[1, 3]"), prove=False)
    with pytest.raises(CertificateError, match="basis 0"):
        mo.check_formula(changed.model, replace(proof, fingerprint=changed.model.fingerprint))


def test_points_that_stand_apart_need_their_certificates() -> None:
    found = formula("interdependent")
    proof = found.proof()
    assert proof.points
    with pytest.raises(CertificateError, match="nothing is proved at 1/4"):
        mo.check_formula(found.model, replace(proof, points=()))
    theorem = mo.check_formula(found.model, replace(proof, points=(), unproved=(rational("1/4"),)))
    assert theorem.unproved == (rational("1/4"),) and not theorem.points
    (_, certificate), *_ = proof.points
    with pytest.raises(CertificateError):
        mo.check_formula(found.model, replace(proof, points=((Fraction(1, 3), certificate),)))
    closed = replace(proof.pieces[0], closed=(False, True))
    with pytest.raises(CertificateError, match="includes its end"):
        mo.check_formula(found.model, replace(proof, pieces=(closed, *proof.pieces[1:])))


def test_no_piece_goes_over_a_point_that_stands_apart() -> None:
    """3 + r on both sides of 1/4, where the optimum is 205/64: one piece over both would say 13/4 there."""
    found = formula("interdependent")
    proof = found.proof()
    assert [piece.value for piece in proof.pieces] == [3 + P, 3 + P] and proof.points[0][1].value == Fraction(205, 64)
    whole = replace(proof, pieces=(replace(proof.pieces[0], stop=proof.pieces[1].stop),))
    first, second = proof.bases
    (piece,), at = whole.pieces, rational("1/8")  # a further piece that does not go over it
    parted = replace(
        whole,
        bases=(replace(first, stop=at), replace(first, start=at), second),
        pieces=(replace(piece, stop=at, closed=(False, True)), replace(piece, start=at, closed=(True, False))),
    )
    for forged in (whole, replace(whole, points=(), unproved=(rational("1/4"),)), parted):
        with pytest.raises(CertificateError, match="pieces: one goes over 1/4, about which that is not proved"):
            mo.check_formula(found.model, forged)


def test_what_is_proved_where_bases_meet_does_not_depend_on_their_order() -> None:
    found = formula("interdependent")
    turned = replace(found.proof(), points=(), bases=found.proof().bases[::-1])
    whole = replace(turned, pieces=(replace(turned.pieces[0], stop=turned.pieces[1].stop),))
    for forged in (turned, whole):
        with pytest.raises(CertificateError, match="ends: nothing is proved at 1/4, where there is a pole"):
            mo.check_formula(found.model, forged)


def test_a_file_comes_back_and_every_change_of_it_is_noticed(tmp_path: Path) -> None:
    found, path = formula("independent"), tmp_path / "formula.json"
    found.save(path)
    assert mo.check_formula(found.model, path).bases == len(found.walk.bases)
    assert load_formula(path) == load_formula(path)
    found.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    content = json.loads(path.read_text())

    def changed(change: Callable[[dict[str, Any]], object], sign: bool) -> None:
        copy = json.loads(path.read_text())
        change(copy)
        if sign:
            copy.pop("digest")
            copy["digest"] = digest(copy)
        (tmp_path / "changed.json").write_text(json.dumps(copy))
        with pytest.raises(CertificateError):
            mo.check_formula(found.model, tmp_path / "changed.json")

    for key in content:
        changed(lambda copy, key=key: copy.pop(key), sign=key != "digest")
    changed(lambda copy: copy["pieces"].pop(), sign=False)
    changed(lambda copy: copy["functions"][0]["numerator"].append("0"), sign=True)
    changed(lambda copy: copy["functions"][0]["numerator"].append("1"), sign=True)
    changed(lambda copy: copy["functions"].append({"numerator": ["1"], "denominator": ["1"]}), sign=True)
    changed(lambda copy: copy["bases"][1]["from"].update(root=5), sign=True)
    changed(lambda copy: copy["bases"][1]["from"].update(bracket=["0", "1"]), sign=True)
    changed(lambda copy: copy["bases"][0]["primal"]["index"].reverse(), sign=True)
    changed(lambda copy: copy["pieces"][0].update(value=1), sign=True)
    changed(lambda copy: copy["pieces"][0].update(closed=[1, 0]), sign=True)
    changed(lambda copy: copy.update(format="mechopt formula 2"), sign=True)
    changed(lambda copy: copy.update(interval=["0", "1/0"]), sign=True)
    (tmp_path / "changed.json").write_text("{")
    with pytest.raises(CertificateError, match="not JSON"):
        mo.check_formula(found.model, tmp_path / "changed.json")


def test_signs_between_algebraic_ends() -> None:
    low, high = real_roots((1, -3, 1))[0], real_roots((-1, 4, -3, 1))[0]
    interval = OpenInterval(high, low)  # 0.3177 to 0.3820
    assert interval.sign((1, -3, 1)) == 1 and interval.sign((-1, 4, -3, 1)) == 1
    assert interval.sign(times((-1, 4, -3, 1), (-1, 4, -3, 1))) == 1
    assert interval.sign(times((1, -3, 1), (-1, 4, -3, 1))) == 1
    assert interval.sign(()) == 0 and interval.sign((-4,)) == -1
    third = (-1, 3)
    with pytest.raises(SignError):
        interval.sign(third)
    assert interval.sign(times(third, third)) == 1 and interval.has_root(times(third, third))
    with pytest.raises(SignError):
        interval.sign(times(third, times(third, third)))
    assert not interval.has_root((1, -3, 1)) and interval.vanishes_at((1, -3, 1), low)
    wide = OpenInterval(real_roots((1, -3, 1))[0], AlgebraicNumber.rational(3))
    with pytest.raises(SignError):  # the other root of the end's own polynomial lies inside
        wide.sign((1, -3, 1))
    assert wide.has_root((1, -3, 1))


@pytest.mark.parametrize(
    ("polynomial", "index", "lower", "upper"),
    [
        ((1, -3, 1), 1, "0", "1"),  # another root
        ((1, -3, 1), 0, "0", "3"),  # both roots
        ((1, -3, 1), 0, "1/2", "1"),  # none
        ((2, -6, 2), 0, "0", "1"),  # not primitive
        ((1, -2, 1), 0, "0", "2"),  # a square
        ((-1, 2), 0, "1/3", "1/3"),  # not a root
        ((1, -3, 1), 0, "1", "0"),
    ],
)
def test_ends_that_are_not_what_they_say(polynomial: tuple[int, ...], index: int, lower: str, upper: str) -> None:
    check_end(AlgebraicNumber((1, -3, 1), 0, Fraction(0), Fraction(1)))
    with pytest.raises(ValueError, match=r"bracket|primitive"):
        check_end(AlgebraicNumber(polynomial, index, Fraction(lower), Fraction(upper)))


def test_a_claim_over_a_hole_is_rejected() -> None:
    """A stopped walk claims what it covers; a piece stretched over what is left is refused."""
    found = mo.formula(independent(4), most_pieces=4, prove=False)
    proof = found.proof()
    assert mo.check_formula(found.model, proof).uncovered == found.uncovered
    with pytest.raises(CertificateError, match="nothing is claimed"):
        mo.check_formula(found.model, replace(proof, uncovered=proof.uncovered[1:]))
    start, stop = proof.uncovered[0]
    patch = ClaimedPiece(start, stop, (False, False), P)
    with pytest.raises(CertificateError):
        mo.check_formula(found.model, replace(proof, uncovered=proof.uncovered[1:], pieces=(*proof.pieces, patch)))


def test_programs_that_are_too_large_are_refused_before_they_are_rebuilt() -> None:
    found = formula("independent")
    with pytest.raises(CertificateError, match=r"rows and columns|most|larger"):
        check_formula_proof(found.model, found.proof(), most=10)
