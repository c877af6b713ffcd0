"""Formulas that claim to be of identical buyers, about models that are not of any; guarantees of unknown optima."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction, compared_at
from mechopt.environment.parametric import with_exact
from mechopt.modelfile.parametric import read_parametric_scenarios
from mechopt.proof.certificate import CertificateError
from mechopt.proof.formula.check import check_formula_proof
from mechopt.proof.formula.file import ClaimedPiece
from mechopt.proof.independent import rebuild
from tests.parametric_models import independent

P = RationalFunction.parameter()
OTHER = '[[buyers]]\nvalues = [1, 3]\nprobabilities = ["1/2", "1/2"]\n'
MIDDLE = '[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
MODELS = {  # text, what is asked, and the refusal
    "payments": (independent(1, count=2), {"subject_to": "no-subsidy"}, "it has no payments that constraints could"),
    "other-values": (independent(1, more=OTHER), {}, "the buyers are not identical"),
    "identical-in-the-middle-alone": (independent(1, more=MIDDLE), {}, "the buyers are not identical"),
    "ex-post": (independent(1, count=2), {"ic": "ex-post"}, "it is for DIC"),
    "no-incentives": (independent(1, count=2), {"ic": "none"}, "cannot express|it is for DIC"),
}


@cache
def proved(name):
    text, asked, _ = MODELS[name]
    return mo.formula(text, prove=False, **asked).proof()


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_not_of_identical_buyers(name):
    text, _, words = MODELS[name]
    assert mo.check_formula(text, proved(name)).pieces
    with pytest.raises(CertificateError, match=f"(?s)form: .*({words})"):
        mo.check_formula(text, replace(proved(name), form="orbits"))


SALE = """
kind = "independent"
horizon = 1
[parameters]
p = ["0", "1"]
[[buyers]]
values = [1, 2]
probabilities = ["1 - p", "p"]
"""


@pytest.mark.parametrize("amount", [mo.EpsilonIC(1), mo.EpsilonIC([P - 2]), mo.EpsilonIC([P])], ids=lambda e: e.name)
def test_formulas_keep_incentive_constraints_as_they_are(amount):
    """Rows divided by a gain below 0 are turned round: that the optimum is 1 where misreports lose was proved."""
    honest, one = mo.formula(SALE, prove=False).proof(), RationalFunction.of(1)
    basis = replace(
        honest.bases[0],
        stop=honest.bases[-1].stop,
        primal=((0, P), (2, one), (3, one), (4, one)),
        dual=((0, one), (1, P * (P - 2))),
    )
    piece = replace(honest.pieces[0], stop=honest.pieces[-1].stop, closed=(False, False), value=one)
    forged = replace(honest, form="payment", subject_to=(amount,), bases=(basis,), pieces=(piece,))
    with pytest.raises(CertificateError, match="subject_to: formulas keep incentive constraints as they are"):
        mo.check_formula(SALE, forged)


# --- guarantees ---

GUARANTEE = """
kind = "scenarios"
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
AT = Fraction(1, 4)
"""Where the optima are taken apart, inside a basis of each."""


@cache
def guarantee():
    return mo.mechanisms.guarantee_formula(GUARANTEE, ir="interim", prove=False).proof()


def split(parts, closed):
    """Pieces or bases, that around the point being two."""
    end, found = AlgebraicNumber.rational(AT), []
    for part in parts:
        if not part.start < end < part.stop:
            found.append(part)
            continue
        first, second = replace(part, stop=end), replace(part, start=end)
        if isinstance(part, ClaimedPiece):
            first = replace(first, closed=(part.closed[0], closed))
            second = replace(second, closed=(closed, part.closed[1]))
        found += [first, second]
    return tuple(found)


def apart(optimum, model):
    """The optimum of the second scenario, proved on both sides of the point but not there.

    What the buyer has after the first period is in no row where participation is interim, so that it may have a pole.
    """
    exact = with_exact(model.middle, model.exact)
    columns = rebuild(exact, "payment", optimum.ic, optimum.ir, (Fraction(1), Fraction(0), Fraction(0)))
    free = columns.utility("realised utility", 1, 0)
    pole = free, RationalFunction((1,), (-1, 4))
    bases = split(optimum.bases, False)
    at = [basis for basis in bases if AlgebraicNumber.rational(AT) in (basis.start, basis.stop)]
    assert len(at) == 2
    bases = tuple(replace(one, primal=(*one.primal, pole)) if one in at else one for one in bases)
    unproved = (AlgebraicNumber.rational(AT),)
    return replace(optimum, form="payment", pieces=split(optimum.pieces, False), bases=bases, unproved=unproved)


def test_a_guarantee_is_proved_where_its_optima_are():
    """Its own basis holds at the point, the other scenario's optimum is known there, and this one is not."""
    models, honest = read_parametric_scenarios(GUARANTEE).model, guarantee()
    with compared_at(AT):
        lacking = replace(honest, optima=(honest.optima[0], apart(honest.optima[1], models.models[1])))
    assert check_formula_proof(models.models[1], lacking.optima[1]).unproved == (AlgebraicNumber.rational(AT),)
    open_there = replace(
        lacking,
        pieces=split(honest.pieces, False),
        bases=split(honest.bases, False),
        unproved=(AlgebraicNumber.rational(AT),),
    )
    assert mo.check_formula(GUARANTEE, open_there).unproved
    forged = {
        "ends: nothing is proved at 1/4": {"unproved": ()},
        "pieces: one goes over 1/4": {"pieces": honest.pieces},
        "pieces: one includes its end 1/4": {"pieces": split(honest.pieces, True)},
        "optima: none is proved from 0 to 0.5": {"bases": honest.bases, "pieces": honest.pieces},
    }
    for words, change in forged.items():
        with pytest.raises(CertificateError, match=words):
            mo.check_formula(GUARANTEE, replace(open_there, **change))


def test_a_guarantee_names_the_constraints_that_its_optima_should_be_under():
    for change, words in (
        ({"ic": (mo.SuperDIC(),), "ir": (mo.Interim(),)}, r"is not the revenue under super-dic\+interim$"),
        ({"subject_to": (mo.Budget(2),)}, r"is not the revenue under dic\+interim\+budget$"),
        ({"ic": (), "ir": ()}, "is not the revenue under nothing$"),
    ):
        with pytest.raises(CertificateError, match=words):
            mo.check_formula(GUARANTEE, replace(guarantee(), **change))
