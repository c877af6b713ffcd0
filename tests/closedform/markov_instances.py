"""Random Markov environments, and what the library computes on them, again by plain loops over the joint chain."""

from functools import reduce
from itertools import product

import numpy as np
import pytest

from mechopt.environment.markov import MarkovTypes

CASES = {
    "two-agents-infinite": ((2, 3), 2, "infinite", 0.8),
    "two-agents-patient": ((3, 2), 3, "infinite", 0.97),
    "three-agents-infinite": ((2, 1, 3), 4, "infinite", 0.6),
    "one-agent-infinite": ((4,), 3, "infinite", 0.9),
    "two-agents-finite": ((3, 2), 3, 3, 1),
    "three-agents-finite": ((2, 3, 2), 2, 2, 0.9),
    "two-agents-types-by-period": (((2, 3), (3, 1), (1, 2)), 3, 3, 0.7),
}


def environments(test):
    return pytest.mark.parametrize("env", [pytest.param(random_environment(*c), id=n) for n, c in CASES.items()])(test)


def random_environment(counts, actions, horizon, discount, seed=0, costs=True, positive=False):
    """Counts of types by agent, or by period and agent; values of both signs; agent 0 moves for every action."""
    rng = np.random.default_rng([seed, actions, int(100 * discount)])
    by_period = not isinstance(counts[0], int)
    stages = counts if by_period else (counts,)
    agents = range(len(stages[0]))
    values = [[rng.normal(size=(actions, stage[i])) for stage in stages] for i in agents]
    kernel = [
        [
            rng.dirichlet(np.ones(after[i]), size=(before[i],) if i == 0 else (actions, before[i]))
            for before, after in zip(stages, stages[1:] if by_period else stages, strict=not by_period)
        ]
        for i in agents
    ]
    if positive:
        values = [[np.abs(table) for table in row] for row in values]
    if not by_period:
        values, kernel = [rows[0] for rows in values], [rows[0] for rows in kernel]
    initial = [rng.dirichlet(np.ones(count)) for count in stages[0]]
    cost = rng.uniform(0, 0.5, size=actions) if costs else 0
    return MarkovTypes(values, kernel, initial, cost=cost, horizon=horizon, discount=discount)


def stage_count(env):
    return 1 if env.infinite else env.horizon


def stage(env, shown, t):
    """An array of period t, or of every period."""
    return np.asarray(shown if env.infinite else shown[t])


def profiles(env, t, members=None):
    members = range(env.agents) if members is None else members
    return list(product(*(range(env.shape[t][i]) for i in members)))


def flow(env, t, action, members, types):
    return sum(env.values[i][t][action, k] for i, k in zip(members, types, strict=True)) - env.cost[action]


def joint_kernel(env, t, action, members):
    """Dense joint kernel: rows and columns in the order of `profiles`."""
    return reduce(np.kron, [env.kernel[i][t][action] for i in members], np.ones((1, 1)))


def dense_values(env, members):
    """Value of a group of agents by value iteration on the joint chain: a list over periods of dicts by profile."""
    actions = range(len(env.actions))
    tables = [
        np.array([[flow(env, t, a, members, th) for th in profiles(env, t, members)] for a in actions])
        for t in range(stage_count(env))
    ]
    if env.infinite:
        kernels, value = [joint_kernel(env, 0, a, members) for a in actions], 0.0 * tables[0][0]
        for _ in range(int(np.log(1e-15) / np.log(env.discount)) + 50):
            value = np.max([tables[0][a] + env.discount * kernels[a] @ value for a in actions], axis=0)
        return [dict(zip(profiles(env, 0, members), value, strict=True))]
    values = [tables[-1].max(axis=0)]
    for t in reversed(range(env.horizon - 1)):
        following = values[0]
        values.insert(
            0,
            np.max(
                [tables[t][a] + env.discount * joint_kernel(env, t, a, members) @ following for a in actions], axis=0
            ),
        )
    return [dict(zip(profiles(env, t, members), value, strict=True)) for t, value in enumerate(values)]


def expected_next(env, t, action, members, types, value):
    """E[value(next types)] by a loop over profiles; `value` is an array or a dict over the members' types, or None."""
    if value is None:
        return 0.0
    following = 0 if env.infinite else t + 1
    total = 0.0
    for after in profiles(env, following, members):
        chances = [env.kernel[i][t][action, k, to] for i, k, to in zip(members, types, after, strict=True)]
        total += np.prod(chances) * value[after]
    return total


def next_stage(env, shown, t):
    """The array of the period after t; None where there is none."""
    if env.infinite:
        return np.asarray(shown)
    return np.asarray(shown[t + 1]) if t + 1 < env.horizon else None
