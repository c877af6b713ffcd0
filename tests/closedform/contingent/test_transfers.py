"""Contingent transfers: what they are worth, that the truth is best, and where the printed formulas fail."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt import modelfile
from mechopt.closedform.contingent.conditions.hull import hull_distances
from mechopt.closedform.contingent.conditions.spanning import convex_independence, matrices, spanning
from mechopt.closedform.contingent.conditions.systems import least_norm, separated, smallest_by_report
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent
from tests.interdependent_instances import distribution, random_environment

SWAPPED = [(2, 3), (3, 2), (2, 3)]  # everybody's next signals are as many as the other's today
CASES = {
    "two-agents-two-periods": {"sizes": SWAPPED[:2], "horizon": 2},
    "two-agents-three-periods": {"sizes": SWAPPED, "horizon": 3},
    "two-agents-uncontrolled": {"sizes": SWAPPED, "horizon": 3, "controlled": False},
    "three-agents-two-periods": {"sizes": (2, 2, 3), "horizon": 2},
    "three-agents-three-periods": {"sizes": [(2, 3, 2), (3, 2, 2), (2, 2, 2)], "horizon": 3},
    "two-agents-for-ever": {"sizes": (3, 3), "horizon": "infinite"},
    "three-agents-for-ever": {"sizes": (2, 3, 2), "horizon": "infinite", "discount": 0.95},
    "single-signal": {"sizes": [(1, 2), (2, 1)], "horizon": 2},
}


def expected_payments(found, i):
    """Expected discounted payments of an agent under the truth, by a forward pass over profiles."""
    env, total = found.environment, 0.0
    reach = env.initial.copy()
    for t in range(env.stages - 1):
        following = np.zeros(env.shape[t + 1])
        for s in np.ndindex(env.shape[t]):
            a = found.policy[t][s]
            following += reach[s] * env.kernel[t][(a, *s)]
            others = tuple(k for j, k in enumerate(s) if j != i)
            own = (s[i],) if found.payments[t][i].ndim == 2 * env.agents else ()
            due = found.payments[t][i][(a, *others, *own)]
            total += env.discount ** (t + 1) * reach[s] * (env.kernel[t][(a, *s)].sum(axis=i) * due).sum()
        reach = following
    return total + env.discount ** (env.stages - 1) * float((reach * found.last_payments[i]).sum())


def expected_value(env, policy, i):
    """Expected discounted value of an agent under a policy."""
    reach, total = env.initial.copy(), 0.0
    for t in range(env.stages):
        following = np.zeros(env.shape[min(t + 1, env.stages - 1)])
        for s in np.ndindex(env.shape[t]):
            total += env.discount**t * reach[s] * env.values[i][t][(policy[t][s], *s)]
            if t + 1 < env.stages:
                following += reach[s] * env.kernel[t][(policy[t][s], *s)]
        reach = following
    return total


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("method", ["convex", "spanning"])
@pytest.mark.parametrize("last", ["efficient", "constant"])
def test_nobody_gains_by_any_lie(case, method, last):
    if case["horizon"] == "infinite" and last == "constant":
        last = "efficient"
    for seed in range(3):
        env = random_environment(seed, **case, private_last=case["horizon"] != "infinite", cost=seed == 2)
        found = contingent_transfers(env, method, last)
        checked = check_contingent(found)
        assert checked.holds
        assert checked.gain <= 1e-12 * found.scale
        assert found.gain <= 1e-12 * found.scale
        assert env.infinite or checked.strategy_gain <= 1e-12 * found.scale
        largest = max(np.abs(array).max() for row in found.payments for array in row)
        assert largest <= found.bound * (1 + 1e-12)
        assert found.max_abs >= largest


def test_the_theorems_are_named():
    env = random_environment(0, sizes=(2, 2), private_last=True)
    names = {
        contingent_transfers(env, method, last).theorem
        for method in ("convex", "spanning")
        for last in ("efficient", "constant")
    }
    assert names == {"Theorem 3.1", "Theorem 3.2", "Corollary 3.3"}


@pytest.mark.parametrize("last", ["efficient", "constant"])
@pytest.mark.parametrize("method", ["convex", "spanning"])
def test_agents_are_left_the_social_surplus(method, last):
    # Expected discounted payments are E sum d^t u_i - E W_0: the truth is worth W_0 to everybody.
    env = random_environment(1, sizes=SWAPPED, horizon=3, private_last=True, cost=True)
    found, best = contingent_transfers(env, method, last), efficient_joint(env)
    for i in range(2):
        expected = expected_value(env, found.policy, i) - best.expected_welfare
        assert expected_payments(found, i) == pytest.approx(expected, abs=1e-10)
        assert found.utilities[i] == pytest.approx(best.expected_welfare, abs=1e-12)
    assert found.revenue == pytest.approx(found.welfare - 2 * best.expected_welfare, abs=1e-12)
    assert found.welfare <= best.expected_welfare + 1e-12
    assert (found.welfare == pytest.approx(best.expected_welfare, abs=1e-12)) == (last == "efficient")


def test_the_other_pays_what_one_is_worth_by_hand():
    # Crossed coins, d = 9/10: where the item goes to B (action 1), which is worth b + a/2 to B, A is to be paid as much
    # in expectation. At b = 1: 1 or 3/2 by A's signal. M' = [[3/4, 1/4], [1/4, 3/4]] has the inverse
    # [[3/2, -1/2], [-1/2, 3/2]], so p = -(10/9) (3/2 - 3/4, -1/2 + 9/4) = -(5/6, 35/18).
    env = for_ever(modelfile.load("liu-2025/crossed-signals"))
    found = contingent_transfers(env, "spanning")
    np.testing.assert_allclose(found.payments[0][0][1, 1], [-5 / 6, -35 / 18], rtol=1e-13)


def for_ever(env):
    """The first period's data with an infinite horizon."""
    return replace(
        env,
        values=tuple(row[:1] for row in env.values),
        kernel=env.kernel[:1],
        types=tuple(row[:1] for row in env.types),
        horizon="infinite",
        exact=None,
    )


