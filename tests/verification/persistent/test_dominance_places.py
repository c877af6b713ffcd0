"""Dominance where data, types and actions differ by period and agent: every gain by plain loops."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.verification.persistent import dominance
from mechopt.verification.persistent.dominance import informed_of_all, why_not_told
from mechopt.verification.persistent.response import PersistentPayoffs
from tests.study.lemmas.test_dominance import raw_gain

DOMINANT, LATER = mo.DominantIC(), mo.DominantIC(later=True)


def changing(seed, shape, actions, reports="consistent", zeros=True):
    """Values, kernels and numbers of types by period, ``shape[i][t]``; payments and allocations at random."""
    rng = np.random.default_rng(seed)
    horizon = len(shape[0])

    def row(count):
        weights = rng.integers(0 if zeros else 1, 4, count)
        weights[int(rng.integers(count))] += 1
        return [Fraction(int(w), int(weights.sum())) for w in weights]

    values = [[rng.integers(-4, 9, (actions, k)).tolist() for k in counts] for counts in shape]
    kernels = [
        [[[row(counts[t + 1]) for _ in range(counts[t])]] * actions for t in range(horizon - 1)] for counts in shape
    ]
    first = [row(counts[0]) for counts in shape]
    env = mo.MarkovTypes(values, kernels, first, cost=[0] * actions, horizon=horizon, discount="3/4")
    tree = PublicTree(joint_process(env), reports=reports)
    allocation = [rng.dirichlet(np.ones(actions), tree.count[t]) for t in range(horizon)]
    payment = [rng.normal(0, 2, (len(shape), tree.count[t], 1)) for t in range(horizon)]
    return mo.SequenceMechanism(tree, allocation, payment)


CASES = {
    "one-agent-three-periods": ([[2, 3, 2]], 3),
    "one-action": ([[2, 2, 3]], 1),
    "types-grow-by-period": ([[1, 2, 3]], 2),
    "two-agents": ([[2, 3], [3, 2]], 2),
    "an-agent-of-one-type": ([[1, 1, 1], [2, 2, 2]], 2),
    "four-periods": ([[2, 2, 2, 2]], 2),
    "one-period": ([[3], [2]], 2),
}


@pytest.mark.parametrize("reports", ["consistent", "any"])
@pytest.mark.parametrize("name", CASES)
def test_gains_are_those_of_all_sequences(name, reports):
    shape, actions = CASES[name]
    for seed in range(4):
        mechanism = changing(seed, shape, actions, reports)
        horizon = mechanism.tree.horizon
        raw = [max(raw_gain(mechanism, i, t) for i in range(len(shape))) for t in range(horizon)]
        for constraint, start in ((DOMINANT, 0), (LATER, 1)):
            for exact in (False, True):
                check = mo.verify(mechanism, constraint, exact=exact)[constraint.name]
                assert check.gain == pytest.approx(max(raw[start:], default=0), abs=1e-9)
                assert (check.status == "violated") == (max(raw[start:], default=0) > 1e-6)
                if check.status == "violated":
                    example = check.counterexample
                    assert example.replay(mechanism) == pytest.approx(check.gain, abs=1e-9)
                    assert example.period >= start
                    assert example.action is None
                    assert raw_gain(mechanism, example.agent, example.period) == pytest.approx(check.gain, abs=1e-9)


def paths(env, i, t, own=None):
    """Her possible types from period t + 1 on, by the one of period t; or all there are."""
    if t + 1 == env.horizon:
        return [()]
    kernel, found = env.kernel[i][t][0], []
    for k in range(kernel.shape[1]):
        if own is None or kernel[own, k] > 0:
            found += [(k, *rest) for k in [k] for rest in paths(env, i, t + 1, None if own is None else k)]
    return found


def test_axes_are_nodes_types_and_paths():
    mechanism = changing(5, [[2, 3, 2], [1, 2, 2]], 2)
    env, tree = mechanism.environment, mechanism.tree
    for i in (0, 1):
        payoffs = PersistentPayoffs(mechanism, i)
        for t, found in enumerate(informed_of_all(payoffs, 0)):
            own, others = len(paths(env, i, t)), len(paths(env, 1 - i, t))
            assert found.told.shape == found.truth.shape == (tree.count[t], payoffs.types(t), own, others)
            possible = [sum(path in paths(env, i, t, k) for path in paths(env, i, t)) for k in range(payoffs.types(t))]
            assert found.possible.sum(axis=1).tolist() == possible
        assert len(informed_of_all(payoffs, 1)) == 2


def test_the_limit_counts_both_tables(monkeypatch):
    """Nodes, and slots times reports of the others; times her types, her later paths and the others'."""
    mechanism = changing(5, [[2, 3, 2], [2, 3, 2]], 2, reports="any")
    assert (mechanism.tree.count, mechanism.tree.slots) == ((4, 36, 144), (1, 4, 36))
    payoffs = PersistentPayoffs(mechanism, 0)
    sizes = [
        (mechanism.tree.count[t] + mechanism.tree.slots[t] * others) * types * own * theirs
        for t, (others, types, own, theirs) in enumerate([(2, 2, 6, 6), (3, 3, 2, 2), (2, 2, 1, 1)])
    ]
    most = max(sizes)
    monkeypatch.setattr(dominance, "MAX_ENTRIES", most)
    assert len(informed_of_all(payoffs, 0)) == 3
    monkeypatch.setattr(dominance, "MAX_ENTRIES", most - 1)
    with pytest.raises(mo.errors.LimitError, match=f"dominance: {most:,} histories and paths, above {most - 1:,}"):
        informed_of_all(payoffs, 0)


def test_where_histories_record_actions_it_is_refused():
    moved = [[["1/2", "1/2"]] * 2, [["1/4", "3/4"]] * 2]
    steered = mo.MarkovTypes([[[0, 0], [1, 2]]], [moved], [["1/2", "1/2"]], horizon=2)
    tree = PublicTree(joint_process(steered))
    assert why_not_told([LATER], tree) is None  # one period is left, in which nothing moves
    assert why_not_told([mo.Interim()], tree) is None
    for asked in ([DOMINANT], [DOMINANT, LATER], [LATER, DOMINANT]):
        assert why_not_told(asked, tree).endswith("record actions in period 0")
    still = dataclasses.replace(
        changing(1, [[2, 2, 2]], 2).tree, record="all"
    )  # they say what an action was, if need be
    assert why_not_told([LATER], still).endswith("record actions in period 1")
    assert why_not_told([DOMINANT], still).endswith("record actions in period 0")
