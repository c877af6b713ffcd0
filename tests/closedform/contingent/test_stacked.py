"""Stacked transfers: one period tells too little, several together enough; what to do where actions move signals."""

from dataclasses import replace

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.conditions.spanning import convex_independence, matrices, spanning
from mechopt.closedform.contingent.conditions.systems import least_norm
from mechopt.closedform.contingent.program.numbers import float_numbers
from mechopt.closedform.contingent.setting import ConditionError, prepare
from mechopt.closedform.contingent.stacked import marginals
from mechopt.closedform.contingent.stacked.joint import path_columns
from mechopt.closedform.contingent.stacked.stack import future_columns
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.archive import load_mechanism
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.promises import promise_by_promise
from tests.interdependent_instances import distribution, random_environment


def relayed(own, other, share=0.5):
    """Joint distribution of next signals: uniform with probability `share`, else last with (own[k]
    + other[m])/2, or first.
    """
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
    second = np.einsum("xb,ya->xyab", distribution(rng, (3,), (3,)), distribution(rng, (3,), (3,)))
    return InterdependentTypes(
        values, (relayed(BENT, HALFWAY), second), np.full((3, 3), 1 / 9), horizon=3, discount=0.9
    )


def steered(seed=0):
    """The same, and actions move the signals: how much of the first law is noise, and the whole second law."""
    env = late(seed=seed)
    rng = np.random.default_rng(seed + 100)
    first = np.stack([relayed(BENT, HALFWAY, share) for share in (0.2, 0.6)])
    second = np.stack(
        [np.einsum("xb,ya->xyab", distribution(rng, (3,), (3,)), distribution(rng, (3,), (3,))) for _ in range(2)]
    )
    return replace(env, kernel=(first, second))


def test_targets_that_are_linear_are_met_one_step_ahead():
    # the middle column is halfway between the others, and so are the others' values: conditions fail, targets are met
    env = modelfile.load("liu-2025/two-periods-stacked")
    assert not convex_independence(env).holds and not spanning(env).holds
    for method, theorem in (("convex", "Theorem 3.1"), ("spanning", "Theorem 3.2")):
        found = contingent_transfers(env, method)
        assert found.theorem == f"{theorem}, target by target" and check_contingent(found).holds


def test_one_step_fails_and_two_stacked_work_for_ever():
    env = modelfile.load("liu-2025/two-periods-stacked")
    env = replace(
        env, values=[tuple(map(np.sqrt, own)) for own in env.values]
    )  # concave: a middle signal is worth more than the mean
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


def hidden_in_the_path(seed, share=0.8):
    """Agent 1's next signal is noise, the one after is whether it equals agent 0's of today: only both together tell.

    Agent 0's value does not depend on agent 1's signals, so that agent 1's targets are constant.
    """
    rng = np.random.default_rng(seed)
    stay, same = np.eye(2), np.array([[share, 1 - share], [1 - share, share]])
    first = np.einsum("xa,b->xab", stay, np.full(2, 0.5))[:, np.newaxis].repeat(2, axis=1)
    second = np.zeros((2, 2, 2, 2))
    for x, y in np.ndindex(2, 2):
        second[x, y] = np.multiply.outer([0.5, 0.5], same[x ^ y])
    values = []
    for _ in range(3):
        table = rng.uniform(-1, 1, size=(2, 2, 2, 2))
        table[0] = table[0][:, :, :1]
        values.append(table)
    values[-1] = np.zeros((2, 2, 2, 2))
    return InterdependentTypes(
        tuple(zip(*values, strict=True)), (first, second), np.full((2, 2), 0.25), horizon=3, discount=0.9
    )


def test_a_joint_distribution_tells_what_its_marginals_do_not():
    told = 0
    for seed in range(6):
        env = hidden_in_the_path(seed)
        policy = [np.zeros(4, dtype=int)] * 3
        # the other's signal now, her path, own signal
        path = path_columns(float_numbers(env), policy, 0, 0, 2, one=True)[0]
        np.testing.assert_allclose(path[0].T, np.array([[0.8, 0.2, 0.2, 0.8], [0.2, 0.8, 0.8, 0.2]]) / 2)
        found = contingent_transfers(env, "stacked", "constant", steps=2, joint=True)
        checked = check_contingent(found)
        assert checked.holds and checked.strategy_gain <= 1e-9
        assert found.theorem.startswith("Proposition 5.4, joint distributions")
        try:
            contingent_transfers(env, "stacked", "constant", steps=2)
        except ConditionError:
            told += 1
    assert told >= 3


def test_joint_transfers_of_one_step_are_those_of_spanning(tmp_path):
    env = random_environment(4, sizes=(2, 2), horizon=3, controlled=False)
    one = contingent_transfers(env, "stacked", "constant", steps=1, joint=True)
    plain = contingent_transfers(env, "spanning", "constant")
    assert one.max_abs == pytest.approx(plain.max_abs, rel=1e-9)
    two = contingent_transfers(env, "stacked", "constant", steps=2, joint=True)
    assert check_contingent(one).holds and check_contingent(two).holds
    two.save(tmp_path / "joint.npz")
    again = load_mechanism(tmp_path / "joint.npz", env)
    np.testing.assert_array_equal(again.payments[1][0], two.payments[1][0])
    assert check_contingent(again).holds
    three = random_environment(4, sizes=(2, 2, 2), horizon=3, controlled=False)
    assert check_contingent(contingent_transfers(three, "stacked", "constant", joint=True)).holds


def test_what_joint_is_not_for():
    controlled = random_environment(0, sizes=(2, 2), horizon=3)
    with pytest.raises(InputError, match="joint"):
        contingent_transfers(controlled, "spanning", "constant", joint=True)
    with pytest.raises(ConditionError, match="is unbounded"):
        contingent_transfers(random_environment(0, sizes=(2, 2), horizon="infinite"), "stacked", joint=True)
    with pytest.raises(InputError, match="smallest"):
        contingent_transfers(controlled, "stacked", "constant", smallest=True, joint=True)


def test_the_fewest_steps_that_do():
    env = modelfile.load("liu-2025/two-periods-stacked")
    env = replace(env, values=[tuple(map(np.sqrt, own)) for own in env.values])
    found = contingent_transfers(env, "stacked", steps="auto")
    assert len(found.later[0][0]) == 1  # two periods, as one is refused above
    same = contingent_transfers(env, "stacked", steps=2)
    np.testing.assert_array_equal(found.payments[0][0], same.payments[0][0])
    with pytest.raises(ConditionError, match="signals move independently"):
        contingent_transfers(modelfile.load("liu-2025/independent-chains"), "stacked", steps="auto")


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
            distributions = future_columns(env, found.policy, t, i, 2 - t)
            weighted = np.concatenate([env.discount ** (k + 1) * m for k, m in enumerate(distributions)], axis=2)
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
    with pytest.raises(ConditionError, match="is unbounded") as error:
        contingent_transfers(env, "stacked")
    assert error.value.condition == "stacking"


def test_too_many_histories_are_refused_with_their_number(monkeypatch):
    monkeypatch.setattr(marginals, "MAX_ENTRIES", 1000)
    env = random_environment(0, sizes=(2, 2), horizon=6)
    with pytest.raises(LimitError, match="histories"):
        contingent_transfers(env, "stacked", "constant")
