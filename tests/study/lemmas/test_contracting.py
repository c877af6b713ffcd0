"""Lemmas 3.1 to 3.6 of mechanisms of many kinds, against sums over all paths of types by plain loops."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo


def random_contract(seed):
    """One or two agents, one or two periods; published payments, disturbed ones, and optimal mechanisms."""
    rng = np.random.default_rng(seed)
    agents, periods = (1, int(rng.integers(1, 3))) if seed % 3 else (2, 1)
    types = 2 if agents == 2 else int(rng.integers(2, 4))
    distributions = [rng.integers(1, 6, types) for _ in range(agents)]
    signals = [rng.integers(1, 6, 2) for _ in range(agents)]
    moves = [rng.integers(1, 6, (2, 2)) for _ in range(agents)]
    base = [np.zeros((agents + 1, 2), dtype=int) for _ in range(agents)]
    for i, table in enumerate(base):
        table[i + 1] = np.sort(rng.integers(0, 7, 2))
    env = mo.SeparableTypes(
        [sorted(map(int, rng.choice(np.arange(1, 8), types, replace=False))) for _ in range(agents)],
        [[f"{w}/{distribution.sum()}" for w in distribution] for distribution in distributions],
        [table.tolist() for table in base],
        [[f"{w}/{distribution.sum()}" for w in distribution] for distribution in signals],
        [[[f"{w}/{row.sum()}" for w in row] for row in table] for table in moves],
        cost=[0, *map(int, rng.integers(0, 9, agents))],
        horizon=periods,
        discount="4/5",
    )
    if seed % 4 == 3:
        return env, mo.optimum(env).mechanism
    mechanism = mo.virtual_pivot(env, ironed=bool(seed % 2)).to_mechanism(reports="any" if seed % 4 else "consistent")
    if seed % 4 == 2:
        payment = [part + rng.normal(0, 0.3, part.shape[1:]) for part in mechanism.payment]
        mechanism = mo.SequenceMechanism(mechanism.tree, mechanism.allocation, tuple(payment))
    return env, mechanism


def summed(mechanism, i, report, true, keep, worth):
    """Expected sum over all paths of ``worth(t, node, action weights, own true type)``, given agent i's initial type.

    She reports ``report`` at contracting, and then her true type, or with ``keep`` the reported one with true signals.
    """
    env, tree = mechanism.environment, mechanism.tree
    signals = (env.shape[1][i] - (env.shape[1][i] % env.shape[0][i])) // env.shape[0][i]
    total = 0.0
    starts = product(*(range(n) for n in env.shape[0]))
    paths = [
        (0, first, np.prod([env.initial[j][k] for j, k in enumerate(first) if j != i]))
        for first in starts
        if first[i] == true
    ]
    for t in range(tree.horizon):
        after = []
        for slot, types, chance in paths:
            own = report if t == 0 else types[i]
            if keep and t and types[i] < env.shape[0][i] * signals:
                own = report * signals + types[i] % signals
            told = [own if j == i else k for j, k in enumerate(types)]
            node = int(tree.find(t, np.array(slot), np.array(np.ravel_multi_index(told, env.shape[t]))))
            if node < 0:
                return np.nan
            total += chance * worth(t, node, types[i])
            if t + 1 == tree.horizon:
                continue
            for branch in range(tree.branches[t]):
                following = int(tree.following(t)[node, branch])
                distributions = [env.kernel[j][t][branch][k] for j, k in enumerate(types)]
                for more in product(*(np.flatnonzero(distribution) for distribution in distributions)):
                    p = chance * np.prod([distribution[m] for distribution, m in zip(distributions, more, strict=True)])
                    after.append((following, tuple(map(int, more)), p))
        paths = after
    return total


def lemmas_hold(seed):
    env, mechanism = random_contract(seed)
    found = mo.lemmas.initial_reports(mechanism, env)
    again = mechanism.tree.reports == "any"
    d, markov = env.discount, mechanism.environment
    report = mo.verify(mechanism, [mo.BayesianIC()] if again else [mo.BayesianIC(), mo.PeriodicExPostIC()])
    assert found.strategy_gain == pytest.approx(report["bayesian"].gain, abs=1e-9)
    if not again:
        assert max(found.ex_post_gain, found.later_gain) == pytest.approx(report["periodic-ex-post"].gain, abs=1e-9)
    # what a misreport at contracting gains, and Lemma 3.1
    assert found.dominance_gain <= found.strategy_gain + 1e-9
    assert found.relaxed_gain <= found.strategy_gain + 1e-9
    assert found.dominance_gain <= found.ex_post_gain + 1e-9 or not again
    for i in range(env.agents):
        count, values = env.initial_shape[i], env.value_tables[i]
        signals = env.signal_shape[i]

        def table_of(entry, i=i, count=count, signals=signals):
            def worth(t, node, own):
                if t == 0 or own >= count * signals:
                    return 0.0
                weights = mechanism.allocation[t][node]
                return d**t * sum(w * entry(a, own // signals, own % signals) for a, w in enumerate(weights))

            return worth

        def utility(t, node, own, i=i):
            got = sum(w * markov.values[i][t][a, own] for a, w in enumerate(mechanism.allocation[t][node]))
            return d**t * (got - mechanism.payment[t][i, node].sum())

        for told, true in product(range(count), repeat=2):
            if again or told == true:
                raw = summed(mechanism, i, told, true, False, utility)
                assert found.value[i][told, true] == pytest.approx(raw, abs=1e-9)
                up = table_of(lambda a, k, z, v=values, n=count: v[a, min(k + 1, n - 1), z] - v[a, k, z])
                raw = summed(mechanism, i, told, true, False, up)
                assert found.slope_up[i][told, true] == pytest.approx(raw, abs=1e-9)
            if not again or told == true:
                raw = summed(mechanism, i, told, true, True, utility)
                assert found.relaxed[i][told, true] == pytest.approx(raw, abs=1e-9)
        paid = [
            summed(mechanism, i, k, k, False, lambda t, node, own, i=i: d**t * mechanism.payment[t][i, node].sum())
            for k in range(count)
        ]
        # Lemmas 3.3 and 3.4: an identity, whatever the incentives
        expected = float(env.initial_probabilities[i] @ paid)
        assert found.expected_payments[i] == pytest.approx(expected, abs=1e-9)
        assert found.payment[i] == pytest.approx(np.array(paid), abs=1e-9)
    if found.strategy_gain <= 1e-9:
        assert found.envelope_gap <= 1e-7  # Lemma 3.2
    if again and found.later_gain <= 1e-9:
        assert found.later_envelope_gap <= 1e-7  # Lemma 3.5
        # Lemma 3.6: no strategy does better than a misreport at contracting and the truth
        assert found.strategy_gain == pytest.approx(found.dominance_gain, abs=1e-8)
    return again and found.later_gain <= 1e-9


def test_lemmas_hold():
    assert any([lemmas_hold(seed) for seed in range(1, 17)])


@pytest.mark.slow
def test_lemmas_hold_in_bulk():
    assert sum([lemmas_hold(seed) for seed in range(100, 220)]) > 20


def optimal_where_the_relaxed_optimum_is_earned(seed):
    """Lemma 3.1, second half: what earns R* is optimal; what earns less leaves at most the gap."""
    env, mechanism = random_contract(seed)
    found, best = mo.lemmas.relaxation(mechanism, env), mo.optimum(env)
    slack = 1e-6 * max(1, best.value)
    assert found.relaxed.upper == pytest.approx(mo.relaxed_optimum(env).value, abs=slack)
    assert best.value <= found.revenue + found.gap + slack
    assert found.revenue == pytest.approx(mechanism.revenue)
    report = mo.verify(mechanism, [mo.BayesianIC(), mo.Interim()])
    assert found.holds == report.holds
    if found.optimal:
        assert report.holds
        assert mechanism.revenue == pytest.approx(best.value, abs=slack)
    return found.optimal


def test_what_earns_the_relaxed_optimum_is_optimal():
    assert {optimal_where_the_relaxed_optimum_is_earned(seed) for seed in range(1, 13)} == {False, True}


def test_another_environment_is_refused():
    _, mechanism = random_contract(1)
    with pytest.raises(mo.InputError, match="mechanism: is not one over histories"):
        mo.lemmas.initial_reports(mechanism, random_contract(2)[0])
    with pytest.raises(mo.InputError, match="is for kind 'separable'"):
        mo.lemmas.initial_reports(mechanism, mechanism.environment)
