"""Mechanisms on arms: bounds by arm against the check at all joint states, and against plain loops."""

import dataclasses
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanisms import arms_pivot
from mechopt.verification.arms import check
from mechopt.verification.arms.bounds import bounds, well_formed
from mechopt.verification.arms.exact import exact_bounds, exact_first, exact_gain, exact_utility
from mechopt.verification.arms.search import gain_at
from tests.closedform.pivot.test_arms import environment_of, random_arms

NAMES = ("periodic-ex-post", "interim", "periodic", "periodic-ex-post-ir")


def instance(seed):
    """A pivot of one to three arms of three states; two thirds of them with indices, prices or waiting changed."""
    agents, idle = 1 + seed % 3, seed % 4 < 2
    pivot = arms_pivot(environment_of(*random_arms(seed, agents, 3, idle)))
    rng, size = np.random.default_rng(seed), (0.02, 0.5)[seed // 6 % 2]
    kind = seed % 8
    if kind == 1:
        return dataclasses.replace(pivot, base=pivot.base + size)
    if kind == 2:
        return dataclasses.replace(pivot, base=pivot.base - size)
    if kind in (3, 4):
        return dataclasses.replace(pivot, index=tuple(row + size * rng.uniform(-2, 2, len(row)) for row in pivot.index))
    if kind == 5:
        changed = (np.where((t > 0) & (t < 1), np.minimum(1, t * (1 + size)), t) for t in pivot.waiting)
        return dataclasses.replace(pivot, waiting=tuple(changed))
    if kind == 6:
        return dataclasses.replace(pivot, start=pivot.start + size)
    return pivot


def agrees(seed, exact):
    pivot = instance(seed)
    joint = pivot.to_mechanism()
    ours, theirs = mo.verify(pivot, NAMES, exact=exact), mo.verify(joint, NAMES, exact=exact)
    found = []
    for name in NAMES:
        one, other = ours[name], theirs[name]
        found.append((name, str(one.status), str(other.status)))
        assert one.tolerance == other.tolerance
        if one.status != "undecided":
            assert one.status == other.status, (seed, name, one, other)
        if one.status == "violated":
            assert one.gain - one.rounding <= other.gain + 1e-9
            assert one.counterexample.replay(joint) == pytest.approx(one.gain, abs=1e-8)
        else:
            assert other.gain <= one.gain + one.rounding + 1e-9, (seed, name, one, other)
    return found


def test_bounds_by_arm_hold_at_all_joint_states(monkeypatch):
    monkeypatch.setattr(check, "MAX_WRITTEN", 0)  # never written out
    answers = {answer for seed in range(48) for answer in agrees(seed, exact=False)}
    for name in ("periodic-ex-post", "periodic-ex-post-ir", "interim"):
        assert {(name, "satisfied", "satisfied"), (name, "violated", "violated")} <= answers
    answers = {answer for seed in range(24) for answer in agrees(seed, exact=True)}
    assert ("periodic-ex-post", "violated", "violated") in answers


def test_few_joint_states_are_all_looked_at():
    for seed in range(24):
        assert all(one == other for _, one, other in agrees(seed, exact=False))


@pytest.mark.slow
def test_bounds_by_arm_hold_in_bulk(monkeypatch):
    for seed in range(100, 250):
        assert all(one == other for _, one, other in agrees(seed, exact=False))
    monkeypatch.setattr(check, "MAX_WRITTEN", 0)
    for seed in range(100, 250):
        agrees(seed, exact=False)


def raw_values(pivot, i):
    """V_i at every joint state by repeated substitution, in plain loops."""
    env = pivot.environment
    states = list(product(*(range(len(row)) for row in pivot.index)))
    value = dict.fromkeys(states, 0.0)
    for _ in range(400):
        after = {}
        for state in states:
            served = pivot.served(state)
            if served is None:
                after[state] = env.discount * value[state]
                continue
            now = env.values[i][0][pivot.serving[i]][state[i]] - raw_price(pivot, i, state) if served == i else 0.0
            move = env.kernel[served][0][pivot.serving[served]][state[served]]
            later = sum(p * value[(*state[:served], s, *state[served + 1 :])] for s, p in enumerate(move))
            after[state] = now + env.discount * later
        value = after
    return value


def raw_price(pivot, i, state):
    """b + (1 - d) [top - integral], by a sum over pieces between all places where something jumps."""
    places = sorted({pivot.floor, *pivot.start, *(v for row in pivot.levels for v in row), 200.0})
    total = 0.0
    for left, right in pairwise(places):
        if left >= pivot.start[i] and left >= pivot.floor:
            share = 1.0
            for j, s in enumerate(state):
                if j != i:
                    share *= pivot.waiting[j][s][sum(v <= left for v in pivot.levels[j])]
            total += (right - left) * share
    return pivot.base[i] + (1 - pivot.environment.discount) * (200.0 - total)


def test_truth_is_worth_what_loops_say():
    for seed in (3, 5, 10):
        pivot = instance(seed)
        for i in range(pivot.agents):
            value = raw_values(pivot, i)
            for state, utility in value.items():
                assert pivot.truth(i, pivot.rows(state))[state[i]] == pytest.approx(utility, abs=1e-8)
                if pivot.served(state) == i:
                    assert pivot.payment(state)[i] == pytest.approx(raw_price(pivot, i, state), abs=1e-9)
            law = pivot.environment.initial_distribution
            assert pivot.utilities[i] == pytest.approx(sum(law[s] * u for s, u in value.items()), abs=1e-8)
        joint = pivot.to_mechanism()
        assert pivot.welfare == pytest.approx(joint.welfare, abs=1e-8)
        assert pivot.revenue == pytest.approx(joint.revenue, abs=1e-8)


def test_fractions_are_the_floats():
    for seed in (3, 5, 10, 11):
        pivot = instance(seed)
        states = list(product(range(3), repeat=pivot.agents))
        for state in states[:: max(1, len(states) // 5)]:
            for i in range(pivot.agents):
                found = gain_at(pivot, i, state)
                gain = exact_gain(pivot, i, state)
                assert isinstance(gain, Fraction)
                assert float(gain) == pytest.approx(found.gain if found else 0, abs=1e-9)
                value = pivot.truth(i, pivot.rows(state))[state[i]]
                assert float(exact_utility(pivot, i, state)) == pytest.approx(-value, abs=1e-9)
        for i, s, utility in exact_first(pivot):
            assert float(utility) == pytest.approx(pivot.truth(i, pivot.first_rows)[s], abs=1e-9)
    for seed in range(48):
        pivot = instance(seed)
        if well_formed(pivot):
            one, other = bounds(pivot), exact_bounds(pivot)
            for i, (misreport, shortfall) in enumerate(other):
                assert float(misreport) == pytest.approx(one.misreport[i], abs=max(1e-9, 2 * one.rounding[i]))
                assert float(shortfall) == pytest.approx(one.shortfall[i], abs=max(1e-9, 2 * one.rounding[i]))


def test_numbers_of_the_environment_are_used_in_fractions():
    # one task of 3, one of 2, d = 1/2: the first pays (1 - d) 2 = 1, and is done
    pivot = arms_pivot(mo.families.scheduling([3, 2], "1/2"))
    assert pivot.payment((0, 0)).tolist() == pytest.approx([1, 0])
    assert exact_utility(pivot, 0, (0, 0)) == -2
    assert exact_gain(pivot, 0, (0, 0)) < 0
    cheap = dataclasses.replace(pivot, base=pivot.base + Fraction(1, 2))
    # the first would rather go second, where nobody is displaced: (3 - 1/2) / 2 is less than 3 - 3/2
    assert exact_gain(cheap, 0, (0, 0)) == Fraction(5, 4) - Fraction(3, 2)


@pytest.mark.slow
def test_fifty_arms_of_thirty_states():
    pivot = arms_pivot(environment_of(*random_arms(1, 50, 30)[:3], 0.9, True))
    report = mo.verify(pivot)
    assert report.holds
    assert all(found.gain < 1e-11 for found in report.values())


def test_a_counterexample_of_many_arms():
    pivot = arms_pivot(environment_of(*random_arms(1, 20, 8)[:3], 0.9, True))
    assert mo.verify(pivot, NAMES).holds
    dear = dataclasses.replace(pivot, base=pivot.base + 1)
    report = mo.verify(dear)
    assert report.violated == ("periodic-ex-post", "periodic-ex-post-ir")
    found = report["periodic-ex-post"].counterexample
    state = (*found.others[: found.agent], found.true_type, *found.others[found.agent :])
    # by the definition: to be served now against not being served, both from what truth is worth in the next period
    served = dear.served(state)
    rows = dear.rows(state)
    honest = dear.truth(found.agent, rows)[state[found.agent]]
    assert served == found.agent
    later = dear.kernel(served)[state[served]] @ dear.truth(served, rows)
    now = dear.value(served)[state[served]] - dear.payment(state)[served]
    assert honest == pytest.approx(now + 0.9 * later, abs=1e-8)
    other = dear.served((*state[:served], found.report, *state[served + 1 :]))
    then = 0.0
    for s, p in enumerate(dear.kernel(other)[state[other]]):
        rows[other] = dear.stops[other].reach[:, s]
        then += p * dear.truth(served, rows)[state[served]]
    assert found.gain == pytest.approx(0.9 * then - honest, abs=1e-8)


def test_families_of_arms_are_verified():
    for env in (
        mo.families.scheduling([5, 3, 1], "1/2"),
        mo.families.licensing([(1, 1), (2, 1)], 3, "9/10"),
        mo.families.bandits([[3], [2]], [[[1]], [[1]]], [[1], [1]], "9/10", idle=True),
    ):
        for exact in (False, True):
            assert mo.verify(arms_pivot(env), NAMES, exact=exact).holds


def test_what_is_refused():
    pivot = instance(0)
    with pytest.raises(mo.InputError, match="is not checked on arms"):
        mo.verify(pivot, mo.BayesianIC())
    with pytest.raises(mo.InputError, match="served at a loss to herself"):
        arms_pivot(environment_of([np.eye(1)] * 2, [np.array([-1.0]), np.array([1.0])], np.zeros(2), 0.5, False))
    wild = dataclasses.replace(pivot, waiting=tuple(np.flip(t, axis=1) for t in pivot.waiting))
    assert not well_formed(wild)
    large = arms_pivot(environment_of(*random_arms(1, 12, 3)))
    with pytest.raises(mo.errors.LimitError, match="joint states"):
        large.to_mechanism()
    wild = dataclasses.replace(large, waiting=tuple(np.flip(t, axis=1) for t in large.waiting))
    assert not mo.verify(wild, mo.PeriodicExPostIC()).holds
