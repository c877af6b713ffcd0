"""Stacked transfers: one period tells too little, several together enough; what to do where actions move signals."""

from dataclasses import replace

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent import stacked as contingent_stacked
from mechopt.closedform.contingent.setting import ConditionError, prepare
from mechopt.closedform.contingent.spanning import convex_independence, matrices, spanning
from mechopt.closedform.contingent.stacked import future_columns
from mechopt.closedform.contingent.systems import least_norm
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.promises import promise_by_promise
from tests.interdependent_instances import law, random_environment


def relayed(own, other, share=0.5):
    """Joint law of next signals: uniform with probability `share`, else last with (own[k] + other[m])/2, or first."""
    size = len(own)
    single = np.full((size, size, size), share / size)
    for k in range(size):
        for m in range(size):
            p = (own[k] + other[m]) / 2
            single[k, m, 0] += (1 - share) * (1 - p)
            single[k, m, -1] += (1 - share) * p
    return np.einsum("xya,yxb->xyab", single, single)


HALFWAY = [0.0, 0.5, 1.0]  # to the other, one period ahead: the middle signal is a mixture of its neighbours
BENT = [0.2, 0.2, 0.8]  # to oneself, and from there to the other


def late(actions=2, seed=0):
    """Three periods: the first tells too little one period ahead, the second enough."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, size=(3, 2, actions, 3, 3)).swapaxes(0, 1)
    second = np.einsum("xb,ya->xyab", law(rng, (3,), (3,)), law(rng, (3,), (3,)))
    return InterdependentTypes(
        values, (relayed(BENT, HALFWAY), second), np.full((3, 3), 1 / 9), horizon=3, discount=0.9
    )


def steered(seed=0):
    """The same, and actions move the signals: how much of the first law is noise, and the whole second law."""
    env = late(seed=seed)
    rng = np.random.default_rng(seed + 100)
    first = np.stack([relayed(BENT, HALFWAY, share) for share in (0.2, 0.6)])
    second = np.stack([np.einsum("xb,ya->xyab", law(rng, (3,), (3,)), law(rng, (3,), (3,))) for _ in range(2)])
    return replace(env, kernel=(first, second))


def test_one_step_fails_and_two_stacked_work_for_ever():
    env = modelfile.load("liu-2025/two-periods-stacked")
    assert convex_independence(env).distance == 0
    for method in ("convex", "spanning"):
        with pytest.raises(ConditionError, match="stack several future periods"):
            contingent_transfers(env, method)
    found = contingent_transfers(env, "stacked")
    checked = check_contingent(found)
    assert checked.holds and checked.gain <= 1e-12 * found.scale
    assert found.theorem == "Proposition 5.4"
    assert found.later[0][0][0].shape == found.payments[0][0].shape == (2, 3, 3)
    assert np.abs(found.later[0][0][0]).max() > 0.1  # the second period is needed


def test_the_ranks_of_the_example():
    # one step ahead: columns on a line; two steps: bent the other way; together a triangle
    env = modelfile.load("liu-2025/two-periods-stacked")
    policy = contingent_transfers(env, "stacked").policy
    one, two = future_columns(env, policy, 0, 0, 2)
    np.testing.assert_array_equal(one[0], matrices(env, 0, 0)[0].reshape(one[0].shape))
    together = np.concatenate([one, two], axis=2)
    assert {int(np.linalg.matrix_rank(m, tol=1e-10)) for m in one[0]} == {2}
    assert {int(np.linalg.matrix_rank(m, tol=1e-10)) for m in two[0]} == {2}
    assert {int(np.linalg.matrix_rank(m, tol=1e-10)) for m in together[0]} == {3}


def test_a_finite_horizon_falls_back_on_one_step_at_its_end():
    env = late()
    assert spanning(env).worst.period == 0
    found = contingent_transfers(env, "stacked", "constant")
    checked = check_contingent(found)
    assert checked.holds and checked.strategy_gain <= 1e-12 * found.scale
    assert [len(own) for own in (found.later[0][0], found.later[1][0])] == [1, 0]


def test_a_last_step_that_tells_too_little_is_refused():
    env = replace(late(), kernel=(relayed(BENT, HALFWAY), relayed(BENT, HALFWAY)))
    with pytest.raises(ConditionError, match="period 1"):
        contingent_transfers(env, "stacked", "constant")


def test_convex_independence_of_the_stack_where_it_does_not_span():
    # four signals (x, y) of two bits: x goes to the other at once, y to oneself and then to the other. The columns are
    # the corners of a square: convexly independent, of rank 3; one period ahead two pairs are equal.
    first, second = np.array([0, 0, 1, 1.0]), np.array([0, 1, 0, 1.0])
    values = np.random.default_rng(3).uniform(-1, 1, size=(2, 2, 4, 4))
    env = InterdependentTypes(values, relayed(second, first), np.full((4, 4), 1 / 16), discount=0.9)
    assert convex_independence(env).distance == 0
    found = contingent_transfers(env, "stacked")
    assert found.theorem == "Proposition 5.3"
    assert found.later[0][1][0].shape == (2, 4, 4, 4)  # action, other, own report, other then
    checked = check_contingent(found)
    assert checked.holds and checked.gain <= 1e-12 * found.scale


def test_three_periods_stacked_hold_as_well():
    found = contingent_transfers(modelfile.load("liu-2025/two-periods-stacked"), "stacked", steps=3)
    assert len(found.later[0][0]) == 2
    assert check_contingent(found).holds


def test_one_step_stacked_is_spanning():
    env = random_environment(1, sizes=(3, 3), horizon="infinite", controlled=False)
    one, plain = contingent_transfers(env, "stacked", steps=1), contingent_transfers(env, "spanning")
    np.testing.assert_allclose(one.payments[0][0], plain.payments[0][0], rtol=1e-8, atol=1e-10)


def uncorrected(env):
    """Transfers that solve the stacked equations alone: the next action's influence on what is due does not count."""
    found = contingent_transfers(env, "stacked", "constant")
    setting = prepare(env, None, "constant", None)
    payments, later = [], []
    for t in range(2):
        row, row_later = [], []
        for i in range(2):
            laws = future_columns(env, found.policy, t, i, 2 - t)
            weighted = np.concatenate([env.discount ** (k + 1) * m for k, m in enumerate(laws)], axis=2)
            wanted = by_own_signal(env.discount * target(env, i, t, setting.values[i], setting.targeted), i)
            solved = least_norm(weighted, wanted)
            np.testing.assert_allclose(np.einsum("abn,abnk->abk", solved, weighted), wanted, atol=1e-9)
            row.append(solved[..., :3])
            row_later.append((solved[..., 3:],) if t == 0 else ())
        payments.append(tuple(row))
        later.append(tuple(row_later))
    return replace(found, payments=tuple(payments), later=tuple(later), history=False)


