"""Formulas where payments are constrained and where agents and the seller have terms of their own: what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.core.functions import RationalFunction
from mechopt.mechanism.payments import Budget, NoSubsidy
from mechopt.modelfile.loading import parse
from mechopt.proof.certificate import CertificateError, digest
from mechopt.proof.formula.check import check_formula_proof
from mechopt.proof.formula.file import load_formula
from tests.parametric_models import CASES, EQUAL_REVENUE, HALF, battaglini, independent

P = RationalFunction.parameter()
KEYS = "outside", "seller_values"


def test_one_period_budget_by_hand() -> None:
    """Values 1 and 2 with chance 1/2, budget B: the high type pays B at most, so sell all for 1, then more."""
    found = mo.formula(independent(1, "[1, 2]", HALF, '["0", "3"]', "B", 'subject_to = "budget:B"'))
    assert found.proved and found.value("1/2") == Fraction(1, 2) and found.value("2") == 1
    assert found.subject_to == (Budget(P),)


def test_what_is_asked_in_python_stands_for_what_the_file_says() -> None:
    text = independent(2, extra='subject_to = ["no-subsidy", "budget:1 + p"]')
    assert mo.formula(text, prove=False).subject_to == (NoSubsidy(), Budget(1 + P))
    assert mo.formula(text, prove=False, subject_to=None).value("1/2") == mo.formula(independent(2)).value("1/2")
    assert mo.formula(text, prove=False, subject_to="budget:1+p+no-subsidy").subject_to == (NoSubsidy(), Budget(1 + P))
    assert mo.formula(text, prove=False, subject_to=mo.Budget(1)).subject_to == (Budget(1),)
    in_table = independent(2, more='[solve]\nsubject_to = "budget:2*p"')
    assert mo.formula(in_table, prove=False).subject_to == (Budget(2 * P),)


def test_a_budget_at_a_point_is_that_of_the_plain_model() -> None:
    text = independent(2, extra='subject_to = ["budget:(1 + p)/2"]')
    assert parse(text, "text", "p=1/2").subject_to == (Budget("3/4"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (independent(2, extra='subject_to = "deterministic"'), "branch and bound"),
        (independent(2, extra='subject_to = "epsilon:p"'), "truth is best exactly"),
        (independent(2, extra='subject_to = "budget:p - 1/2"'), "becomes 0 at p = 1/2"),
        (independent(2, extra='subject_to = "budget:q"'), "'q' is not a number"),
        (independent(2, extra='subject_to = "budget:p/0"'), "budget:p/0"),
        (independent(2, extra='subject_to = ["budget:p", "budget:1"]'), "another of its kind"),
        (independent(2, more='outside = "p - 1/3"'), "outside option of type 0 .* becomes 0 at p = 1/3"),
        (independent(1, "[1, 2]", HALF, '["0", "2"]', "w", 'slots = ["w", 1]', count=2), "slots?"),
        (
            EQUAL_REVENUE.replace("[parameters]", 'subject_to = "no-money"\n[parameters]'),
            "nothing is earned under these constraints for p from 0 to 1",
        ),
        (EQUAL_REVENUE.replace("[parameters]", 'subject_to = "budget:(p - 1/2)**2"\n[parameters]'), "at p = 1/2"),
    ],
)
def test_what_no_formula_is_of_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        (mo.mechanisms.guarantee_formula if "scenarios" in text else mo.formula)(text)


@pytest.mark.parametrize(
    ("text", "amount", "words"),
    [
        (independent(2), "budget:p - 1/2", "becomes 0 at p = 1/2"),
        (independent(2), "budget:1/(p - 1/2)", "at p = 1/2"),
        (battaglini(2), "budget:1/(a - 1/3)", "has a pole at a = 1/3"),
        (EQUAL_REVENUE, "budget:1/(p - 1/3)", "at p = 1/3"),
    ],
)
def test_amounts_given_beside_a_model_are_checked_as_those_in_it(text: str, amount: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        (mo.mechanisms.guarantee_formula if "scenarios" in text else mo.formula)(text, subject_to=amount)


def test_places_of_poles_and_points_that_are_none() -> None:
    with pytest.raises(InputError, match="has a pole at p = 1/2"):
        mo.formula(independent(2, extra='cost = "1/(p - 1/2)"'))
    with pytest.raises(InputError, match=r"has a pole at p = about 0\.38"):
        mo.formula(independent(2, extra='cost = "1/(p**2 - 3*p + 1)"'))
    assert mo.formula(independent(1, extra='cost = "p/(p + 1)"')).proved
    with pytest.raises(InputError, match="'half' is not a number"):
        mo.formula(independent(1), prove=False).value("half")


@pytest.mark.parametrize("name", ["seller-values", "outside", "units"])
def test_closed_forms_are_not_compared_where_they_are_not_known(name: str) -> None:
    found = mo.formula(CASES[name].text, prove=False)
    assert found.equals == {}
    with pytest.raises(InputError, match="not known as a function"):
        found.ratio("repeated-myerson")
    for text, objective in ((CASES["budget-in-p"].text, "revenue"), (independent(2), "welfare")):
        with pytest.raises(InputError, match="share of the optimal revenue"):
            mo.formula(text, objective=objective, prove=False).ratio("repeated-myerson")


@pytest.mark.parametrize("name", ["budget-in-p", "battaglini-budget", "outside", "slots"])
def test_proofs_are_files_and_their_terms_are_part_of_them(name: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "formula.json"
    found = mo.formula(case.text, case.ic or "file", case.ir or "file", prove=False)
    found.save(path)
    assert mo.check_formula(case.text, path).bases == len(found.walk.bases)
    proof = load_formula(path)
    assert proof == found.proof()
    if not proof.subject_to:
        return
    for other in ((), (Budget(2 + P),), (Budget(1),)):
        with pytest.raises(CertificateError):
            check_formula_proof(found.model, replace(proof, subject_to=other))
    content = json.loads(path.read_text())
    content.pop("digest")
    content["subject_to"][-1]["amounts"][0]["numerator"] = ["2", "1"]
    path.write_text(json.dumps(content | {"digest": digest(content)}))
    with pytest.raises(CertificateError):
        mo.check_formula(case.text, path)


def test_the_same_numbers_in_other_places_are_another_model() -> None:
    models = [mo.formats.loads_parametric(independent(2, more=f'{key} = ["p/4", "1/8"]')) for key in KEYS]
    assert len({model.fingerprint for model in models}) == len(KEYS)
