"""Transfers for every kernel within a radius, and transfers from estimated kernels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt import modelfile
from mechopt.closedform.contingent.robust.transfers import robust_transfers
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError, LimitError
from mechopt.study import estimated_transfers
from mechopt.study.estimated_transfers import draws_needed, estimated, estimated_gains, gain_under
from mechopt.verification.contingent.check import check_contingent
from tests.interdependent_instances import random_environment


def nearby(rng, distribution, radius):
    """A distribution within that total size of another one, along a segment to a random one."""
    towards = rng.dirichlet(np.full(len(distribution), 0.3))
    size = np.abs(towards - distribution).sum()
    return distribution + min(1.0, radius / max(size, 1e-12)) * (towards - distribution)


def perturbed(env, rng, radius):
    """All others' distributions within the radius: signals are drawn independently, each agent's from its own law."""
    kernel = env.kernel[0][0]
    changed = np.zeros_like(kernel)
    for s in np.ndindex(env.shape[0]):
        first, second = kernel[s].sum(axis=1), kernel[s].sum(axis=0)
        changed[s] = np.multiply.outer(nearby(rng, first, radius), nearby(rng, second, radius))
    return replace(env, kernel=changed, exact=None)


@pytest.mark.parametrize("seed", range(4))
def test_no_gain_at_any_kernel_within_the_radius(seed):
    env = random_environment(seed, sizes=(3, 3), horizon="infinite", controlled=False, actions=2)
    rng, radius = np.random.default_rng(seed), 0.05
    plain = contingent_transfers(env, "any")
    assert robust_transfers(env, 0).max_abs == pytest.approx(plain.max_abs, rel=1e-6)
    try:
        found = robust_transfers(env, radius)
    except ConditionError:
        pytest.skip("no transfers are that robust here")
    assert check_contingent(found).holds and found.max_abs >= plain.max_abs - 1e-9
    worst = [0.0, 0.0]
    for _ in range(60):
        other = perturbed(env, rng, radius)
        worst[0] = max(worst[0], gain_under(found, other))
        worst[1] = max(worst[1], gain_under(plain, other))
    assert worst[0] <= 1e-9 < 1e-4 < worst[1]


def least_by_vertices(env, i, radius):
    """Smallest largest payment of agent i where the other has two signals: both ends of the set, in plain rows."""
    from mechopt.closedform.pivot.efficient_joint import efficient_joint

    policy, shape = efficient_joint(env).policy[0], env.shape[0]
    names = {}
    for s in np.ndindex(shape):
        for n in range(2):
            names[s, n] = len(names)
    width, above, limit = len(names) + 1, [], []
    for s in np.ndindex(shape):
        distribution = env.kernel[0][(0, *s)].sum(axis=i)
        for end in (max(distribution[0] - radius / 2, 0), min(distribution[0] + radius / 2, 1)):
            for r in range(shape[i]):
                told = (*s[:i], r, *s[i + 1 :])
                row = np.zeros(width)
                for n, q in enumerate((end, 1 - end)):
                    row[names[told, n]] -= env.discount * q
                    row[names[s, n]] += env.discount * q
                own = env.values[i][0]
                above.append(row)
                limit.append(own[(policy[s], *s)] - own[(policy[told], *s)])
    for column in names.values():
        for sign in (1, -1):
            row = np.zeros(width)
            row[column], row[-1] = sign, -1
            above, limit = [*above, row], [*limit, 0.0]
    found = linprog(np.eye(width)[-1], np.array(above), limit, bounds=[(None, None)] * (width - 1) + [(0, None)])
    return found.fun if found.status == 0 else None


@pytest.mark.parametrize("radius", [0, 0.1, 0.3, 2])
def test_two_outcomes_by_their_ends(radius):
    solved = 0
    for seed in range(8):
        env = random_environment(seed, sizes=(2, 2), horizon="infinite", controlled=False, actions=2)
        least = [least_by_vertices(env, i, radius) for i in range(2)]
        if None in least:
            with pytest.raises(ConditionError, match="try a smaller one"):
                robust_transfers(env, radius)
            continue
        found = robust_transfers(env, radius)
        sizes = [np.abs(table).max() for table in found.payments[0]]
        assert sizes == pytest.approx(least, rel=1e-6, abs=1e-9)
        solved += 1
    assert solved >= 1


def test_a_finite_horizon_and_three_agents():
    env = random_environment(1, sizes=(2, 2, 2), horizon=3, controlled=False, private_last=True)
    found = robust_transfers(env, 0.01)
    assert check_contingent(found).holds and len(found.payments) == 2
    assert robust_transfers(env, 0).max_abs == pytest.approx(contingent_transfers(env, "any").max_abs, rel=1e-6)


def test_what_is_refused():
    for wrong in (-1, "x", True, None, 2.1):
        with pytest.raises(InputError, match="from 0 to 2"):
            robust_transfers(modelfile.load("liu-2025/square-columns"), wrong)
    with pytest.raises(InputError, match="above 0"):
        draws_needed(modelfile.load("liu-2025/square-columns"), 0)
    with pytest.raises(InputError, match="number of draws"):
        estimated(modelfile.load("liu-2025/square-columns"), 0, 0)
    found = contingent_transfers(modelfile.load("liu-2025/square-columns"))
    with pytest.raises(InputError, match="differ"):
        gain_under(found, modelfile.load("liu-2025/crossed-signals"))


def test_an_estimate_is_what_was_counted():
    env = random_environment(2, sizes=(2, 3), horizon=3)
    guess = estimated(env, 50, 7)
    for t, kernel in enumerate(guess.kernel):
        counts = kernel * 50
        np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
        assert guess.controlled(t)
    near = estimated(env, 10**7, 7)
    assert max(np.abs(a - b).max() for a, b in zip(near.kernel, env.kernel, strict=True)) < 2e-3
    smooth = estimated(env, 1, 0, prior=1.0)
    assert smooth.kernel[0].min() > 0


def test_gains_fall_with_the_draws_and_are_those_of_the_check():
    env = modelfile.load("liu-2025/square-columns")
    few, many = (estimated_gains(env, n, 30) for n in (200, 20_000))
    assert few.quantile(0.5) > 3 * many.quantile(0.5) > 0
    guess = estimated(env, 200, np.random.default_rng(0))
    found = contingent_transfers(guess, "convex")
    again = replace(found, environment=env)
    assert few.gains[0] == check_contingent(again).largest == gain_under(found, env)
    assert gain_under(found, guess) <= 1e-12 * found.scale
    alone = estimated_gains(modelfile.load("liu-2025/independent-chains"), 10**6, 3, "spanning")
    assert len(alone.gains) == 3 and np.isfinite(alone.gains).any()


def test_draws_needed_is_the_first_power_of_two(monkeypatch):
    env = modelfile.load("liu-2025/square-columns")
    needed = draws_needed(env, 0.2, replications=20)
    assert needed & (needed - 1) == 0
    assert estimated_gains(env, needed, 20).quantile(0.95) <= 0.2 < estimated_gains(env, needed // 2, 20).quantile(0.95)
    monkeypatch.setattr(estimated_transfers, "MOST_DRAWS", 16)
    with pytest.raises(LimitError, match="more than 16 draws"):
        draws_needed(env, 1e-6, replications=5)


def test_transfers_made_robust_around_each_estimate():
    env = modelfile.load("liu-2025/winner-pay")
    plain, robust = (estimated_gains(env, 2000, 5, "any", 1, **more) for more in ({}, {"radius": 0.1}))
    assert robust.quantile(0.5) < plain.quantile(0.5) / 3
