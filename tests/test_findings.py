"""Findings: every proof in the repository is checked anew, and pages say what is proved, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber, real_roots
from mechopt.core.functions import RationalFunction, compared_at
from mechopt.core.polynomials import minus, remainder, times
from mechopt.modelfile.parametric import read_parametric
from mechopt.proof.certificate import CertificateError
from mechopt.proof.formula.file import AnyProof, ClaimedPiece, FormulaProof, load_formula
from mechopt.proof.formula.signs import OpenInterval
from mechopt.solve.parametric.pieces import Piece
from mechopt.solve.parametric.roots import roots_of, value_at
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


def tampered(proof: AnyProof) -> Iterator[AnyProof]:
    """Value, piece, interval, primal, dual and model of a proof, each changed by itself."""
    first, basis = proof.pieces[0], proof.bases[0]
    inside = (RationalFunction.parameter() - proof.start) * (proof.stop - RationalFunction.parameter())
    yield replace(proof, pieces=(replace(first, value=first.value + inside / 10**9), *proof.pieces[1:]))
    yield replace(proof, pieces=proof.pieces[1:])
    yield replace(proof, stop=proof.stop + 1)
    yield replace(proof, fingerprint=proof.fingerprint[::-1])
    (j, function), *rest = basis.primal
    yield replace(proof, bases=(replace(basis, primal=((j, function + inside / 10**9), *rest)), *proof.bases[1:]))
    if basis.dual:
        turned = tuple((row, -multiplier) for row, multiplier in basis.dual)
        yield replace(proof, bases=(replace(basis, dual=turned), *proof.bases[1:]))


@each_proof
def test_a_changed_proof_is_rejected(path: Path) -> None:
    proof = load_formula(path)
    for changed in tampered(proof):
        with pytest.raises(CertificateError):
            mo.check_formula(path.with_suffix(".toml"), changed)


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


TWO_BUYERS = {
    ("repeated-myerson", 1): "1",
    ("repeated-myerson", 2): "16/17",
    ("repeated-myerson", 3): "64/69",
    ("non-clairvoyant-balance", 2): "48/85",
    ("non-clairvoyant-balance", 3): "1792/3105",
    ("two-period", 2): "38/51",
}


@pytest.mark.parametrize(("mechanism", "horizon"), TWO_BUYERS)
def test_the_worst_shares_with_two_buyers(mechanism: str, horizon: int) -> None:
    """share * v <= revenue, with no change of sign on any piece; equality at 1/2."""
    share = Fraction(TWO_BUYERS[mechanism, horizon])
    name = f"two-buyers-in-p-{horizon}"
    model = read_parametric(FOLDER / "proofs" / f"{name}.toml").model
    optimum = tuple(Piece(p.start, p.stop, p.value, p.closed) for p in pieces(name))
    for start, stop, revenue, best in overlaps(closed_form(model, mechanism), optimum):
        gap = revenue - share * best
        assert OpenInterval(start, stop).sign(times(gap.numerator, gap.denominator)) >= 0, (float(start), float(stop))
    half = Fraction(1, 2)
    earned = next(p.function for p in closed_form(model, mechanism) if half in p)
    assert earned(half) == share * next(p.function for p in optimum if half in p)(half)
    assert TWO_BUYERS[mechanism, horizon] in PAGES[FOLDER / "closed-forms.md"]


def test_the_golden_share_of_two_buyers_in_one_period() -> None:
    """Balance over the optimum is least where p^2 + p = 1, with 5 y^2 - 3 y + 1/5 = 0."""
    name = "two-buyers-in-p-1"
    share = mo.formula(FOLDER / "proofs" / f"{name}.toml").ratio("non-clairvoyant-balance")
    (_, golden), (_, least) = real_roots((-1, 1, 1)), real_roots((1, -15, 25))
    assert share.at == (golden,) and share.minimum == least and least.radical() == "(3 + sqrt(5))/10"


def test_ends_with_many_buyers() -> None:
    """Two periods: the same ends for one, two, three and five; three periods: the first is lower with three."""
    two = [
        pieces(name) for name in ("two-values-in-p-2", "two-buyers-in-p-2", "three-buyers-in-p-2", "five-buyers-in-p-2")
    ]
    assert all([p.stop for p in one] == [p.stop for p in two[0]] for one in two)
    first = [pieces(f"{name}-in-p-3")[0].stop for name in ("two-values", "two-buyers", "three-buyers")]
    assert first[0] == first[1] and first[2] < first[1]
    for name, count, horizon in (("three", 3, 2), ("three", 3, 3), ("five", 5, 2)):
        last = pieces(f"{name}-buyers-in-p-{horizon}")[-1]
        assert last.value == 2 * horizon * (1 - (1 - P) ** count) and last.start == Fraction(horizon, horizon + 1)


REGIMES = {
    "prices": ((1, 2, 3), (Fraction(1, 2), 2), "ababa", ("2/7", "3/8", "17/37", "9/19", "1")),
    "rent": ((1, Fraction(5, 4), 3), (Fraction(1, 2), 1), "acba", ("1/71", "3/13", "11/21", "1")),
}


def published_menu(levels: tuple[Fraction, ...], signals: tuple[Fraction, ...]) -> tuple[RationalFunction, list[Any]]:
    """The bound, and what each type gains by each other contract: price 3/5 / alpha, each signal with chance 1/2."""
    distribution = ((1 - P) / 2, (1 - P) / 2, P)
    tails = (1 - distribution[0], P, P * 0)
    rise = (levels[1] - levels[0], levels[2] - levels[1], 0)
    virtual = [a - tail / f * gap for a, tail, f, gap in zip(levels, tails, distribution, rise, strict=True)]
    cost, half = Fraction(3, 5), Fraction(1, 2)
    sold = [[low * z > cost for z in signals] for low in virtual]
    slope = [sum((half * z for z, yes in zip(signals, row, strict=True) if yes), P * 0) for row in sold]
    rent = [P * 0, rise[0] * slope[0], rise[0] * slope[0] + rise[1] * slope[1]]
    bound, gains = P * 0, []
    for k, low in enumerate(virtual):
        bound += distribution[k] * sum(
            (half * (low * z - cost) for z, yes in zip(signals, sold[k], strict=True) if yes), P * 0
        )
        for j in range(3):
            gain = rent[k] - rent[j]
            if low > 0:
                price = cost * levels[k] / low
                for z in signals:
                    gain += half * (levels[j] * z - price if levels[j] * z > price else 0)
                    gain -= half * (levels[k] * z - price if levels[k] * z > price else 0)
            gains.append(gain)
    return bound, gains


@pytest.mark.parametrize("name", REGIMES)
def test_regimes_of_the_virtual_pivot(name: str) -> None:
    """Intervals are cut until no comparison comes out differently inside one; the optimum is proved there."""
    levels, signals, letters, stops = REGIMES[name]
    optimum, ends = pieces(f"virtual-pivot-{name}"), [Fraction(0), *map(Fraction, stops)]
    found = mo.formula(FOLDER / "proofs" / f"virtual-pivot-{name}.toml", prove=False).regimes
    assert [(r.letter, r.stop) for r in found] == list(zip(letters, ends[1:], strict=True))
    cuts = sorted({*map(AlgebraicNumber.rational, ends), *(p.stop for p in optimum)})
    left = list(pairwise(cuts))
    while left:
        start, stop = left.pop()
        inside = OpenInterval(start, stop)
        point = inside.inside()
        with compared_at(point) as comparisons:
            bound, gains = published_menu(levels, signals)
            holds = all(gain <= 0 for gain in gains)
        changing = next((polynomial for polynomial in comparisons.polynomials if inside.has_root(polynomial)), None)
        if changing is not None:
            root = next(root for root in roots_of(changing) if start < root < stop)
            left += [(start, root), (root, stop)]
            continue
        letter = letters[sum(1 for end in ends[1:] if end < point)]
        best = next(p.value for p in optimum if p.start < point and point < p.stop)
        gap = bound - best
        assert holds == (letter == "a") and bool(gap) == (letter == "c")
        if letter == "c":
            assert inside.sign(times(gap.numerator, gap.denominator)) > 0 and not inside.has_root(gap.numerator)


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