def test_steered_signals_the_equations_alone_are_caught_and_the_correction_works():
    caught = 0
    for seed in range(4):
        env = steered(seed)
        assert env.controlled(0) and not spanning(env).holds
        found = contingent_transfers(env, "stacked", "constant")
        checked = check_contingent(found)
        assert checked.holds
        assert max(checked.gain, checked.strategy_gain) <= 1e-12 * found.scale
        literal = check_contingent(uncorrected(env))
        caught += literal.gain > 0.05
        if literal.gain > 0.05:
            assert not literal.holds and literal.counterexample.period == 1 and len(literal.counterexample.past) == 1
    assert caught >= 3


def test_what_is_still_due_counts_where_histories_are_not_enumerated():
    # two steps: only one earlier promise is ever outstanding, so taking its worst history is exact
    transfers = uncorrected(steered())
    together = check_contingent(transfers)
    every = [gains for i in range(2) for gains in promise_by_promise(transfers, i).gains]
    alone = max(every, key=lambda gains: gains.gain.max())
    assert alone.gain.max() == pytest.approx(together.gain, rel=1e-9)
    assert (alone.period, together.counterexample.period) == (1, 1)


def test_signals_that_actions_do_not_move_need_no_correction():
    assert check_contingent(uncorrected(late())).holds


@pytest.mark.parametrize(("sizes", "horizon"), [((2, 2), 4), ((2, 2, 2), 3)], ids=["four-periods", "three-agents"])
def test_steered_random_environments(sizes, horizon):
    env = random_environment(2, sizes=sizes, horizon=horizon, actions=2, private_last=True)
    for last in ("efficient", "constant"):
        found = contingent_transfers(env, "stacked", last)
        checked = check_contingent(found)
        assert found.history and checked.holds
        assert checked.strategy_gain <= 1e-12 * found.scale
        largest = max(np.abs(array).max() for row in found.payments for array in row)
        assert largest <= found.bound * (1 + 1e-12)


def test_smallest_stacked_transfers():
    env = modelfile.load("liu-2025/two-periods-stacked")
    closed, small = (contingent_transfers(env, "stacked", smallest=smallest) for smallest in (False, True))
    assert small.max_abs < closed.max_abs
    assert check_contingent(small).holds
    with pytest.raises(InputError, match="smallest"):
        contingent_transfers(steered(), "stacked", "constant", smallest=True)


def test_steered_for_ever_is_refused_with_the_reason():
    env = random_environment(0, sizes=(2, 2), horizon="infinite")
    with pytest.raises(ConditionError, match="grows without end") as error:
        contingent_transfers(env, "stacked")
    assert error.value.condition == "stacking"


def test_too_many_histories_are_refused_with_their_number(monkeypatch):
    monkeypatch.setattr(contingent_stacked, "MAX_ENTRIES", 1000)
    env = random_environment(0, sizes=(2, 2), horizon=6)
    with pytest.raises(LimitError, match="histories"):
        contingent_transfers(env, "stacked", "constant")
