"""Infinite virtual pivots: claims contract by contract, against formulas and dense programs of the tests' own."""

import subprocess
import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo

ALL = ("periodic-ex-post", "periodic-ex-post-rereport", "bayesian", "interim", "periodic", "periodic-ex-post-ir")
MODEL = """
kind = "separable"
horizon = "infinite"
discount = "9/10"
actions = ["none", "1", "2"]
cost = [0, 0.5, 0.5]

[[agents]]
initial.values = [2, 3]
initial.probabilities = ["1/2", "1/2"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
signal_kernel = [[[1, 0], [0, 1]], [["7/10", "3/10"], ["4/10", "6/10"]], [[1, 0], [0, 1]]]
base = [[0, 0], [1, 2], [0, 0]]

[[agents]]
initial.values = [3, 4]
initial.probabilities = ["1/2", "1/2"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
signal_kernel = [[[1, 0], [0, 1]], [[1, 0], [0, 1]], [["7/10", "3/10"], ["4/10", "6/10"]]]
base = [[0, 0], [0, 0], [1, "3/2"]]
"""


def test_one_type_gains_by_taking_back_her_report():
    pivot = mo.virtual_pivot(mo.loads(MODEL))
    assert pivot.bound == pytest.approx(32.915128052, abs=1e-8)
    report = mo.verify(pivot)
    again = report["periodic-ex-post-rereport"]
    assert again.gain == pytest.approx(1.098868374, abs=1e-8)
    assert (again.counterexample.agent, again.counterexample.true_type, again.counterexample.report) == (0, 1, 0)
    assert str(again.status) == "violated"
    assert all(report[name].holds for name in ("interim", "periodic", "periodic-ex-post-ir"))


def random_pivot(seed, agents=2):
    """Actions: none, or serve an agent, whose signal moves then; levels that regular weights follow."""
    rng = np.random.default_rng(seed)
    actions = agents + 1
    base, kernels = [], []
    for i in range(agents):
        table = np.zeros((actions, 2))
        table[i + 1] = np.sort(rng.uniform(0.5, 2, 2))
        base.append(table)
        kernels.append(rng.dirichlet(np.ones(2) * 2, size=(actions, 2)) * 0.98 + 0.01)
    levels = [np.sort(rng.uniform(1, 3, 2)) for _ in range(agents)]
    distributions = [rng.dirichlet(np.ones(2) * 4) for _ in range(agents)]
    first = [rng.dirichlet(np.ones(2) * 2) * 0.98 + 0.01 for _ in range(agents)]
    cost = [0, *rng.uniform(0, 0.5, agents)]
    return mo.virtual_pivot(
        mo.SeparableTypes(levels, distributions, base, first, kernels, cost=cost, discount=rng.uniform(0.3, 0.9)),
        ironed=True,
    )


