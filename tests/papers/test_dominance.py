"""Dominance as a constraint: against a program over all sequences of reports, in plain loops, and by every checker."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from tests.study.lemmas.test_contracting import random_contract
from tests.study.lemmas.test_dominance import raw_gain

DOMINANT, LATER = mo.DominantIC(), mo.DominantIC(later=True)


def fractions(rng, count, zeros):
    weights = rng.integers(0 if zeros else 1, 5, count)
    weights[0] += not weights.any()
    return [Fraction(int(w), int(weights.sum())) for w in weights]


def unmoved(seed, agents=1, horizon=2, zeros=False):
    """Types that no action moves, of one or two agents, values of both signs, three actions."""
    rng = np.random.default_rng(seed)
    counts = [int(rng.integers(2, 4)) if agents == 1 else 2 for _ in range(agents)]
    values = [[[0] * k, *rng.integers(-2, 7, (2, k)).tolist()] for k in counts]
    kernels = [[fractions(rng, k, zeros) for _ in range(k)] for k in counts]
    first = [fractions(rng, k, False) for k in counts]
    cost = [0, *rng.integers(0, 3, 2).tolist()]
    return mo.MarkovTypes(values, kernels, first, cost=cost, horizon=horizon, discount="4/5")


def raw_optimum(env, start):
    """Largest revenue under dominance from period ``start`` on and interim IR (and Bayesian IC before), all sequences.

    Variables by history of profiles that can be reported: allocation and payment. One agent's reports are consistent
    with her last one.
    """
    n, horizon, shape = env.agents, env.horizon, env.shape[0]
    column = {}

    def allowed(i, last):
        if last is None:
            return [k for k in range(shape[i]) if env.initial[i][k] > 0]
        return [k for k in range(shape[i]) if env.kernel[i][0][0][last, k] > 0]

    def profiles(last):
        return list(product(*(allowed(i, None if last is None else last[i]) for i in range(n))))

    histories = [[()]]
    for _ in range(horizon):
        histories.append([(*h, m) for h in histories[-1] for m in profiles(h[-1] if h else None)])
    actions = env.action_counts[0]
    for level in histories[1:]:
        for h in level:
            for a in range(actions):
                column["x", h, a] = len(column)
            for i in range(n):
                column["p", h, i] = len(column)

    def flow(row, h, i, true, sign):
        """Adds what agent i of a true type gets in the last period of a history."""
        d = env.discount ** (len(h) - 1)
        for a in range(actions):
            row[column["x", h, a]] += sign * d * env.values[i][0][a, true]
        row[column["p", h, i]] -= sign * d

    def ways(i, last, left):
        """Sequences of types or reports from the one after ``last`` on."""
        if not left:
            return [()]
        return [(k, *rest) for k in allowed(i, last) for rest in ways(i, k, left - 1)]

    def expected(h, i, true, report):
        """Row of utility from the period after h on: her report now, the truth afterwards where it can be told."""
        row, t = np.zeros(len(column)), len(h)
        for m in profiles(h[-1] if h else None):
            if m[i] != report:
                continue
            chance = 1.0
            for j in range(n):
                if j != i:
                    chance *= env.initial[j][m[j]] if not h else env.kernel[j][0][0][h[-1][j], m[j]]
            part = np.zeros(len(column))
            flow(part, (*h, m), i, true, 1)
            if t + 1 < horizon:
                for k in range(shape[i]):
                    if env.kernel[i][0][0][true, k]:
                        part += env.kernel[i][0][0][true, k] * expected((*h, m), i, k, k)
            row += chance * part
        return row

    rows, goal = [], np.zeros(len(column))
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        for t in range(start, horizon):
            for h in histories[t]:
                last = h[-1] if h else [None] * n
                left = horizon - t
                others = list(product(*(ways(j, last[j], left) for j in rest)))
                for true, reports, theirs in product(*[ways(i, last[i], left)] * 2, others):
                    if true == reports:
                        continue
                    row, honest, lied = np.zeros(len(column)), h, h
                    for s in range(left):
                        said = [theirs[rest.index(j)][s] if j != i else None for j in range(n)]
                        honest = (*honest, tuple(true[s] if j == i else said[j] for j in range(n)))
                        lied = (*lied, tuple(reports[s] if j == i else said[j] for j in range(n)))
                        flow(row, lied, i, true[s], 1)
                        flow(row, honest, i, true[s], -1)
                    rows.append(row)
        for k in allowed(i, None):
            rows.append(-expected((), i, k, k))
            if start:
                rows += [expected((), i, k, r) - expected((), i, k, k) for r in allowed(i, None) if r != k]
    equal, sides = [], []
    for level in histories[1:]:
        for h in level:
            row = np.zeros(len(column))
            row[[column["x", h, a] for a in range(actions)]] = 1
            equal.append(row)
            sides.append(1.0)
            chance = float(np.prod([env.initial[i][h[0][i]] for i in range(n)]))
            for before, after in pairwise(h):
                chance *= float(np.prod([env.kernel[i][0][0][before[i], after[i]] for i in range(n)]))
            d = env.discount ** (len(h) - 1)
            for i in range(n):
                goal[column["p", h, i]] -= chance * d
            for a in range(actions):
                goal[column["x", h, a]] += chance * d * env.costs[0][a]
    bounds = [(0, None) if name[0] == "x" else (None, None) for name in column]
    found = linprog(goal, np.array(rows), np.zeros(len(rows)), np.array(equal), sides, bounds, method="highs")
    assert found.status == 0, found.message
    return -found.fun


CASES = [(1, 2), (1, 3), (2, 1), (2, 2)]


def agrees(seed, agents, horizon, zeros):
    env = unmoved(seed, agents, horizon, zeros)
    best = mo.optimum(env, DOMINANT)
    assert best.value == pytest.approx(raw_optimum(env, 0), abs=1e-7)
    assert best.value <= mo.optimum(env, mo.PeriodicExPostIC()).value + 1e-7
    for exact in (False, True):
        report = mo.verify(best.mechanism, [DOMINANT, LATER, mo.PeriodicExPostIC(), mo.Interim()], exact=exact)
        assert report.holds
    if not zeros and horizon > 1:  # truth can be told after every misreport at contracting
        later = mo.optimum(env, [mo.BayesianIC(), LATER])
        assert later.value == pytest.approx(raw_optimum(env, 1), abs=1e-7)
        assert best.value <= later.value + 1e-7


@pytest.mark.parametrize(("agents", "horizon"), CASES)
def test_optima_are_those_of_all_sequences_of_reports(agents, horizon):
    for seed in range(2 if agents * horizon > 3 else 4):
        agrees(seed, agents, horizon, zeros=False)
        agrees(seed + 50, agents, horizon, zeros=True)


@pytest.mark.slow
@pytest.mark.parametrize(("agents", "horizon"), CASES)
def test_optima_are_those_of_all_sequences_of_reports_in_bulk(agents, horizon):
    for seed in range(100, 130):
        agrees(seed, agents, horizon, zeros=bool(seed % 2))


@pytest.mark.parametrize("seed", range(6))
def test_disturbed_mechanisms_gain_what_loops_find(seed):
    agents, horizon = ((1, 3), (2, 2), (1, 2))[seed % 3]
    env = unmoved(seed, agents, horizon, zeros=seed % 2 == 1)
    rng, found = np.random.default_rng(seed), mo.optimum(env, DOMINANT).mechanism
    noisy = mo.SequenceMechanism(
        found.tree, found.allocation, tuple(part + rng.normal(0, 0.5, part.shape) for part in found.payment)
    )
    raw = [max(raw_gain(noisy, i, t) for i in range(agents)) for t in range(horizon)]
    for constraint, start in ((DOMINANT, 0), (LATER, 1)):
        for exact in (False, True):
            check = mo.verify(noisy, constraint, exact=exact)[constraint.name]
            assert not check.holds
            assert check.gain == pytest.approx(max(raw[start:]), abs=1e-9)
            assert check.counterexample.replay(noisy) == pytest.approx(check.gain, abs=1e-9)
            assert check.counterexample.period >= start


@pytest.mark.parametrize("ic", [DOMINANT, LATER, [mo.BayesianIC(), LATER]], ids=["dominant", "later", "both"])
@pytest.mark.parametrize("ir", [mo.Interim(), mo.EPIR(), mo.PPIR(), mo.PeriodicExPostIR()], ids=lambda ir: ir.name)
def test_optima_are_proved(ic, ir):
    for seed, agents, zeros in ((0, 1, False), (51, 1, True), (2, 2, False)):
        env = unmoved(seed, agents, 2, zeros)
        proof = mo.formats.certify(env, ic, ir)
        assert mo.formats.check_certificate(env, proof) == proof.value
        assert float(proof.value) == pytest.approx(mo.optimum(env, ic, ir).value, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_where_types_are_independent_across_periods_it_is_super_dic(seed):
    # one misreport on every path of the future, or any sequence of them on it: the same
    rng = np.random.default_rng(seed)
    agents, horizon = (1, 3) if seed % 2 else (2, 2)
    values = [sorted(rng.choice(np.arange(1, 9), 2, replace=False).tolist()) for _ in range(agents)]
    distributions = [fractions(rng, 2, False) for _ in range(agents)]
    fresh = mo.IndependentTypes([[v] * horizon for v in values], [[p] * horizon for p in distributions])
    sold = [[[v if a == i + 1 else 0 for v in row] for a in range(agents + 1)] for i, row in enumerate(values)]
    markov = mo.MarkovTypes(sold, [[p] * 2 for p in distributions], distributions, horizon=horizon)
    for ir in (mo.EPIR(), mo.Interim(), mo.PPIR()):
        one, other = mo.formats.certify(fresh, mo.SuperDIC(), ir).value, mo.formats.certify(markov, DOMINANT, ir).value
        assert one == other
    assert mo.optimum(fresh, mo.SuperDIC()).value <= mo.optimum(fresh, mo.DIC()).value + 1e-9


def test_corollary_5_2_as_a_constraint():
    for seed in (1, 4, 5, 8):  # published payments, in several regimes
        _, mechanism = random_contract(seed)
        assert mo.verify(mechanism, LATER).holds
        assert mo.verify(mechanism, LATER).holds == (mo.lemmas.dominance_gains(mechanism).max() <= 1e-7)


def test_names_files_and_refusals():
    env = unmoved(1)
    assert mo.optimum(env, "dominant").value == pytest.approx(mo.optimum(env, DOMINANT).value)
    assert [c.name for c in (DOMINANT, LATER)] == ["dominant", "dominant-later"]
    problem = mo.Problem(env, "bayesian+dominant-later")
    assert [c.name for c in problem.ic] == ["bayesian", "dominant-later"]
    assert problem.size.rows == mo.optimum(env, "bayesian+dominant-later").size.rows
    moved = [[["1/2", "1/2"]] * 2, [["1/4", "3/4"]] * 2]
    steered = mo.MarkovTypes([[[0, 0], [1, 2]]], [moved], [["1/2", "1/2"]], horizon=2)
    with pytest.raises(mo.InputError, match="actions move them in period 0: take periodic-ex-post"):
        mo.optimum(steered, "dominant")
    assert mo.optimum(steered, "bayesian+dominant-later").value > 0  # one period is left, in which nothing moves
    with pytest.raises(mo.InputError, match="'dominant' is not defined for types independent"):
        mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2), "dominant")
    with pytest.raises(mo.InputError, match="bayesian-actions with dominant-later"):
        mo.optimum(env, "bayesian-actions+dominant-later")
    both = [["1/4", "1/4"], ["1/4", "1/4"]]
    even = [[[["1/4", "1/4"], ["1/4", "1/4"]]] * 2] * 2
    correlated = mo.InterdependentTypes([[[[0, 0], [0, 0]], [[1, 2], [1, 2]]]] * 2, even, both, horizon=2)
    with pytest.raises(mo.InputError, match="independent across agents"):
        mo.optimum(correlated, "dominant")
    with pytest.raises(mo.InputError, match="goes over all histories"):
        mo.verify(mo.dynamic_pivot(mo.families.scheduling([5, 3], "1/2")), "dominant")


def test_formulas_have_the_same_rows():
    text = """
kind = "markov"
horizon = 2
discount = "d"
actions = ["keep", "sell", "sell much"]

[[agents]]
initial = ["2/5", "3/5"]
values = [[0, 0], [1, 2], [1, 4]]
kernel = [["3/4", "1/4"], ["1/4", "3/4"]]

[parameters]
d = ["1/4", "1"]
"""
    found = mo.formula(text, DOMINANT)
    for d in (Fraction(1, 3), Fraction(4, 5)):
        env = mo.loads(text.split("[parameters]")[0].replace('"d"', f'"{d}"'))
        assert float(found.value(d)) == pytest.approx(raw_optimum(env, 0), abs=1e-9)
