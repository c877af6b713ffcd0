"""Proofs of optima under constraints on payments: files, sentences, other formats, and forged ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.certificate import SparseVector
from mechopt.proof.check import rebuilt
from mechopt.proof.words import statement
from tests.persistent_instances import battaglini

COIN = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=2, cost="1/4")
CHAIN = battaglini(2)
NAMES = ["no-subsidy", "payment-cap:1", "budget:1", "prefix-budget:1", "weak-budget-balance", "ex-ante-budget-balance"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("env", [COIN, CHAIN], ids=["independent", "persistent"])
def test_files_come_back_and_changes_show(tmp_path, env, name):
    proof = mo.formats.certify(env, ir="interim", subject_to=name)
    proof.save(tmp_path / "proof.json")
    again = mo.formats.load_certificate(tmp_path / "proof.json")
    assert again == proof
    assert mo.formats.check_certificate(env, again) == proof.value
    assert f"payments subject to {name}, is" in statement(again)
    higher = replace(proof, value=proof.value + Fraction(1, 10**9))
    without = replace(proof, subject_to=())
    twice = replace(proof, subject_to=proof.subject_to * 2)
    for forged in (higher, twice, replace(proof, form="utility" if env is COIN else "payment")):
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(env, forged)
    free = mo.formats.certify(env, ir="interim", form="payment" if env is COIN else "auto")
    if free.value != proof.value:
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(env, without)
        with pytest.raises(mo.errors.CertificateError):  # an optimum without the constraint, said to be one under it
            mo.formats.check_certificate(env, replace(free, subject_to=proof.subject_to))


@pytest.mark.parametrize(("env", "tight", "loose"), [(COIN, "budget:1", "budget:2"), (CHAIN, "budget:1", "budget:2")])
def test_a_proof_for_one_budget_proves_no_other(env, tight, loose):
    proof, other = mo.formats.certify(env, subject_to=tight), mo.formats.certify(env, subject_to=loose)
    assert proof.value < other.value
    for forged in (replace(proof, subject_to=other.subject_to), replace(other, subject_to=proof.subject_to)):
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(env, forged)


NOTHING = SparseVector(1, (), ())
DEFICIT = mo.MarkovTypes(
    [[[0, 0], [1, 3]], [[0, 0], [-1, -3]]],
    [[["3/4", "1/4"], ["1/4", "3/4"]]] * 2,
    [["1/2", "1/2"]] * 2,
    horizon=2,
)
"""A buyer and a seller of one good a period, traded or not."""
STEERED = mo.MarkovTypes(
    [[[0, 0], [1, 3]]], [[[[1, 0], [0, 1]], [["1/2", "1/2"], ["1/4", "3/4"]]]], [["1/2", "1/2"]], cost=[1, 2], horizon=2
)
INFEASIBLE = [
    pytest.param(replace(COIN, outside=[3]), "dic", "epir", "no-money", id="outside-without-money"),
    pytest.param(replace(COIN, outside=[[0, 9]]), "dic", "interim", "no-subsidy", id="outside-by-type"),
    pytest.param(COIN, "ppic+indu", "per-period", "payment-cap:-1+no-subsidy", id="cap-against-subsidy"),
    pytest.param(
        replace(COIN, cost=[1] * COIN.horizon), "none", "none", "budget:-1+ex-ante-budget-balance", id="budget"
    ),
    pytest.param(CHAIN, "bayesian", "none", "prefix-budget:-1+weak-budget-balance", id="prefix-against-balance"),
    pytest.param(STEERED, "periodic-ex-post", "none", "no-money+weak-budget-balance", id="steered"),
    pytest.param(STEERED, "bayesian-own", "none", "payment-cap:1/2+ex-ante-budget-balance", id="unseen"),
    pytest.param(
        replace(DEFICIT, outside=[2, 0]), "bayesian", "interim", "strong-budget-balance+no-subsidy", id="two-agents"
    ),
]


@pytest.mark.parametrize(("env", "ic", "ir", "limits"), INFEASIBLE)
def test_that_no_mechanism_satisfies_all_is_proved(env, ic, ir, limits, tmp_path):
    best = mo.optimum(env, ic, ir, subject_to=limits, exact=True)
    assert str(best.status) == "infeasible" and best.conflict and best.mechanism is None
    proof = best.certificate
    assert proof.status == "infeasible" and proof.value is None and not proof.primal.index
    assert mo.formats.check_certificate(env, proof) is None
    assert mo.formats.certify(env, ic, ir, subject_to=limits).status == "infeasible"
    proof.save(tmp_path / "proof.json")
    assert mo.formats.load_certificate(tmp_path / "proof.json") == proof
    names = [row.name for row in rebuilt(env, proof).rows()]
    for position, row in enumerate(proof.dual.index):
        if names[row] == "flow":  # its side may count for the contradiction or against it
            continue
        numerators = list(proof.dual.numerators)
        numerators[position] *= -1
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(env, replace(proof, dual=replace(proof.dual, numerators=tuple(numerators))))
    for forged in (
        replace(proof, subject_to=()),
        replace(proof, dual=NOTHING),
        replace(proof, status="unbounded", dual=NOTHING),
        replace(proof, value=Fraction(0)),
        replace(proof, primal=SparseVector(1, (0,), (1,))),
        replace(proof, point=NOTHING),
    ):
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(env, forged)


@pytest.mark.parametrize("env", [COIN, CHAIN, STEERED], ids=["independent", "persistent", "steered"])
@pytest.mark.parametrize("limits", ["payment-cap:1", "payment-cap:-1", "budget:2"])
def test_that_there_is_no_bound_is_proved_from_a_mechanism(env, limits, tmp_path):
    asked = {"ir": None, "objective": "utility", "subject_to": limits, "form": "payment" if env is COIN else "auto"}
    proof = mo.formats.certify(env, **asked)
    assert proof.status == "unbounded" and proof.point is not None
    assert mo.formats.check_certificate(env, proof) is None
    proof.save(tmp_path / "proof.json")
    assert mo.formats.load_certificate(tmp_path / "proof.json") == proof
    other = mo.formats.certify(env, **asked | {"subject_to": "no-money"})
    for forged in (
        replace(proof, point=None),
        replace(proof, subject_to=(mo.NoMoney(),)),
        replace(proof, primal=replace(proof.primal, numerators=tuple(-n for n in proof.primal.numerators))),
        replace(other, status="unbounded", value=None, dual=NOTHING, point=other.primal),
    ):
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(env, forged)


def test_no_optimum_is_said_to_be_infeasible():
    proof = mo.formats.certify(COIN, subject_to="budget:1")
    with pytest.raises(mo.errors.CertificateError, match="which is true"):
        mo.formats.check_certificate(
            COIN, replace(proof, status="infeasible", value=None, primal=NOTHING, dual=NOTHING)
        )
    with pytest.raises(mo.errors.CertificateError):
        mo.formats.check_certificate(COIN, replace(proof, status="infeasible", value=None, primal=NOTHING))


def test_amounts_for_others_and_sizes_are_refused():
    proof = mo.formats.certify(COIN, subject_to="budget:1")
    with pytest.raises(mo.errors.CertificateError, match="another number of agents"):
        mo.formats.check_certificate(COIN, replace(proof, subject_to=(mo.Budget([1, 2]),)))
    with pytest.raises(mo.errors.CertificateError, match="size"):
        mo.formats.check_certificate(COIN, proof, most=30)