def with_payments(found, t, i, transfers):
    row = list(found.payments[t])
    row[i] = transfers.reshape(row[i].shape)
    return replace(found, payments=(*found.payments[:t], tuple(row), *found.payments[t + 1 :]))


def printed_target(env, t, i):
    """-(1/d) sum_{j != i} u_j, of the slides for every period; axes: action, others, own signal (two agents)."""
    return -np.moveaxis(env.values[1 - i][t], 1 + i, -1) / env.discount


@pytest.mark.parametrize("method", ["convex", "spanning"])
def test_the_last_target_as_printed_fails(method):
    env = random_environment(1, sizes=(3, 3), private_last=True)
    found = contingent_transfers(env, method)
    assert check_contingent(found).holds
    for i in range(2):
        columns, target = matrices(env, 0, i), printed_target(env, 0, i)
        z = convex_independence(env).separating[0][i]
        transfers = least_norm(columns, target) if method == "spanning" else separated(columns, z, target)
        np.testing.assert_allclose(
            (transfers @ columns if method == "convex" else transfers[..., None, :] @ columns).diagonal(
                axis1=-2, axis2=-1
            )[..., 0],
            target[..., 0],
            atol=1e-10,
        )
        found = with_payments(found, 0, i, transfers)
    checked = check_contingent(found)
    assert not checked.holds
    assert checked.gain > 0.05


def test_the_printed_target_is_right_where_the_horizon_is_infinite():
    env = random_environment(1, sizes=(2, 2), horizon="infinite")
    found = contingent_transfers(env, "spanning")
    for i in range(2):
        found = with_payments(found, 0, i, least_norm(matrices(env, 0, i), printed_target(env, 0, i)))
    assert check_contingent(found).holds


def test_the_pseudo_inverse_as_printed_fails():
    env = random_environment(2, sizes=(3, 3), horizon="infinite")
    found = contingent_transfers(env, "spanning")
    for i in range(2):
        columns, target = matrices(env, 0, i), printed_target(env, 0, i)
        found = with_payments(found, 0, i, (np.linalg.pinv(columns) @ target[..., None])[..., 0])
    checked = check_contingent(found)
    assert not checked.holds
    assert checked.gain > 0.05


