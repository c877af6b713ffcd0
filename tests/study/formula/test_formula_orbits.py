"""Formulas of identical buyers: the program on orbits, against the full program at points, and its proof."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.proof.certificate import CertificateError
from tests.parametric_models import battaglini, independent

THREE_TYPES = independent(1, "[1, 2, 4]", '["1-p", "p/2", "p/2"]', count=3)
PERIODS = """count = 2
[[buyers.periods]]
values = [1, 2]
probabilities = ["1 - p", "p"]
[[buyers.periods]]
values = [1, 3, 4]
probabilities = ["p", "1/2 - p/2", "1/2 - p/2"]"""
CHANGING = independent(2).replace('values = [1, 2]\nprobabilities = ["1 - p", "p"]\ncount = 1', PERIODS)
COSTLY = independent(2, "[1, 2]", '["1/2", "1/2"]', '["0", "2"]', "c", 'cost = "c/2"', count=3)


@pytest.mark.parametrize(
    ("text", "ic", "ir"),
    [
        (independent(2, count=3), "dic", "epir"),
        (THREE_TYPES, "dic", "epir"),
        (CHANGING, "dic", "interim"),
        (COSTLY, "dic", "epir"),
    ],
    ids=["three", "three-types", "changing", "costly"],
)
def test_on_orbits_the_formula_is_that_of_all_histories(text: str, ic: str, ir: str) -> None:
    found, random = mo.formula(text, ic, ir), Random(text)
    assert found.program.form == "orbits" and found.proved
    assert found.program.rows < found.program.require_plan.size.rows
    model = found.model
    for _ in range(6):
        point = model.start + (model.stop - model.start) * Fraction(random.randrange(1, 997), 997)
        full = mo.formats.certify(model.at(point), ic, ir)
        assert full.form != "orbits" and full.value == found.value(point)
        mechanism = found.mechanism(point)
        assert mechanism.revenue == pytest.approx(float(full.value), abs=1e-9)
        assert mo.verify(mechanism, [ic, ir]).holds


def test_the_rules_of_identical_buyers_are_alike() -> None:
    """What buyer 0 gets and pays upon reports (2, 1) is what buyer 1 does upon (1, 2), as functions."""
    (start, *_) = mo.formula(independent(2, count=2), prove=False).rules("1/3")
    entry = {one.reports: one for one in start.entries}
    assert entry["2, 1"].pays == entry["1, 2"].pays[::-1]
    assert {words: chance for words, chance in entry["1, 1"].outcome} == {
        "to 0": Fraction(1, 2),
        "to 1": Fraction(1, 2),
    }


def test_buyers_who_agree_at_one_point_are_not_identical() -> None:
    """P(2) is p for one buyer and 1 - p for the other: the same at the middle, where the program is planned."""
    text = independent(1, more='[[buyers]]\nvalues = [1, 2]\nprobabilities = ["p", "1 - p"]')
    found = mo.formula(text)
    assert found.program.form == "utility" and found.proved
    for point in ("1/4", "1/2", "5/7"):
        assert found.value(point) == mo.formats.certify(found.model.at(Fraction(point))).value


def test_many_buyers_in_one_period_by_hand() -> None:
    """Ten buyers, values 1 and 2: from p = 1/2 on low types are never sold to, below it always, by Myerson."""
    found = mo.formula(independent(1, count=10))
    assert [piece.stop for piece in found.pieces] == [Fraction(1, 2), 1] and found.program.rows < 50
    for point in (Fraction(1, 5), Fraction(4, 5)):
        none = (1 - point) ** 10
        virtual = 1 - point / (1 - point)
        assert found.value(point) == 2 * (1 - none) + max(virtual, Fraction(0)) * none


def test_a_mechanism_of_too_many_histories_is_not_written_out() -> None:
    found = mo.formula(independent(1, count=14), prove=False)
    with pytest.raises(LimitError, match="over all histories"):
        found.mechanism("1/3")


@pytest.mark.parametrize("form", ["utility", "payment", "sequence", "nothing"])
def test_a_proof_on_orbits_is_none_in_another_form(form: str) -> None:
    text = independent(2, count=2)
    found = mo.formula(text, prove=False)
    assert mo.check_formula(text, found).bases
    with pytest.raises(CertificateError):
        mo.check_formula(text, replace(found.proof(), form=form))


def test_what_orbits_do_not_stand_for_is_refused() -> None:
    unlike = independent(1, more='[[buyers]]\nvalues = [1, 3]\nprobabilities = ["1 - p", "p"]')
    for text, ic in ((unlike, "dic"), (independent(1, count=2), "ex-post")):
        with pytest.raises(CertificateError, match="no program of identical buyers"):
            mo.check_formula(text, replace(mo.formula(text, ic, prove=False).proof(), form="orbits"))
    with pytest.raises(CertificateError, match="independent across periods"):
        mo.check_formula(battaglini(2), replace(mo.formula(battaglini(2), prove=False).proof(), form="orbits"))
