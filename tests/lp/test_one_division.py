"""Why limits on single payments and budgets are not asked for together where actions move types: no convex set."""

from __future__ import annotations

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.counterexample import sentence

KERNEL = [[["1/2", "1/2"], ["1/2", "1/2"]], [["1/3", "2/3"], ["1/4", "3/4"]]]
STEERED = mo.MarkovTypes([[[0, 0], [1, 3]]], [KERNEL], [["1/2", "1/2"]], horizon=3)
TREE = PublicTree(joint_process(STEERED))
LIMITS = [mo.NoSubsidy(), mo.Budget(2)]


def arrays(middle, first, last):
    """Action 0, but `middle` in period 1, all for certain; `first` is paid in period 0 and `last` in period 2."""
    mass, allocation, payment = np.ones(1), [], []
    for t, (action, price) in enumerate([(0, first), (middle, 0.0), (0, last)]):
        weights = np.zeros((TREE.count[t], 2))
        weights[:, action] = mass[TREE.slot[t]]
        branched = TREE.branches[t] > 1
        paid = price * (weights if branched else weights.sum(axis=1, keepdims=True))
        allocation.append(weights)
        payment.append(paid[None])
        mass = weights.ravel() if branched else weights.sum(axis=1)
    return allocation, payment


def mechanism(parts):
    return SequenceMechanism(TREE, tuple(parts[0]), tuple(parts[1]), (), "by hand")


def test_the_mean_of_two_mechanisms_within_both_limits_is_beyond_one_of_them():
    pays_last, pays_first = arrays(1, 0.0, 2.0), arrays(0, 2.0, 0.0)
    for parts in (pays_last, pays_first):
        assert mo.verify(mechanism(parts), LIMITS).holds
    mean = [[(a + b) / 2 for a, b in zip(*both, strict=True)] for both in zip(pays_last, pays_first, strict=True)]
    found = mo.verify(mechanism(mean), LIMITS)
    assert found.violated == ("budget:2",)
    # 1 at first, and 1 at weight 1/2, that is 2, at the end: 1 above the budget, times the weight of the path. There is
    # nothing to divide otherwise: period 0 draws nothing, and in period 1 only a negative payment could make up for it.
    assert found["budget:2"].gain == pytest.approx(0.5)
    told = sentence(found["budget:2"].counterexample, STEERED)
    assert told.endswith("payments of the agent are 1/2 (times the weight of what was drawn) above the budget")
    assert "0.5 (times the weight of what was drawn) above" in str(found["budget:2"].counterexample)


@pytest.mark.parametrize("single", ["no-money", "no-subsidy", "payment-cap:1"])
@pytest.mark.parametrize("path", ["budget:2", "prefix-budget:2"])
def test_they_are_refused_with_a_reason(single, path):
    with pytest.raises(mo.InputError, match="not linear in them; leave one out"):
        mo.optimum(STEERED, subject_to=[single, path])
