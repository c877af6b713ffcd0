"""Proofs of formulas that were changed at random: whatever the checker still accepts is true wherever it is claimed."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from random import Random

import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction
from mechopt.mechanism.payments import payments_at
from mechopt.proof.certificate import CertificateError
from mechopt.proof.formula.check import check_formula_proof
from mechopt.proof.formula.file import ClaimedPiece
from mechopt.solve.exact.certify import certify
from tests.parametric_models import CASES, battaglini, independent

P = RationalFunction.parameter()
HONEST = {
    "independent": (independent(2), "dic", "epir"),
    "identical-buyers": (independent(1, count=2), "dic", "epir"),
    "payments": (independent(2), "ppic", "per-period"),
    "budget": (CASES["budget-in-p"].text, "dic", "epir"),
    "persistent": (battaglini(2), "bayesian", "epir"),
    "apart": (CASES["interdependent-two"].text, "periodic-ex-post", "periodic"),
    "public-states": (CASES["stock"].text, "bayesian", "epir"),
}
PERSIST = ("persistent", "apart", "public-states")
CONSTRAINTS = {  # those of persistent types and those of others, by side
    True: {
        "ic": (mo.BayesianIC(), mo.PeriodicExPostIC(), mo.AdjacentIC(), mo.MyopicIC()),
        "ir": (mo.EPIR(), mo.PPIR(), mo.Interim(), mo.PeriodicIR(), mo.ExAnteIR()),
    },
    False: {
        "ic": (mo.DIC(), mo.ExPostIC(), mo.PPIC(), mo.INDU(), mo.SuperDIC()),
        "ir": (mo.EPIR(), mo.PFIR(), mo.PPIR(), mo.Interim(), mo.ExAnteIR()),
    },
}


@cache
def honest(name):
    text, ic, ir = HONEST[name]
    found = mo.formula(text, ic, ir, prove=False)
    return found.model, found.proof()


@cache
def truth(name, ic, ir, weights, subject_to, point):
    """The optimum at a point, of the plain model there."""
    limits = payments_at(subject_to, point) or None
    return certify(honest(name)[0].at(point), ic, ir, mo.Objective(*weights), subject_to=limits).value


# --- changes ---


def shuffled(proof, _, chance):
    bases = list(proof.bases)
    chance.shuffle(bases)
    return replace(proof, bases=tuple(bases))


def merged(proof, _, chance):
    pieces = list(proof.pieces)
    j = chance.randrange(len(pieces))
    pair = pieces[j : j + 2]
    closed = pair[0].closed[0], pair[-1].closed[1]
    pieces[j : j + 2] = [replace(pair[0], stop=pair[-1].stop, closed=closed)]
    return replace(proof, pieces=tuple(pieces))


def closed_otherwise(proof, _, chance):
    pieces = list(proof.pieces)
    j = chance.randrange(len(pieces))
    pieces[j] = replace(pieces[j], closed=(chance.random() < 0.5, chance.random() < 0.5))
    return replace(proof, pieces=tuple(pieces))


def some_end(proof, chance):
    ends = [end for basis in proof.bases for end in (basis.start, basis.stop)]
    inside = proof.start + (proof.stop - proof.start) * Fraction(chance.randint(1, 11), 12)
    return chance.choice([*ends, AlgebraicNumber.rational(inside)])


def other_points(proof, _, chance):
    kept = proof.points if chance.random() < 0.5 else ()
    return replace(proof, points=kept, unproved=(*proof.unproved, some_end(proof, chance))[chance.randrange(2) :])


def split(proof, _, chance):
    end, closed = some_end(proof, chance), chance.random() < 0.5

    def parted(parts):
        for part in parts:
            if not part.start < end < part.stop:
                yield part
                continue
            first, second = replace(part, stop=end), replace(part, start=end)
            if isinstance(part, ClaimedPiece):
                first = replace(first, closed=(part.closed[0], closed))
                second = replace(second, closed=(closed, part.closed[1]))
            yield from (first, second)

    pieces = proof.pieces if chance.random() < 0.3 else tuple(parted(proof.pieces))
    return replace(proof, bases=tuple(parted(proof.bases)), pieces=pieces)


def other_entry(proof, _, chance):
    bases, side = list(proof.bases), chance.choice(["primal", "dual"])
    j = chance.randrange(len(bases))
    entries = list(getattr(bases[j], side))
    if entries:
        at = chance.randrange(len(entries))
        column, function = entries[at]
        changed = chance.choice([function * 2, -function, function + P, function * (1 - P), function / P])
        entries[at : at + 1] = [(column, changed)] if changed else []
    bases[j] = replace(bases[j], **{side: tuple(entries)})
    return replace(proof, bases=tuple(bases))


def swapped(proof, _, chance):
    bases = list(proof.bases)
    j, other = chance.randrange(len(bases)), chance.choice(bases)
    bases[j] = replace(bases[j], dual=other.dual, primal=chance.choice([bases[j].primal, other.primal]))
    return replace(proof, bases=tuple(bases))


def other_constraints(proof, name, chance):
    side = chance.choice(["ic", "ir"])
    known = CONSTRAINTS[name in PERSIST][side]
    drawn = chance.sample(known, chance.randint(0, 2))
    return replace(proof, **{side: tuple(c for c in known if c in drawn)})


def other_form(proof, _, chance):
    return replace(proof, form=chance.choice(["payment", "utility", "promise", "orbits", "sequence"]))


def other_value(proof, _, chance):
    pieces = list(proof.pieces)
    j = chance.randrange(len(pieces))
    value = chance.choice([pieces[j].value * 2, pieces[j].value + P, chance.choice(pieces).value])
    pieces[j] = replace(pieces[j], value=value)
    return replace(proof, pieces=tuple(pieces))


def left_out(proof, _, chance):
    gone = chance.choice(proof.pieces)
    kept = tuple(piece for piece in proof.pieces if piece is not gone)
    bases = tuple(b for b in proof.bases if b.start < gone.start or gone.stop < b.stop)
    return replace(proof, pieces=kept, bases=bases, uncovered=(*proof.uncovered, (gone.start, gone.stop)))


CHANGES = [shuffled, merged, closed_otherwise, other_points, split, other_entry, swapped, other_constraints]
CHANGES += [other_form, other_value, left_out]


def changed(seed):
    chance = Random(seed)
    name = chance.choice(list(HONEST))
    proof = honest(name)[1]
    for _ in range(chance.choice([1, 1, 2, 3, 4])):
        if proof.pieces and proof.bases:
            proof = chance.choice(CHANGES)(proof, name, chance)
    return name, proof


def claims(name, theorem):
    """Points inside of pieces, ends that are included, and every end at which pieces of the honest proof meet."""
    model, proof = honest(name)
    special = {end.exact for basis in proof.bases for end in (basis.start, basis.stop)} - {None}
    for piece in theorem.pieces:
        for end in (piece.start, piece.stop):
            end.narrowed(Fraction(1, 1000))
        low, high = piece.start.upper, piece.stop.lower
        points = {low + (high - low) * share for share in (Fraction(1, 3), Fraction(5, 7))}
        points |= {end.exact for end, held in zip((piece.start, piece.stop), piece.closed, strict=True) if held} - {
            None
        }
        points |= {point for point in special if piece.start < point < piece.stop}
        yield from ((point, piece.value(point)) for point in points if model.start < point < model.stop)
    yield from theorem.points.items()


def try_changes(seeds):
    """How many changed proofs were accepted, and those that claim what is not so."""
    accepted, false = 0, []
    for seed in seeds:
        name, proof = changed(seed)
        if proof == honest(name)[1]:
            continue
        try:
            theorem = check_formula_proof(honest(name)[0], proof)
        except CertificateError:
            continue
        accepted += 1
        goal = proof.objective
        asked = proof.ic, proof.ir, (goal.revenue, goal.welfare, goal.utility), proof.subject_to
        wrong = [point for point, value in claims(name, theorem) if truth(name, *asked, point) != value]
        false += [(seed, name, wrong)] if wrong else []
    return accepted, false


def test_changed_proofs_of_formulas_make_no_false_claim():
    accepted, false = try_changes(range(150))
    assert not false
    assert accepted > 5


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 5000, 1000))
def test_thousands_of_changed_proofs_of_formulas_make_no_false_claim(start):
    accepted, false = try_changes(range(start, start + 1000))
    assert not false
    assert accepted > 50
