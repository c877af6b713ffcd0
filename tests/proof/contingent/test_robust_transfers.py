"""Proofs that transfers are right for every kernel of a set, or that there are none; changed ones prove nothing."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.robust.transfers import NoRobustTransfersError, robust_transfers
from mechopt.core.errors import InputError
from mechopt.environment.kernels.box import KernelBox
from mechopt.environment.kernels.hull import KernelHull
from mechopt.environment.kernels.rows import KernelRows
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.proof.contingent.file import TransferProofError, load_transfer_proof
from mechopt.study.transfer_proof import transfer_proof
from mechopt.verification.contingent.check import check_contingent
from tests.closedform.contingent.test_any_transfers import rational


def another(env, seed, share="1/50"):
    """Near kernels with the same denominators, a list by period."""
    rng, share = np.random.default_rng(seed), Fraction(share)
    found = []
    for exact in env.exact.kernel:
        flat = exact.reshape(-1, int(np.prod(exact.shape[1 + env.agents :])))
        corners = np.eye(flat.shape[1], dtype=int)[rng.integers(flat.shape[1], size=len(flat))]
        moved = (1 - share) * flat + share * corners
        found.append(moved.reshape(exact.shape))
    return found


SETS = {
    "ball": lambda env: "1/100",
    "box": lambda env: KernelBox.around(env, "1/200"),
    "hull": lambda env: KernelHull([another(env, 0), another(env, 1)]),
}
SHAPES = {
    "infinite": ("infinite", (2, 2), False),
    "controlled-three": (3, (2, 2), False),
    "unequal": (2, (2, 3), False),
    "uncontrolled": ("infinite", (3, 2), True),
}


def environment(seed, shape):
    """Actions move the signals unless `alike`, where these tell nothing of one another."""
    horizon, sizes, alike = SHAPES[shape]
    return rational(seed, horizon, sizes, gamma=0 if alike else 1, alike=alike)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", SETS)
def test_robust_transfers_are_proved_through_a_file(form, shape, tmp_path):
    proved = refused = 0
    for seed in range(4):
        env = environment(seed, shape)
        last = "efficient" if env.infinite else "constant"
        try:
            found = robust_transfers(env, SETS[form](env), last, exact=True)
        except NoRobustTransfersError as error:
            transfer_proof(error).save(tmp_path / "none.json")
            assert check_transfer_proof(env, load_transfer_proof(tmp_path / "none.json")) == error.farkas.contradiction
            refused += 1
            continue
        transfer_proof(found).save(tmp_path / "proof.json")
        again = load_transfer_proof(tmp_path / "proof.json")
        assert again == transfer_proof(found)
        assert float(check_transfer_proof(env, again)) == pytest.approx(found.max_abs, rel=1e-12, abs=1e-300)
        assert found.max_abs == pytest.approx(robust_transfers(env, SETS[form](env), last).max_abs, rel=1e-6, abs=1e-9)
        assert check_contingent(found, exact=True).holds
        proved += 1
    assert proved >= 2


def refused(shape):
    """An environment without transfers for every kernel, and the refusal."""
    for seed in range(20):
        env = environment(seed, shape)
        try:
            robust_transfers(env, 2, "efficient" if env.infinite else "constant")
        except NoRobustTransfersError as error:
            return env, error
    raise AssertionError("there are transfers in every one")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_set_that_is_too_large_is_refused_with_a_proof(shape):
    env, error = refused(shape)
    assert "try a smaller one; together" in str(error)
    proof = transfer_proof(error)
    assert check_transfer_proof(env, proof) > 0
    for k, distribution in enumerate(proof.distributions):
        if distribution:
            wrong = [list(other) for other in proof.distributions]
            wrong[k] = [distribution[0] + 1, *distribution[1:]]
            with pytest.raises(TransferProofError, match="not in the set"):
                check_transfer_proof(env, replace(proof, distributions=wrong))
    if SHAPES[shape][2]:
        return  # refused at the given kernel already
    small = replace(proof, kernels={"kind": "ball", "radius": "1/1000"})
    with pytest.raises(TransferProofError, match="not in the set"):
        check_transfer_proof(env, small)
    less = [proof.shares[0]._replace(multiplier=proof.shares[0].multiplier / 2), *proof.shares[1:]]
    with pytest.raises(TransferProofError, match=r"is left|not a contradiction"):
        check_transfer_proof(env, replace(proof, shares=less))


@pytest.mark.parametrize("shape", [shape for shape, (_, _, alike) in SHAPES.items() if not alike])
def test_what_was_changed_proves_nothing(shape):
    env = environment(2, shape)
    proof = transfer_proof(robust_transfers(env, "1/100", "efficient" if env.infinite else "constant", exact=True))
    check_transfer_proof(env, proof)
    one = Fraction(1, 10**9)
    changes = {
        "larger": {"kernels": {"kind": "ball", "radius": "1/50"}},
        "lower": {"lower": [[[x + one for x in table] for table in own] for own in proof.lower]},
        "upper": {"upper": [[[x - one for x in table] for table in own] for own in proof.upper]},
        "none": {"lower": [], "upper": []},
        "unknown": {"kernels": {"kind": "star"}},
        "size": {"kernels": {"kind": "ball", "radius": "3"}},
        "values": {"values": [[[x + one for x in table] for table in own] for own in proof.values]},
    }
    for change in changes.values():
        with pytest.raises(TransferProofError):
            check_transfer_proof(env, replace(proof, **change))
    outside = {"kind": "box", **{name: [[[["2"] * 4] * 4] * 2] * len(env.kernel) for name in ("lower", "upper")}}
    with pytest.raises(TransferProofError, match=r"kernel is not in the set|next profile|layout"):
        check_transfer_proof(env, replace(proof, kernels=outside))


def test_a_polytope_by_its_inequalities_has_no_exact_form():
    env = modelfile.load("liu-2025/square-columns")
    rows = KernelRows(np.zeros((1, 12)), [1.0])
    with pytest.raises(InputError, match="by its vertices"):
        robust_transfers(env, rows, exact=True)