def test_the_smallest_transfers_attain_the_dual_bound():
    # min |p| s.t. p.m_r = c_r, p.m_k >= c_k has the dual max c.y s.t. |M y|_1 <= 1, y_k >= 0 for k != r
    rng = np.random.default_rng(6)
    columns, target = distribution(rng, (3,), (5,)).T, rng.uniform(-1, 1, size=3)
    for r in range(3):
        transfer = smallest_by_report(columns, target, r)
        bounds = [(None, None) if k == r else (0, None) for k in range(3)] + [(0, None)] * 5
        rows = np.block([[columns, -np.eye(5)], [-columns, -np.eye(5)], [np.zeros((1, 3)), np.ones((1, 5))]])
        dual = linprog(-np.append(target, np.zeros(5)), A_ub=rows, b_ub=[0.0] * 10 + [1.0], bounds=bounds)
        assert np.abs(transfer).max() == pytest.approx(-dual.fun, rel=1e-9)
        assert transfer @ columns[:, r] == pytest.approx(target[r], abs=1e-12)
        assert (transfer @ columns >= target - 1e-9).all()


@pytest.mark.parametrize("method", ["convex", "spanning"])
def test_smallest_transfers_are_no_larger_and_as_good(method):
    env = random_environment(5, sizes=(2, 2, 2), actions=2)
    closed = contingent_transfers(env, method, "constant")
    small = contingent_transfers(env, method, "constant", smallest=True)
    assert small.max_abs < closed.max_abs
    assert check_contingent(small).holds


@pytest.mark.parametrize("horizon", [3, "infinite"])
@pytest.mark.parametrize("method", ["convex", "spanning"])
def test_any_rule_with_an_implementable_end(method, horizon):
    env = random_environment(8, sizes=(3, 3), horizon=horizon)
    rng = np.random.default_rng(0)
    rule = [rng.integers(3, size=(3, 3)) for _ in range(env.stages)]
    if horizon == 3:
        rule[-1][...] = 1
    found = contingent_transfers(env, method, rule=rule)
    assert check_contingent(found).holds
    if horizon == 3:
        for i in range(2):  # expected transfers are 0 under the truth
            assert expected_payments(found, i) == pytest.approx(0, abs=1e-10)
            assert found.utilities[i] == pytest.approx(expected_value(env, rule, i), abs=1e-10)
        total = sum(expected_value(env, rule, i) for i in range(2))
        assert found.welfare == pytest.approx(total, abs=1e-12)


def test_the_constant_action_is_the_best_one_unless_named():
    env = random_environment(9, sizes=(2, 2), cost=True)
    found = [contingent_transfers(env, "spanning", last_action=a).welfare for a in range(3)]
    assert contingent_transfers(env, "spanning", "constant").welfare == max(found)


def test_square_columns_have_transfers_under_convex_independence_only():
    env = modelfile.load("liu-2025/square-columns")
    assert check_contingent(contingent_transfers(env, "convex")).holds
    with pytest.raises(ConditionError, match="rank 3 for 4 own signals") as error:
        contingent_transfers(env, "spanning")
    assert (error.value.condition, error.value.place.agent, error.value.exit_status) == ("spanning", 0, 1)


def test_independent_chains_are_refused_with_the_reason():
    env = modelfile.load("liu-2025/independent-chains")
    for method in ("convex", "spanning", "stacked"):
        with pytest.raises(ConditionError, match="signals move independently of each other"):
            contingent_transfers(env, method)


def test_the_failing_matrix_is_named():
    env = InterdependentTypes(
        [[[[0, 1], [1, 2]]] * 2] * 2,
        [[[[["1/4", "1/4"], ["1/4", "1/4"]]] * 2] * 2] * 2,
        [["1/4", "1/4"]] * 2,
        actions=["keep", "sell"],
        types=[["low", "high"], ["bad", "good"]],
        names=["Ann", "Bob"],
        discount=0.5,
    )
    with pytest.raises(ConditionError, match="agent 'Ann', period 0, action 'keep', others at 'bad'"):
        contingent_transfers(env, "spanning")


def test_a_last_allocation_that_is_not_implementable_is_refused_with_its_cycle():
    env = random_environment(1, sizes=(3, 3))
    with pytest.raises(ConditionError, match=r"not ex post implementable.*Corollary 3.3") as error:
        contingent_transfers(env, "spanning")
    assert error.value.last.cycle.mean < 0
    assert check_contingent(contingent_transfers(env, "spanning", "constant")).holds


def test_a_condition_is_asked_for_only_where_some_report_leads():
    env = random_environment(3, sizes=(2, 2), horizon="infinite", actions=2)
    values, kernel = env.profile_values[0].copy(), env.kernel[0].copy()
    values[:, 1] -= 100  # never chosen
    kernel[1] = 0.25
    env = replace(env, values=values, kernel=(kernel,))
    assert not convex_independence(env).holds and not spanning(env).holds
    for method in ("convex", "spanning"):
        found = contingent_transfers(env, method)
        assert check_contingent(found).holds
        np.testing.assert_array_equal(found.payments[0][0][1], 0)


