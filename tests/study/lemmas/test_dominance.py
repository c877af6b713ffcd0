"""Dominance after contracting, against all sequences of reports by plain loops."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from tests.study.lemmas.test_contracting import random_contract


def raw_gain(mechanism, i, t):
    """Largest gain from period t on over all histories, own paths, and everybody's sequences of reports."""
    env, tree = mechanism.environment, mechanism.tree
    left, worst = range(t, tree.horizon), 0.0
    own_paths = [
        path
        for path in product(*(range(env.shape[s][i]) for s in left))
        if all(env.kernel[i][s][0][path[n], path[n + 1]] > 0 for n, s in enumerate(left[:-1]))
    ]
    rest = [list(product(*(range(n) for j, n in enumerate(env.shape[s]) if j != i))) for s in left]
    for slot in range(tree.slots[t]):
        for others in product(*rest):

            def play(reports, true, slot=slot, others=others):
                here, total = slot, 0.0
                for n, s in enumerate(left):
                    told = (*others[n][:i], reports[n], *others[n][i:])
                    node = int(tree.find(s, np.array(here), np.array(np.ravel_multi_index(told, env.shape[s]))))
                    if node < 0:
                        return None
                    got = sum(w * env.values[i][s][a, true[n]] for a, w in enumerate(mechanism.allocation[s][node]))
                    total += env.discount**s * (got - mechanism.payment[s][i, node].sum())
                    here = int(tree.following(s)[node, 0]) if s + 1 < tree.horizon else -1
                return total

            for true in own_paths:
                honest = play(true, true)
                if honest is None:
                    continue
                for reports in product(*(range(env.shape[s][i]) for s in left)):
                    told = play(reports, true)
                    worst = max(worst, 0.0 if told is None else told - honest)
    return worst


def gains_agree(seed):
    env, mechanism = random_contract(seed)
    found = mo.lemmas.dominance_gains(mechanism)
    assert found.shape == (env.agents, env.horizon)
    for i, t in product(range(env.agents), range(1, env.horizon + 1)):
        if t == env.horizon or seed % 3 == 1:
            assert found[i, t - 1] == pytest.approx(raw_gain(mechanism, i, t), abs=1e-9)
    if seed % 4 in (0, 1):  # the published payments: Corollary 5.2, in every regime
        assert found.max() <= 1e-9
    return float(found.max())


def test_all_sequences_of_reports():
    gains = [gains_agree(seed) for seed in range(1, 13)]
    assert max(gains) > 0.01


@pytest.mark.slow
def test_all_sequences_of_reports_in_bulk():
    for seed in range(100, 220):
        gains_agree(seed)


def test_actions_that_move_signals_are_refused():
    moved = [[["1/2", "1/2"]] * 2, [["1/4", "3/4"]] * 2]
    env = mo.SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0, 0], [1, 2]]], [["1/2", "1/2"]], [moved], horizon=2)
    with pytest.raises(mo.InputError, match="actions that move types in period 1"):
        mo.lemmas.dominance_gains(mo.virtual_pivot(env))
    with pytest.raises(mo.InputError, match="start"):
        mo.lemmas.dominance_gains(random_contract(1)[1], start=5)
