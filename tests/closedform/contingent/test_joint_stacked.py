"""Stacked transfers on joint distributions and by own report: infinite horizons, signals that actions move."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.archive import load_mechanism
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.promises import lasting
from mechopt.verification.contingent.together import checked_together, promised
from tests.closedform.contingent.test_stacked import hidden_in_the_path, late, steered
from tests.interdependent_instances import random_environment


def best_response_gain(found, i, periods=200):
    """Gain of one report at the worst signals, what it promises summed over all paths, in plain loops."""
    env, policy, length = found.environment, found.policy[0], found.together
    d, kernel, values = env.discount, env.kernel[0], env.values[i][0]

    def due(t, reported, path):
        table = found.payments[0][i]
        others = tuple(s for j, s in enumerate(reported) if j != i)
        own = (reported[i],) if table.ndim == 1 + (env.agents - 1) * (1 + length) + 1 else ()
        return table[(policy[reported], *others, *own, *path)]

    def expected(reported, action, true, path, left):
        total = 0.0
        for then in np.ndindex(env.shape[0]):
            chance = kernel[(action, *true, *then)]
            if chance:
                seen = (*path, *(s for j, s in enumerate(then) if j != i))
                total += chance * (
                    due(0, reported, seen) if left == 1 else expected(reported, policy[then], then, seen, left - 1)
                )
        return total

    def worth(true, reported):
        a = policy[reported]
        return values[(a, *true)] - d**length * expected(reported, a, true, (), length)

    truth = np.zeros(env.shape[0])
    flow = {s: worth(s, s) for s in np.ndindex(env.shape[0])}
    for _ in range(periods * 2):
        truth = np.array(
            [flow[s] + d * (kernel[(policy[s], *s)] * truth).sum() for s in np.ndindex(env.shape[0])]
        ).reshape(env.shape[0])
    worst = 0.0
    for s in np.ndindex(env.shape[0]):
        for r in range(env.shape[0][i]):
            told = (*s[:i], r, *s[i + 1 :])
            value = worth(s, told) + d * (kernel[(policy[told], *s)] * truth).sum()
            worst = max(worst, value - truth[s])
    return worst


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_infinite_horizon_against_plain_loops(steps):
    gained = 0
    for seed in range(4):
        env = random_environment(seed, sizes=(2, 2), horizon="infinite", controlled=False)
        found = contingent_transfers(env, "stacked", steps=steps, joint=True)
        assert found.together == steps and found.payments[0][0].ndim == 2 + steps
        assert check_contingent(found).holds and check_contingent(found, exact=True).holds
        for i in range(2):
            assert best_response_gain(found, i) <= 1e-9 * found.scale
        rng = np.random.default_rng(seed)
        bent = tuple(array + 20 * rng.normal(size=array.shape) for array in found.payments[0])
        wrong = replace(found, payments=(bent,))
        gain = max(best_response_gain(wrong, i) for i in range(2))
        assert check_contingent(wrong).gain == pytest.approx(gain, rel=1e-9, abs=1e-12)
        assert check_contingent(wrong, exact=True).gain == pytest.approx(gain, rel=1e-9, abs=1e-12)
        gained += gain > 1e-3 and not check_contingent(wrong).holds
    assert gained >= 2


def test_one_step_together_is_spanning():
    env = random_environment(1, sizes=(3, 3), horizon="infinite", controlled=False)
    one, plain = contingent_transfers(env, "stacked", steps=1, joint=True), contingent_transfers(env, "spanning")
    np.testing.assert_allclose(one.payments[0][0], plain.payments[0][0], rtol=1e-8, atol=1e-10)


def test_the_fewest_steps_together():
    env = hidden_in_the_path(0)
    found = contingent_transfers(env, "stacked", "constant", steps="auto", joint=True)
    assert found.together == 2 and check_contingent(found).holds
    alone = mo.load("liu-2025/independent-chains")
    with pytest.raises(ConditionError, match="fails"):
        contingent_transfers(alone, "stacked", steps="auto", joint=True)


def test_own_reports_together():
    # four columns of three outcomes: convexly independent, not linearly; both ways of stacking one step are Lemma A.3
    env = mo.load("liu-2025/square-columns")
    found = contingent_transfers(env, "stacked", steps=1, joint=True)
    assert found.theorem == "Proposition 5.3, joint distributions" and found.payments[0][0].ndim == 4
    two = contingent_transfers(env, "stacked", steps=2, joint=True)
    assert check_contingent(found).holds and check_contingent(two).holds
    small = contingent_transfers(env, "stacked", steps=1, joint=True, smallest=True)
    assert small.max_abs < found.max_abs and check_contingent(small).holds


def test_periods_of_a_finite_horizon_are_checked_alike_with_and_without_histories():
    env = random_environment(6, sizes=(2, 2), horizon=4, controlled=False)
    found = contingent_transfers(env, "stacked", "constant", steps=2, joint=True)
    every = check_contingent(found)
    assert every.holds and every.strategy_gain <= 1e-9
    bent = [[np.array(array) for array in row] for row in found.payments]
    bent[0][1] += 20 * np.random.default_rng(0).normal(size=bent[0][1].shape)
    wrong = replace(found, payments=tuple(map(tuple, bent)))
    alone = max(float(part.gain.max()) for part in checked_together(wrong, 1, None).gains)
    assert check_contingent(wrong).gain == pytest.approx(alone, rel=1e-9) and alone > 0.1
    assert check_contingent(wrong, exact=True).gain == pytest.approx(alone, rel=1e-9)


def test_signals_that_actions_move_count_against_promises_together():
    # transfers of an environment without control, used where actions move the signals: what is due moves as well
    env = random_environment(3, sizes=(2, 2), actions=2, horizon="infinite", controlled=False)
    found = contingent_transfers(env, "stacked", steps=2, joint=True)
    moved = random_environment(4, sizes=(2, 2), actions=2, horizon="infinite")
    wrong = replace(found, environment=moved)
    checked = check_contingent(wrong)
    own = max(best_response_gain(wrong, i) for i in range(2))
    assert checked.gain > own > 0.1 and not checked.holds
    assert np.isfinite(lasting(wrong, 0, promised)).all()


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("last", ["efficient", "constant"])
def test_steered_signals_and_joint_distributions(joint, last, tmp_path):
    for seed in range(2):
        env = random_environment(seed, sizes=(2, 2), horizon=4, actions=2, private_last=True)
        found = contingent_transfers(env, "stacked", last, joint=joint)
        assert found.history and found.reports == joint
        checked = check_contingent(found)
        assert checked.holds and checked.strategy_gain <= 1e-9 * found.scale
        found.save(tmp_path / "found.npz")
        again = load_mechanism(tmp_path / "found.npz", env)
        np.testing.assert_array_equal(again.payments[2][1], found.payments[2][1])
        assert again.reports == found.reports and check_contingent(again).holds


def crossed(seed):
    """Four own signals that one period tells apart by convex independence alone, and actions that move the signals."""
    square = mo.load("liu-2025/square-columns")
    rng = np.random.default_rng(seed)
    kernel = np.stack([square.kernel[0][0], 0.9 * square.kernel[0][0] + 0.1 * square.kernel[0][0][::-1]])
    values = rng.uniform(-1, 1, size=(3, 2, 2, 4, 3)).swapaxes(0, 1)
    return InterdependentTypes(values, (kernel, kernel), square.initial, horizon=3, discount=0.9)


@pytest.mark.parametrize("joint", [False, True])
def test_own_reports_where_actions_move_the_signals(joint):
    for seed in range(3):
        env = crossed(seed)
        assert env.controlled(0)
        found = contingent_transfers(env, "stacked", "constant", steps=1 + (seed > 0), joint=joint)
        assert found.reports and found.history
        checked = check_contingent(found)
        assert checked.holds and checked.strategy_gain <= 1e-9 * found.scale
        largest = max(np.abs(array).max() for row in found.payments for array in row)
        assert largest <= found.bound * (1 + 1e-9)
    assert check_contingent(found, exact=True).holds


def test_a_correction_that_is_left_out_is_caught():
    env = steered()
    found = contingent_transfers(env, "stacked", "constant", joint=True)
    assert found.reports and check_contingent(found).holds
    plain = contingent_transfers(late(), "stacked", "constant", steps=2, joint=True)
    wrong = replace(plain, environment=env)
    assert check_contingent(wrong).gain > 0.01 and not check_contingent(wrong).holds


def test_a_joint_file_that_is_damaged_is_refused(tmp_path):
    env = random_environment(1, sizes=(2, 3), horizon="infinite", controlled=False)
    found = contingent_transfers(env, "stacked", steps=2, joint=True)
    found.save(tmp_path / "found.npz")
    again = load_mechanism(tmp_path / "found.npz", env)
    assert again.together == 2 and check_contingent(again).holds
    replace(found, together=3).save(tmp_path / "wrong.npz")
    with pytest.raises(mo.InputError):
        load_mechanism(tmp_path / "wrong.npz", env)


def test_payments_of_every_layout_as_rows():
    env = random_environment(1, sizes=(2, 3), actions=2, horizon="infinite", controlled=False)
    together = contingent_transfers(env, "stacked", steps=2, joint=True)
    frame = together.to_frame()
    place = next(row for row in frame.itertuples() if row.agent == "0")
    names = env.types[1][0]
    at = (env.action_names(0).index(place.action), names.index(place.others[0]), *map(names.index, place.others_next))
    assert (place.due, place.payment) == (2, together.payments[0][0][at])
    apart = contingent_transfers(env, "stacked", steps=2).to_frame()
    assert set(apart["due"]) == {1, 2}
    moved = random_environment(2, sizes=(2, 2), horizon=3, actions=2, private_last=True)
    for joint in (False, True):
        found = contingent_transfers(moved, "stacked", joint=joint)
        frame = found.to_frame()
        later = frame[(frame["period"] == 1) & (frame["due"] == 2)]
        assert set(map(len, later["past"])) == {2} and later["payment"].abs().max() > 0
        assert set(later["report"].isna()) == {not joint}
        assert len(later) >= 2 * found.payments[1][0].size / 16
