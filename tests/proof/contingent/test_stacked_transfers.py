"""Proofs of stacked transfers: apart, together and by histories; what was changed proves nothing."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.proof.contingent.file import TransferProofError, load_transfer_proof
from mechopt.study.transfer_proof import transfer_proof
from mechopt.verification.contingent.check import check_contingent
from tests.closedform.contingent.test_any_transfers import rational


def uncontrolled(seed, horizon, sizes=(2, 2)):
    """Rational data; actions move no signals, and these tell of one another."""
    env = rational(seed, horizon, sizes, 1, alike=False)
    return InterdependentTypes(
        env.exact.values, env.exact.kernel[0][0], env.exact.initial, horizon=horizon, discount=env.exact.discount
    )


CASES = {
    "apart": (lambda seed: uncontrolled(seed, "infinite"), {"steps": 2}, "apart"),
    "apart-finite": (lambda seed: uncontrolled(seed, 3), {"steps": 2}, "apart"),
    "together": (lambda seed: uncontrolled(seed, "infinite"), {"steps": 2, "joint": True}, "together"),
    "together-finite": (lambda seed: uncontrolled(seed, 4), {"steps": 2, "joint": True}, "together"),
    "smallest": (lambda seed: uncontrolled(seed, 3), {"steps": 2, "smallest": True}, "apart"),
    "smallest-together": (lambda seed: uncontrolled(seed, 4), {"joint": True, "smallest": True}, "together"),
    "fewest": (lambda seed: uncontrolled(seed, 3), {"steps": "auto", "joint": True}, "together"),
    "histories": (lambda seed: rational(seed, 3, (2, 2), 1, alike=False), {"steps": 2}, "histories"),
    "histories-joint": (lambda seed: rational(seed, 4, (2, 2), 1, alike=False), {"joint": True}, "histories"),
}


@pytest.mark.parametrize("case", CASES)
def test_stacked_transfers_are_proved_through_a_file(case, tmp_path):
    make, arguments, how = CASES[case]
    proved = 0
    for seed in range(12):
        env = make(seed)
        last = "efficient" if env.infinite else "constant"
        try:
            found = contingent_transfers(env, "stacked", last, exact=True, **arguments)
        except ConditionError:
            continue
        proof = transfer_proof(found)
        proof.save(tmp_path / "proof.json")
        again = load_transfer_proof(tmp_path / "proof.json")
        assert again == proof and proof.stack["how"] == how and proof.efficient
        assert float(check_transfer_proof(env, again)) == pytest.approx(found.max_abs, rel=1e-9)
        assert check_contingent(found).holds
        plain = contingent_transfers(env, "stacked", last, **arguments)
        assert found.max_abs == pytest.approx(plain.max_abs, rel=1e-6)
        changed = [[[list(due) for due in own] for own in row] for row in proof.payments]
        noticed = 0
        for t, row in enumerate(changed):
            for own in row:
                for due in own[:4]:
                    due[0] += Fraction(1, 3)
                    try:
                        check_transfer_proof(env, replace(proof, payments=changed))
                    except TransferProofError:
                        noticed += 1
                    due[0] -= Fraction(1, 3)
            assert noticed or how == "histories", t
        assert noticed
        proved += 1
        if proved == 2:
            break
    assert proved == 2


def test_convex_independence_of_a_stack_is_proved():
    env = modelfile.load("liu-2025/square-columns")
    for joint in (False, True):
        found = contingent_transfers(env, "stacked", steps=1, joint=joint, exact=True)
        assert found.theorem.startswith("Proposition 5.3")
        assert float(check_transfer_proof(env, transfer_proof(found))) == pytest.approx(found.max_abs, rel=1e-9)


def test_claims_that_do_not_fit():
    env = uncontrolled(0, "infinite")
    proof = transfer_proof(contingent_transfers(env, "stacked", steps=2, exact=True))
    controlled = rational(0, "infinite", (2, 2), 1, alike=False)
    for change in (
        {"stack": {"how": "so", "steps": 2}},
        {"stack": {"how": "apart", "steps": 1}},
        {"stack": {"how": "together", "steps": 3}},
        {"stack": {"how": "histories", "steps": 1}},
        {"stack": {"how": "apart"}},
        {"values": [[[x + 1 for x in table] for table in own] for own in proof.values]},
        {"asked": proof.asked | {"cap": "1/1000"}},
        {"asked": proof.asked | {"form": "surplus"}},
    ):
        with pytest.raises(TransferProofError):
            check_transfer_proof(env, replace(proof, **change))
    with pytest.raises(TransferProofError):
        check_transfer_proof(controlled, replace(proof, fingerprint=controlled.fingerprint))


def test_what_has_no_exact_form():
    env = uncontrolled(1, "infinite")
    controlled = rational(1, 3, (2, 2), 1, alike=False)
    with pytest.raises(InputError, match="smallest"):
        contingent_transfers(controlled, "stacked", "constant", smallest=True, exact=True)
    floats = replace(env, kernel=np.array(env.kernel[0]) * (1 + 1e-16), exact=None)
    if floats.exact is None:
        with pytest.raises(InputError, match="exact"):
            contingent_transfers(floats, "stacked", exact=True)
