"""Bounds by arm, in fractions and floats, against their formulas by plain loops."""

import dataclasses

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.mechanism.endless.arms import ArmsMechanism
from mechopt.verification import exact as limits
from mechopt.verification.arms.bounds import bounds, well_formed
from mechopt.verification.arms.exact import exact_bounds, exact_gain
from tests.verification.arms.raw_bounds import instance, raw_bounds


@pytest.mark.parametrize("kind", range(8))
def test_bounds_are_those_of_the_formulas(kind):
    for seed in (*range(8 * kind, 8 * kind + 8), *range(8 * kind + 64, 8 * kind + 72)):
        m = instance(seed)
        wanted, found = raw_bounds(m), bounds(m)
        assert exact_bounds(m) == wanted
        for i, (misreport, shortfall) in enumerate(wanted):
            assert abs(found.misreport[i] - misreport) <= found.rounding[i]
            assert abs(found.shortfall[i] - shortfall) <= found.rounding[i]


def two_arms(index, start, base):
    """The first arm goes from state 0 to 1 and stays, and waits much longer in 0; the second one stays where it is."""
    values = [[[9, 1], [0, 0]], [[0, 0], [1, 1]]]
    moves = [[[[0, 1], [0, 1]], np.eye(2).tolist()], [np.eye(2).tolist()] * 2]
    env = mo.MarkovTypes(values, moves, [["1/2", "1/2"]] * 2, discount="1/2")
    waiting = (np.array([[0.0, 0, 1], [0, 1, 1]]), np.array([[0.0, 1, 1], [0, 0, 1]]))
    levels = (np.array([1.0, 6.0]), np.array([1.0, 5.0]))
    return ArmsMechanism(env, (0, 1), None, index, levels, waiting, np.array(base), np.array(start), 0.0)


def test_the_others_may_offer_more_in_some_states_than_in_others():
    """In state 0 the first one is served although the second one waits up to 5, in state 1 only up to 1; between 1 and
    5 her flow is negative: the gain is largest at 5."""
    m = two_arms((np.array([2.0, 1.0]), np.array([0.5, 1.5])), [0.0, 0.0], [0.0, 0.0])
    wanted, found = raw_bounds(m), bounds(m)
    assert exact_bounds(m) == wanted
    assert abs(found.misreport[0] - wanted[0][0]) <= found.rounding[0]


def test_who_is_never_served_adds_nothing():
    """The second arm never is; the first one pays 9 too much, and her integral starts above all levels."""
    m = two_arms((np.array([2.0, 2.0]), np.array([1.0, 1.0])), [9.0, 0.0], [9.0, 0.0])
    wanted, found = raw_bounds(m), bounds(m)
    assert exact_bounds(m) == wanted
    assert abs(found.misreport[0] - wanted[0][0]) <= found.rounding[0]


def test_rounding_is_that_of_the_sums():
    """16 times so many roundings as an arm has states and intervals, and 24 more, of the flow, the prices and the
    value: four times from the floor to the top and twice the top itself; for ever."""
    for seed in (1, 10, 20):
        m = instance(seed)
        d, found = m.environment.discount, bounds(m)
        top = max(*(row.max() for row in m.levels), m.start.max(), m.floor) + 1
        for i in range(m.agents):
            inside = {v for v in (*m.levels[i], m.start[i]) if m.floor < v < top}
            flow = np.abs(m.value(i) - m.base[i] - (1 - d) * top).max()
            size = flow + 4 * (top - m.floor) + 2 * abs(top) + np.abs(m.value(i)).max()
            depth = 16 * (len(m.index[i]) + len(inside) + 1 + 24)
            assert found.rounding[i] * 2.0**53 == pytest.approx(depth * size / (1 - d), rel=1e-9)


def test_waiting_ascends_from_0_to_1_at_every_arm():
    m = instance(4)
    table = np.array([[0.0, 0.25, 1.0], [0.25, 0.5, 1.0]])
    m = dataclasses.replace(
        m, levels=(m.levels[0], np.array([0.0, 1.0])), waiting=(m.waiting[0], np.vstack([table, table[0]]))
    )
    assert well_formed(m)
    for place, number in (((0, 0), -0.1), ((1, 1), 0.2), ((1, 2), 0.9), ((0, 2), 1.1), ((2, 1), np.nextafter(1, 2))):
        other = m.waiting[1].copy()
        other[place] = number
        assert not well_formed(dataclasses.replace(m, waiting=(m.waiting[0], other)))


def test_limits_of_fractions_are_those_of_the_products(monkeypatch):
    m = instance(2)  # arms of 2, 1 and 3 states
    for what, products in (
        (exact_bounds, 4 * 4 + 1 * 3 + 9 * 5),
        (lambda m: exact_gain(m, 0, (0, 0, 0)), 16 + 1 + 81 + (4 + 1 + 9) * 6),
    ):
        monkeypatch.setattr(limits, "MAX_TERMS", products)
        what(m)
        monkeypatch.setattr(limits, "MAX_TERMS", products - 1)
        with pytest.raises(LimitError, match=f"takes {products} products"):
            what(m)