def test_one_period_is_the_static_problem():
    env = random_environment(0, sizes=(2, 3), horizon=1, private_last=True)
    found = contingent_transfers(env)
    assert found.payments == () and check_contingent(found).holds


def test_transfers_explode_as_correlation_fades():
    # As above with M' = [[1/2 + s/4, 1/2 - s/4], [1/2 - s/4, 1/2 + s/4]]: to be worth 5/4 -+ 1/4 by A's signal, entries
    # are 5/4 -+ 1/(2 s), times 10/9.
    for share in (1.0, 0.1, 0.001):
        stay = np.full((2, 2), 0.5) + share * np.array([[0.25, -0.25], [-0.25, 0.25]])
        kernel = np.einsum("xb,ya->xyab", stay, stay)
        env = replace(for_ever(modelfile.load("liu-2025/crossed-signals")), kernel=kernel)
        found = contingent_transfers(env, "spanning")
        assert check_contingent(found).holds
        assert found.max_abs == pytest.approx(10 / 9 * (5 / 4 + 1 / (2 * share)), rel=1e-9)


def test_batched_distances_serve_the_same_transfers_as_one_matrix_alone():
    env = random_environment(6, sizes=(4, 4), horizon="infinite")
    found = contingent_transfers(env, "convex")
    for s in range(4):  # agent 0, the other at s
        for r in range(4):
            a = found.policy[0][r, s]
            columns = matrices(env, 0, 0)[a, s]
            z = hull_distances(columns[np.newaxis]).direction[0]
            alone = separated(columns, z, printed_target(env, 0, 0)[a, s])
            np.testing.assert_allclose(found.payments[0][0][a, s, r], alone[r], rtol=1e-9)


@pytest.mark.slow
def test_thousands_of_systems():
    # 3 agents, 12 signals each, 6 actions: 2592 matrices with 144 rows, 31104 columns.
    rng, shape = np.random.default_rng(0), (12, 12, 12)
    kernel = rng.random((6, 1728, 1728))
    kernel /= kernel.sum(axis=2, keepdims=True)
    env = InterdependentTypes(
        rng.random((3, 6, *shape)), kernel.reshape(6, *shape, *shape), np.full(shape, 1 / 1728), discount=0.9
    )
    assert convex_independence(env).holds and spanning(env).holds
    found = [contingent_transfers(env, method) for method in ("convex", "spanning")]
    for transfers in found:
        assert transfers.gain <= 1e-12 * transfers.scale
    assert check_contingent(found[0]).holds


def test_a_saved_file_is_read_without_pickles(tmp_path):
    env = random_environment(0, sizes=(2, 2), private_last=True)
    found = contingent_transfers(env, "convex")
    found.save(tmp_path / "transfers.npz")
    with np.load(tmp_path / "transfers.npz", allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["payment_0_1"], found.payments[0][1])
        np.testing.assert_array_equal(saved["policy_1"], found.policy[1])
        np.testing.assert_array_equal(saved["last_0"], found.last_payments[0])
        assert env.fingerprint in saved["header"].tobytes().decode()
    assert [path.name for path in tmp_path.iterdir()] == ["transfers.npz"]
    with pytest.raises(InputError, match="cannot write"):
        found.save(tmp_path / "nowhere" / "transfers.npz")


BAD = {
    "method": ({"method": "least"}, "method"),
    "last": ({"last_period": "none"}, "last_period"),
    "action": ({"last_action": 7}, "from 0 to 2"),
    "rule-length": ({"rule": [np.zeros((2, 2), dtype=int)]}, "2 of them"),
    "rule-shape": ({"rule": [np.zeros((2, 2), dtype=int), np.zeros(2, dtype=int)]}, "needed is"),
    "steps": ({"method": "stacked", "steps": 0}, "steps"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        contingent_transfers(random_environment(0, sizes=(2, 2), private_last=True), **arguments)


def test_a_constant_end_of_an_infinite_horizon_is_refused():
    with pytest.raises(InputError, match="no last period"):
        contingent_transfers(random_environment(0, sizes=(2, 2), horizon="infinite"), last_period="constant")
