"""Infinite horizons whose first periods differ from what is for ever, against plain programs and best responses."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.bidders import auction_of
from mechopt.closedform.contingent.robust.transfers import robust_transfers
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.archive import load_mechanism
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.study.transfer_proof import transfer_proof
from mechopt.verification.contingent.check import check_contingent, truthful_outcome
from tests.closedform.contingent.test_any_transfers import compared, rational
from tests.interdependent_instances import distribution, random_environment

SIZES = (((2, 2), (3, 2)), ((3, 3), (2, 2), (2, 3)), ((2, 1), (2, 2)), ((2, 2, 2), (2, 1, 2)))


def later_for_ever(seed, actions=2, controlled=True, discount=0.9):
    """Several periods of their own sizes and data; the last one leads to itself."""
    rng, sizes = np.random.default_rng(seed), SIZES[seed % len(SIZES)]
    values = [rng.uniform(-1, 1, size=(len(size), actions, *size)) for size in sizes]
    lead = (actions,) if controlled else ()
    kernels = [distribution(rng, (*lead, *s), n) for s, n in zip(sizes, (*sizes[1:], sizes[-1]), strict=True)]
    cost = [rng.uniform(0, 0.3, size=actions) for _ in sizes]
    given = tuple(zip(*values, strict=True)), tuple(kernels), distribution(rng, (), sizes[0])
    return InterdependentTypes(*given, cost=cost, horizon="infinite", discount=discount)


def repeated(env, periods):
    """The same stationary data, written down period by period."""
    values = [own * periods for own in env.values]
    return InterdependentTypes(
        values, env.kernel * periods, env.initial, cost=env.cost, horizon="infinite", discount=env.discount
    )


@pytest.mark.parametrize("seed", range(12))
def test_all_transfers_against_a_plain_program(seed):
    env = later_for_ever(seed, actions=2 + seed % 2, controlled=seed % 3 > 0)
    assert env.infinite and env.stages == len(env.kernel) > 1
    compared(env)


@pytest.mark.parametrize("seed", range(8))
def test_the_efficient_rule_by_plain_iteration(seed):
    env = later_for_ever(seed, actions=3)
    found, value = efficient_joint(env), np.zeros(env.shape[-1])

    def improved(t, later):
        table = np.zeros((env.action_counts[t], *env.shape[t]))
        for a, *s in np.ndindex(table.shape):
            flow = sum(env.values[i][t][(a, *s)] for i in range(env.agents)) - env.costs[t][a]
            table[(a, *s)] = flow + env.discount * (env.kernel[t][(a, *s)] * later).sum()
        return table

    for _ in range(400):
        value = improved(env.stages - 1, value).max(axis=0)
    for t in reversed(range(env.stages)):
        table = improved(t, value)
        value = table.max(axis=0) if t < env.stages - 1 else value
        np.testing.assert_allclose(found.welfare[t], value, atol=1e-10)
        np.testing.assert_array_equal(found.policy[t], table.argmax(axis=0))
    assert env.first_best == pytest.approx((env.initial * value).sum(), abs=1e-10)


def test_theorems_hold_and_what_they_say_of_themselves_is_so():
    held = 0
    for seed in range(12):
        env = later_for_ever(seed)
        for method in ("convex", "spanning", "any"):
            try:
                found = contingent_transfers(env, method)
            except mo.errors.ConditionError:
                continue
            checked = check_contingent(found)
            assert checked.holds and checked.gain <= 1e-9
            assert check_contingent(found, exact=True).holds
            welfare, utilities = truthful_outcome(found)
            assert (welfare, *utilities) == pytest.approx((found.welfare, *found.utilities), abs=1e-9)
            if method != "any":
                assert found.utilities == pytest.approx([found.welfare] * env.agents, abs=1e-9)
            held += 1
    assert held >= 12


@pytest.mark.parametrize("method", ["convex", "spanning", "any", "stacked"])
def test_the_same_data_every_period_are_the_stationary_ones(method):
    env = random_environment(3, sizes=(2, 2), horizon="infinite", controlled=method != "stacked", cost=True)
    one, many = contingent_transfers(env, method), contingent_transfers(repeated(env, 3), method)
    assert many.welfare == pytest.approx(one.welfare, rel=1e-12)
    if method != "any":
        assert many.max_abs == pytest.approx(one.max_abs, rel=1e-9)
        for row in many.payments:
            np.testing.assert_allclose(row[0], one.payments[0][0], atol=1e-9)
    else:  # the stationary ones are transfers of each period as well
        assert many.max_abs <= one.max_abs * (1 + 1e-9)
    assert check_contingent(many).holds and check_contingent(many, exact=True).holds


def test_a_payment_that_is_too_small_is_noticed_in_every_period():
    env = later_for_ever(1)
    found = contingent_transfers(env, "any")
    for t in range(env.stages):
        worst = 0.0
        for sign in (-1, 1):
            for place in np.argwhere(found.payments[t][0] != 0)[:40]:
                changed = found.payments[t][0].copy()
                changed[tuple(place)] += sign * 0.5
                rows = [list(row) for row in found.payments]
                rows[t][0] = changed
                bent = check_contingent(replace(found, payments=tuple(map(tuple, rows))))
                worst = max(worst, bent.gain if not bent.holds else 0.0)
        assert worst > 1e-3


def test_stacked_transfers_of_the_first_periods():
    stay = random_environment(5, sizes=(3, 3), horizon="infinite", controlled=False)
    rng = np.random.default_rng(5)
    values = [(rng.uniform(-1, 1, size=own[0].shape), own[0]) for own in stay.values]
    env = InterdependentTypes(
        values, (distribution(rng, (3, 3), (3, 3)), stay.kernel[0]), stay.initial, discount="9/10"
    )
    found = contingent_transfers(env, "stacked", steps=2)
    assert len(found.later) == 2 and check_contingent(found).holds and check_contingent(found, exact=True).holds


def exact_environment(seed):
    """Rational data with another first period."""
    one, two = (rational(s, "infinite", (2, 2), 1, alike=False) for s in (seed, seed + 50))
    values = [(a[0], b[0]) for a, b in zip(one.exact.values, two.exact.values, strict=True)]
    return InterdependentTypes(
        values, (one.exact.kernel[0], two.exact.kernel[0]), one.exact.initial, discount=one.exact.discount
    )


@pytest.mark.parametrize("method", ["convex", "spanning", "any"])
def test_exact_transfers_and_their_proofs(method):
    proved = 0
    for seed in range(6):
        env = exact_environment(seed)
        try:
            found = contingent_transfers(env, method, exact=True)
        except mo.errors.NoTransfersError as error:
            assert check_transfer_proof(env, transfer_proof(error)) > 0
            continue
        except mo.errors.ConditionError:
            continue
        proof = transfer_proof(found)
        assert proof.efficient and float(check_transfer_proof(env, proof)) == pytest.approx(found.max_abs, rel=1e-12)
        proved += 1
    assert proved >= 3


def test_demands_and_their_proofs():
    env = exact_environment(1)
    asked = {"participation": "interim", "fee": True, "balance": "ex-ante"}
    for demands in (asked, {"balance": "weak"}, {"form": "vcg"}, {"cap": 40, "participation": "ex-post"}):
        found = contingent_transfers(env, "any", exact=True, **demands)
        check_transfer_proof(env, transfer_proof(found))
        assert check_contingent(found).holds


def test_robust_transfers_and_their_proofs():
    for seed in range(4):
        env = exact_environment(seed)
        found = robust_transfers(env, "1/100", exact=True)
        check_transfer_proof(env, transfer_proof(found))
        assert robust_transfers(env, 0).max_abs == pytest.approx(contingent_transfers(env, "any").max_abs, rel=1e-6)


def test_files_of_models_and_transfers(tmp_path):
    env = exact_environment(2)
    again = mo.loads(env.to_toml())
    assert again == env and again.stages == 2
    found = contingent_transfers(env, "any")
    found.save(tmp_path / "found.npz")
    read = load_mechanism(tmp_path / "found.npz", env)
    np.testing.assert_array_equal(read.payments[1][0], found.payments[1][0])
    assert set(found.to_frame()["period"]) == {0, 1}
    table = mo.compare(env)
    assert table["contingent-any"].largest_transfer == pytest.approx(found.max_abs)


def test_what_does_not_fit():
    env = later_for_ever(0)
    with pytest.raises(InputError, match="2 periods are given, and 3 elsewhere"):
        InterdependentTypes(env.values, env.kernel, env.initial, cost=[[0, 1], [0, 2], [0, 3]], discount="9/10")
    with pytest.raises(InputError, match="kernel"):
        InterdependentTypes(env.values, env.kernel[:1], env.initial, discount="9/10")
    with pytest.raises(InputError, match="below 1"):
        InterdependentTypes(env.values, env.kernel, env.initial)
    with pytest.raises(InputError, match="periods"):
        auction_of(env)
