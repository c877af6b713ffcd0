"""Agents who do not look ahead, for ever: against a plain value iteration, long horizons and the verifier."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from mechopt.mechanism.endless.states import StateMechanism


def instance(seed):
    rng = np.random.default_rng(seed)

    def distribution(count):
        weights = rng.integers(0, 4, count) + (np.arange(count) == 0)
        return [f"{w}/{weights.sum()}" for w in weights]

    agents, actions, steered = 1 + seed % 2, 3 - seed % 2, seed % 4 > 1
    sizes = [2 + (seed % 3 == 0)] * agents
    values = [[[0] * k, *(sorted(rng.integers(-1, 6, k).tolist()) for _ in range(actions - 1))] for k in sizes]
    kernel = [[[distribution(k) for _ in range(k)] for _ in range(actions)] for k in sizes]
    return mo.MarkovTypes(
        values,
        kernel if steered else [row[0] for row in kernel],
        [distribution(k) for k in sizes],
        cost=[0, *rng.integers(0, 3, actions - 1).tolist()],
        horizon="infinite",
        discount=["1/2", "3/5"][seed % 2],
        seller_values=[[[0] * k, *([1, 0, 2][:k] for _ in range(actions - 1))] for k in sizes]
        if seed % 5 == 4
        else None,
    )


def plain_value(env, sweeps):
    """Value iteration by linprog: one program a last profile and action, written from the definitions."""
    n, actions, shape = env.agents, range(env.action_counts[0]), env.shape[0]
    profiles = list(product(*map(range, shape)))

    def worth(i, a, k):
        return env.values[i][0][a, k]

    def net(a, m):
        own = env.seller_values
        return (sum(own[i][0][a, m[i]] for i in range(n)) if own else 0) - env.costs[0][a]

    def static(distributions, after):
        """Most that one period and what follows bring; types of agent i are distributed as laws[i]."""
        possible = [[k for k in range(shape[i]) if distributions[i][k] > 0] for i in range(n)]
        told = list(product(*possible))
        x = {(m, a): c for c, (m, a) in enumerate(product(told, actions))}
        p = {(m, i): len(x) + c for c, (m, i) in enumerate(product(told, range(n)))}
        chance = {m: float(np.prod([distributions[i][m[i]] for i in range(n)])) for m in told}
        cost, rows = np.zeros(len(x) + len(p)), []
        for m in told:
            for a in actions:
                cost[x[m, a]] -= chance[m] * (net(a, m) + env.discount * after[m, a])
            for i in range(n):
                cost[p[m, i]] -= chance[m]
                row = np.zeros(len(cost))  # p <= v: participation
                row[p[m, i]] = 1.0
                for a in actions:
                    row[x[m, a]] -= worth(i, a, m[i])
                rows.append(row)
        for i in range(n):
            others = [m for m in told if m[i] == possible[i][0]]
            for k, r in product(possible[i], repeat=2):
                row = np.zeros(len(cost))
                for m in others:
                    weight = float(np.prod([distributions[j][m[j]] for j in range(n) if j != i]))
                    for said, sign in ((r, 1), (k, -1)):
                        there = (*m[:i], said, *m[i + 1 :])
                        row[p[there, i]] -= sign * weight
                        for a in actions:
                            row[x[there, a]] += sign * weight * worth(i, a, k)
                rows.append(row)
        equal = np.zeros((len(told), len(cost)))
        for line, m in enumerate(told):
            equal[line, [x[m, a] for a in actions]] = 1.0
        bounds = [(0, None)] * len(x) + [(None, None)] * len(p)
        found = linprog(cost, np.array(rows), np.zeros(len(rows)), equal, np.ones(len(told)), bounds)
        assert found.status == 0
        return -found.fun

    after = {(m, a): 0.0 for m in profiles for a in actions}
    for _ in range(sweeps):
        after = {(m, a): static([env.kernel[i][0][a, m[i]] for i in range(n)], after) for m, a in after}
    return static(env.initial, after)


@pytest.mark.parametrize("seed", range(6))
def test_the_bracket_holds_a_plain_value_iteration(seed):
    env = instance(seed)
    best = mo.optimum(env, "myopic", "per-period")
    sweeps = 18
    left = env.discount ** (sweeps + 1) / (1 - env.discount) * 20  # more than any period is worth
    assert best.method == "infinite" and str(best.status) == "optimal"
    assert best.bound.upper - best.bound.lower <= 1e-6
    assert abs(best.value - plain_value(env, sweeps)) <= left + 1e-7
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-12)
    for exact in (False, True):
        report = mo.verify(best.mechanism, exact=exact)
        assert report.holds and {c.name for c in report} == {"myopic", "per-period"}


@pytest.mark.parametrize("seed", range(6, 12))
def test_long_horizons_tend_to_it(seed):
    env = instance(seed)
    own, periods = env.seller_values, 40
    long = mo.MarkovTypes(
        [[row[0]] * periods for row in env.values],
        [[row[0]] * (periods - 1) for row in env.kernel],
        list(env.initial),
        actions=[list(env.action_names(0))] * periods,
        cost=[env.costs[0].tolist()] * periods,
        horizon=periods,
        discount=env.discount,
        seller_values=None if own is None else [[row[0]] * periods for row in own],
    )
    best = mo.optimum(env, "myopic", "per-period")
    whole = mo.optimum(long, "myopic", "per-period", method="myopic")
    assert whole.value == pytest.approx(best.value, abs=1e-6)
    assert mo.verify(best.mechanism).holds


def test_a_dearer_payment_is_found_and_replays():
    env = instance(7)
    best = mo.optimum(env, "myopic", "per-period").mechanism
    paid = best.payment.copy()
    paid[0, 0] += np.arange(paid.shape[2])[:, None] * 2.0  # the higher the report, the more is paid
    broken = StateMechanism(env, best.distributions, best.allocation, paid, best.after, claims=best.claims)
    report = mo.verify(broken)["myopic"]
    assert str(report.status) == "violated"
    assert report.counterexample.replay(broken) == pytest.approx(report.gain, abs=1e-9)
    assert "in the period" in str(report.counterexample)


def test_what_is_not_defined_is_refused():
    env = instance(1)
    with pytest.raises(mo.InputError, match="with per-period IR"):
        mo.optimum(env, "myopic", "interim")
    with pytest.raises(mo.InputError, match="infinite"):
        mo.optimum(env, "myopic", "per-period", objective="welfare")
    with pytest.raises(mo.InputError, match="outside"):
        mo.optimum(replace(env, outside=[1, 0]), "myopic", "per-period")


def test_a_time_limit_leaves_what_is_known():
    best = mo.optimum(instance(3), "myopic", "per-period", time_limit=0.0)
    assert str(best.status) == "time limit" and best.mechanism is None and best.bound.lower == -np.inf
