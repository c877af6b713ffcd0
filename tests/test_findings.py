"""Findings: every proof in the repository is checked anew, and pages say what is proved, word by word."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

import mechopt as mo
from mechopt.core.algebraic import real_roots
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import minus, remainder, times
from mechopt.modelfile.parametric import read_parametric
from mechopt.proof.formula.file import AnyProof, ClaimedPiece, FormulaProof, load_formula
from mechopt.proof.formula.signs import OpenInterval
from mechopt.solve.parametric.pieces import Piece
from mechopt.solve.parametric.roots import value_at
from mechopt.study.formula.ratio import closed_form, overlaps
from mechopt.study.formula.text import end_text

FOLDER = Path(__file__).parents[1] / "docs" / "findings"
PROOFS = sorted((FOLDER / "proofs").glob("*.json"))
PAGES = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
P = RationalFunction.parameter()

each_proof = pytest.mark.parametrize("path", PROOFS, ids=[path.stem for path in PROOFS])


def statement(name: str, proof: AnyProof) -> str:
    """What a page says of a proof: one line a piece, and one a point that stands apart."""
    lines = [f"{name}: {proof.parameter} from {proof.start} to {proof.stop}"]
    lines += [f"  to {end_text(p.stop, proof.parameter)}: {p.value.text(proof.parameter)}" for p in proof.pieces]
    points = proof.points if isinstance(proof, FormulaProof) else ()
    lines += [f"  at {proof.parameter} = {point}: {certificate.value}" for point, certificate in points]
    return "\n".join(lines) + "\n"


@each_proof
def test_a_bundled_proof_holds(path: Path) -> None:
    proof = load_formula(path)
    theorem = mo.check_formula(path.with_suffix(".toml"), proof)
    assert theorem.pieces == proof.pieces and not theorem.uncovered and not theorem.unproved


@each_proof
def test_a_page_says_what_is_proved(path: Path) -> None:
    said = [block for text in PAGES.values() for block in BLOCK.findall(text)]
    assert statement(path.stem, load_formula(path)) in said


def test_every_model_has_its_proof_and_every_page_its_parts() -> None:
    assert {path.stem for path in FOLDER.glob("proofs/*.toml")} == {path.stem for path in PROOFS}
    for path, text in PAGES.items():
        if path.stem == "index":
            continue
        for heading in ("## What is proved", "## What is conjectured", "## How to find it again"):
            assert heading in text, f"{path.name} lacks {heading!r}"
        assert f"[{path.stem}]" in PAGES[FOLDER / "index.md"] or f"({path.name})" in PAGES[FOLDER / "index.md"]


def pieces(name: str) -> tuple[ClaimedPiece, ...]:
    return load_formula(FOLDER / "proofs" / f"{name}.json").pieces


@pytest.mark.parametrize("horizon", [1, 2, 3, 4, 5])
def test_the_theorem_for_every_horizon_agrees_with_the_proved_formulas(horizon: int) -> None:
    """v = T iff p <= (1-p)^T, and v = 2 T p iff p >= T/(T+1), on the page of two values for every T."""
    first, *_, last = pieces(f"two-values-in-p-{horizon}")
    assert first.value == horizon and last.value == 2 * horizon * P
    assert last.start == Fraction(horizon, horizon + 1)
    assert not remainder(((1 - P) ** horizon - P).numerator, first.stop.polynomial)


@pytest.mark.parametrize("horizon", [2, 3, 4])
def test_the_theorem_in_the_high_value(horizon: int) -> None:
    """At p = 1/2: v = T iff h - 1 <= 2^-T, and v = T h / 2 iff h >= T + 1."""
    first, *_, last = pieces(f"two-values-in-h-{horizon}")
    assert first.value == horizon and first.stop == 1 + Fraction(1, 2**horizon) * 2
    assert last.value == horizon * P / 2 and last.start == horizon + 1


SHARES = {1: ("1", "1/3"), 2: ("8/9", "1/2"), 3: ("6/7", "5/9"), 4: ("128/153", "7/12"), 5: ("640/779", "3/5")}


@pytest.mark.parametrize("horizon", SHARES)
@pytest.mark.parametrize(("mechanism", "which"), [("repeated-myerson", 0), ("non-clairvoyant-balance", 1)])
def test_the_worst_shares_are_those_of_the_page(horizon: int, mechanism: str, which: int) -> None:
    """share * v <= revenue, with no change of sign on any piece; equality at 1/2, or in the limit at 0."""
    share = Fraction(SHARES[horizon][which])
    name = f"two-values-in-p-{horizon}"
    model = read_parametric(FOLDER / "proofs" / f"{name}.toml").model
    optimum = tuple(Piece(p.start, p.stop, p.value, p.closed) for p in pieces(name))
    for start, stop, revenue, best in overlaps(closed_form(model, mechanism), optimum):
        gap = revenue - share * best
        assert OpenInterval(start, stop).sign(times(gap.numerator, gap.denominator)) >= 0, (float(start), float(stop))
    at = (Fraction(1, 2), Fraction(0))[which]
    earned = next(p.function for p in closed_form(model, mechanism) if at in p)
    assert earned(at) == share * next(p.function for p in optimum if at in p)(at)
    row = next(line for line in PAGES[FOLDER / "closed-forms.md"].splitlines() if line.startswith(f"| {horizon} |"))
    assert f"| {SHARES[horizon][which]} |" in row


def test_the_two_period_mechanism_earns_more_than_three_quarters() -> None:
    """No change of sign on any piece, nor a root inside; equality in the limit at both ends."""
    model = read_parametric(FOLDER / "proofs" / "two-values-in-p-2.toml").model
    optimum = tuple(Piece(p.start, p.stop, p.value, p.closed) for p in pieces("two-values-in-p-2"))
    shares = overlaps(closed_form(model, "two-period"), optimum)
    for start, stop, revenue, best in shares:
        gap = revenue - Fraction(3, 4) * best
        inside = OpenInterval(start, stop)
        assert inside.sign(times(gap.numerator, gap.denominator)) > 0 and not inside.has_root(gap.numerator)
        assert start == 0 or not inside.vanishes_at(gap.numerator, start)
    first, last = min(shares, key=lambda s: s[0]), max(shares, key=lambda s: s[1])
    assert first[2](0) == Fraction(3, 4) * first[3](0) and last[2](1) == Fraction(3, 4) * last[3](1)


@pytest.mark.parametrize("horizon", [2, 3, 4])
def test_the_first_order_approach_is_exact_from_one_half_on(horizon: int) -> None:
    """Downward misreports alone: the same function from 1/2 on, below it the whole surplus, strictly more."""
    true, relaxed = pieces(f"persistence-interim-{horizon}"), pieces(f"persistence-downward-{horizon}")
    half = Fraction(1, 2)
    assert true[0].stop == relaxed[0].stop == half and not relaxed[0].closed[1] and relaxed[1].closed[0]
    assert [(p.start, p.stop, p.value) for p in true[1:]] == [(p.start, p.stop, p.value) for p in relaxed[1:]]
    gap = relaxed[0].value - true[0].value
    assert OpenInterval(true[0].start, true[0].stop).sign(times(gap.numerator, gap.denominator)) > 0
    assert not OpenInterval(true[0].start, true[0].stop).has_root(gap.numerator)
    surplus = mo.formula(FOLDER / "proofs" / f"persistence-interim-{horizon}.toml", ic="none", objective="welfare")
    assert [piece.function for piece in surplus.pieces] == [relaxed[0].value]


def test_the_worst_probability_for_a_seller_who_does_not_know() -> None:
    """The least guarantee is (208 + 12 sqrt 6)/265, where the derivative vanishes."""
    _, piece = pieces("guarantee-in-p")
    (_, at), (_, least) = real_roots((1, -20, 46)), real_roots((160, -416, 265))
    assert value_at(piece.value, at) == least
    assert all(least < value_at(piece.value, end) for end in (piece.start, piece.stop))
    slope = piece.value.derivative().numerator
    assert not remainder(slope, at.polynomial) and piece.start < at < piece.stop
    page = PAGES[FOLDER / "guarantee-in-p.md"]
    assert "(208 + 12 sqrt(6))/265" in page and least.radical() == "(208 + 12 sqrt(6))/265"


def test_full_extraction_but_at_one_point() -> None:
    """Welfare less the optimum vanishes wherever signals are correlated, and is 1/16 where they are not."""
    proof = load_formula(FOLDER / "proofs" / "correlation.json")
    model = read_parametric(FOLDER / "proofs" / "correlation.toml").model
    (point, certificate), *_ = proof.points
    for p in (Fraction(1, 10), Fraction(3, 8), point):
        env = model.at(p)
        surplus = mo.formats.certify(env, None, mo.PeriodicIR(), mo.Welfare()).value
        assert surplus == proof.pieces[0].value(p)
    assert proof.pieces[0].value(point) - certificate.value == Fraction(1, 16)
    assert not minus(proof.pieces[0].value.numerator, proof.pieces[1].value.numerator)