def dense_gain(pivot):
    """Largest gain at contracting of re-reporting strategies: loops over contracts, joint signals and reports (k, z).

    The policy and payments after a re-report are those of the weighted problem with that level, computed here.
    """
    env, d = pivot.environment, pivot.environment.discount
    states, n = list(product(range(2), repeat=2)), 2
    worst = 0.0

    def solved(tables, members):
        value = {z: 0.0 for z in states}
        for _ in range(250):
            value = {z: max(total(tables, members, a, z, value) for a in range(3)) for z in states}
        return value

    def total(tables, members, a, z, value):
        now = sum(tables[j][a, z[j]] for j in members) - env.cost[a]
        chance = {y: np.prod([env.signal_kernel[j][a, z[j], y[j]] for j in range(n)]) for y in states}
        return now + d * sum(chance[y] * value[y] for y in states)

    for contract in product(range(2), repeat=2):
        members = [j for j in range(n) if pivot.included[contract][j]]
        for i in members:
            flow = [pivot.virtual[j].flow(contract[j], env.value_tables[j][:, contract[j]]) for j in range(n)]
            rest = [j for j in members if j != i]
            without = solved(flow, rest)
            alpha, beta = pivot.virtual[i].alpha[contract[i]], pivot.virtual[i].beta[contract[i]]

            def price(a, z, rest=rest, without=without, flow=flow, alpha=alpha, beta=beta):
                return (without[z] - total(flow, rest, a, z, without) - beta[a]) / alpha

            offered = {}
            for said in range(2):
                tables = list(flow)
                tables[i] = pivot.virtual[i].flow(contract[i], env.value_tables[i][:, said])
                best = solved(tables, members)
                for z in states:
                    scores = [total(tables, members, a, z, best) for a in range(3)]
                    offered[said, z] = int(np.argmax(scores))
            for true in range(2):
                own = env.value_tables[i][:, true]
                value = {z: 0.0 for z in states}
                for _ in range(250):
                    after = {}
                    for z in states:
                        options = []
                        for said, heard in product(range(2), repeat=2):
                            told = tuple(heard if j == i else z[j] for j in range(n))
                            a = offered[said, told]
                            chance = [np.prod([env.signal_kernel[j][a, z[j], y[j]] for j in range(n)]) for y in states]
                            ahead = sum(c * value[y] for c, y in zip(chance, states, strict=True))
                            options.append(own[a, z[i]] - price(a, z) + d * ahead)
                        after[z] = max(options)
                    value = after
                first = {z: np.prod([env.signal_initial[j][z[j]] for j in range(n)]) for z in states}
                deviation = d * sum(first[z] * value[z] for z in states) - pivot.upfront[i][contract]
                honest = tuple(true if j == i else contract[j] for j in range(n))
                worst = max(worst, deviation - pivot.utility[i][honest])
    return worst


def blind_gain(pivot):
    """Largest Bayesian gain at contracting, two agents: loops over strategies' states, others' signals unknown.

    An agent knows her signal, the other's signal of the period before and the action of it, and reports a signal.
    """
    env, d, worst = pivot.environment, pivot.environment.discount, 0.0
    for i, true, report in product(range(2), repeat=3):
        j, told, honest = 1 - i, 0.0, 0.0
        for other, weight in enumerate(env.initial_probabilities[j]):
            contract = (report, other) if i == 0 else (other, report)
            truth = (true, other) if i == 0 else (other, true)
            honest += weight * pivot.utility[i][truth]
            told -= weight * pivot.upfront[i][contract]
            if not pivot.included[contract][i]:
                continue
            here = pivot.phase(contract)
            fee, both = pivot.payment(i, contract)[0], len(here.members) == 2

            def outcome(r, z, here=here, fee=fee, both=both, i=i):
                place = ((r, z) if i == 0 else (z, r)) if both else (r,)
                return int(here.policy[0][place]), float(fee[place])

            value = {state: 0.0 for state in product(range(3), range(2), range(2))}

            def best(distribution, own, value, outcome=outcome, i=i, true=true):
                found = []
                for r in range(2):
                    total = 0.0
                    for z, p in enumerate(distribution):
                        a, paid = outcome(r, z)
                        later = sum(q * value[a, y, z] for y, q in enumerate(env.signal_kernel[i][a, own]))
                        total += p * (env.value_tables[i][a, true, own] - paid + d * later)
                    found.append(total)
                return max(found)

            for _ in range(300):
                value = {(a, own, z): best(env.signal_kernel[j][a, z], own, value) for a, own, z in value}
            start = sum(p * best(env.signal_initial[j], own, value) for own, p in enumerate(env.signal_initial[i]))
            told += weight * d * start
        worst = max(worst, told - honest)
    return worst


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(500, 600), marks=pytest.mark.slow)])
def test_bayesian_gains_are_those_of_loops(seeds):
    for seed in seeds:
        pivot = random_pivot(seed)
        found = mo.verify(pivot, "bayesian")["bayesian"]
        assert str(found.status) != "undecided"
        assert found.gain == pytest.approx(blind_gain(pivot), abs=1e-7)


@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_gains_are_those_of_dense_programs(seed):
    pivot = random_pivot(seed)
    found = mo.verify(pivot, "periodic-ex-post-rereport")["periodic-ex-post-rereport"]
    assert found.gain == pytest.approx(dense_gain(pivot), abs=1e-7)


