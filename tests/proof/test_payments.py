"""Proofs of optima under constraints on payments: files, sentences, other formats, and forged ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.certificate import SparseVector
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


@pytest.mark.parametrize("env", [COIN, CHAIN], ids=["independent", "persistent"])
def test_no_bound_is_not_proved(env):
    proof = mo.formats.certify(env, subject_to="no-subsidy")
    forged = replace(proof, status="unbounded", value=None, dual=SparseVector(1, (), ()))
    with pytest.raises(mo.errors.CertificateError, match="not proved where payments are constrained"):
        mo.formats.check_certificate(env, forged)


def test_amounts_for_others_and_sizes_are_refused():
    proof = mo.formats.certify(COIN, subject_to="budget:1")
    with pytest.raises(mo.errors.CertificateError, match="another number of agents"):
        mo.formats.check_certificate(COIN, replace(proof, subject_to=(mo.Budget([1, 2]),)))
    with pytest.raises(mo.errors.CertificateError, match="size"):
        mo.formats.check_certificate(COIN, proof, most=30)