def claims_agree(seed):
    pivot = random_pivot(seed, 1 + seed % 3)
    report = mo.verify(pivot)
    assert tuple(constraint.name for constraint in report) == ALL
    # (16), and the program of strategies that keep the initial report: formulas of another room
    assert report["periodic-ex-post-rereport"].gain == pytest.approx(pivot.contracting_gain, abs=1e-7)
    assert report["periodic-ex-post"].gain == pytest.approx(pivot.direct_gain, abs=1e-7)
    assert max(pivot.interim_contracting_gain, 0) + 1e-7 >= report["bayesian"].gain - report["bayesian"].rounding
    assert report["interim"].holds
    for name in ALL:
        assert report[name].rounding < 1e-7


def test_claims_agree_with_the_formulas():
    for seed in range(12):
        claims_agree(seed)


@pytest.mark.slow
def test_claims_agree_with_the_formulas_in_bulk():
    for seed in range(100, 220):
        claims_agree(seed)


def fractions_agree(seed):
    pivot = random_pivot(seed, 1 + seed % 2)
    floats, exact = mo.verify(pivot), mo.verify(pivot, exact=True)
    for name in ALL:
        assert exact[name].gain == pytest.approx(floats[name].gain, abs=1e-8)
        assert exact[name].status == floats[name].status
        assert exact[name].exact is not None


def test_gains_are_fractions():
    again = mo.verify(mo.virtual_pivot(mo.loads(MODEL)), exact=True)["periodic-ex-post-rereport"]
    assert again.exact == Fraction(1845, 1679)
    assert (again.counterexample.agent, again.counterexample.true_type, again.counterexample.report) == (0, 1, 0)


def test_an_additive_pivot_in_fractions():
    # one agent, fresh fair signal, worth A + B when served at cost 1: prices 1 + h dA, of which regular types take all
    env = mo.SeparableTypes(
        [[1, 2, 3]], [["1/3"] * 3], [[[0, 0], [0, 1]]], [["1/2", "1/2"]], [[["1/2", "1/2"]] * 2],
        form="additive", rate=[[0, 1]], cost=[0, 1], discount="1/2",
    )  # fmt: skip
    pivot = mo.virtual_pivot(env)
    floats, exact = mo.verify(pivot), mo.verify(pivot, exact=True)
    for name in ALL:
        assert exact[name].gain == pytest.approx(floats[name].gain, abs=1e-10)
        assert exact[name].status == floats[name].status


@pytest.mark.parametrize("seeds", [range(6), pytest.param(range(300, 420), marks=pytest.mark.slow)])
def test_fractions_agree_with_floats(seeds):
    for seed in seeds:
        fractions_agree(seed)


def test_a_saved_pivot_is_verified_in_fractions_and_diagnosed(tmp_path):
    (tmp_path / "s.toml").write_text(MODEL)
    mo.virtual_pivot(mo.loads(MODEL)).save(tmp_path / "s.npz")
    command = [sys.executable, "-m", "mechopt"]
    done = subprocess.run(
        [*command, "verify", "s.toml", "s.npz", "--exact"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "gains 1.099" in done.stdout
    assert "bayesian" in done.stdout
    said = subprocess.run([*command, "diagnose", "s.toml"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "initial reports cannot be taken back" in said.stdout


def test_compare_checks_every_claim_and_histories_are_refused(tmp_path):
    (tmp_path / "s.toml").write_text(MODEL)
    done = subprocess.run(
        [sys.executable, "-m", "mechopt", "compare", "s.toml"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "periodic-ex-post-rereport" in done.stdout
    assert "dynamic-pivot" in done.stdout
    assert "not checked" not in done.stdout + done.stderr
    table = mo.compare(mo.loads(MODEL))
    for row in table.entries:
        assert row.computed == "bound" or set(ALL) <= {constraint.name for constraint in row.report}
    with pytest.raises(mo.InputError, match="goes over all histories"):
        mo.verify(mo.virtual_pivot(mo.loads(MODEL)), "epir")
