"""The search by chords on given points in the plane, with a solver that breaks every tie the worst way."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechopt.study.frontier.search import Found, Search, corners
from mechopt.study.workers.calls import Calls


class Plane(Search):
    """Of the points (welfare, revenue) a best one at each weight: of tied ones that with the least sum."""

    def __init__(self, points):
        self.points, self.solves, self.scale, self.time_limit, self.pool = points, 0, 1.0, None, Calls()

    def solve(self, weight):
        self.solves += 1
        best = max((1 - weight) * r + weight * w for w, r in self.points)
        tied = [(w, r) for w, r in self.points if (1 - weight) * r + weight * w >= best - 1e-12]
        welfare, revenue = min(tied, key=sum)
        return Found(welfare, revenue, weight, best, None)


def hull(points):
    """Corners by exact arithmetic: best alone at some weight, of all weights where two points tie and between them."""
    ties = {Fraction(0), Fraction(1)}
    for w, r in points:
        ties |= {Fraction(r - s, r - s + v - w) for v, s in points if s < r and v > w}
    ties = sorted(ties)
    between = [(low + high) / 2 for low, high in pairwise(ties)]
    return sorted({max(points, key=lambda p, x=x: (1 - x) * p[1] + x * p[0]) for x in between})


def found(points, limit=None):
    search = Plane(points)
    solutions, gap, stopped = search.run(limit)
    return [(p.welfare, p.revenue) for p in corners(solutions, search.scale)], gap, stopped


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        pytest.param([(1, 3), (2, 3), (4, 2)], [(2, 3), (4, 2)], id="revenue-ties-at-the-end"),
        pytest.param([(1, 3), (4, 2), (4, 1)], [(1, 3), (4, 2)], id="welfare-ties-at-the-end"),
        pytest.param([(1, 3), (4, 2), (4 + 1e-9, 1)], [(1, 3), (4, 2)], id="welfare-ties-up-to-rounding"),
        pytest.param([(1, 3), (2, 2), (3, 1)], [(1, 3), (3, 1)], id="three-in-a-line"),
        pytest.param([(1, 3), (2, 1), (3, 2)], [(1, 3), (3, 2)], id="one-in-the-shade"),
        pytest.param([(0, 0), (3, 0), (0, 3), (3, 3)], [(3, 3)], id="one-best-of-both"),
        pytest.param([(5, -5)], [(5, -5)], id="one-point"),
    ],
)
def test_corners_by_hand(points, expected):
    assert found(points) == (expected, pytest.approx(0, abs=1e-6), "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-12, 12)), min_size=1, max_size=12))
def test_all_corners_are_found_whatever_the_solver_returns_at_ties(points):
    assert found(points) == (hull(points), pytest.approx(0, abs=1e-5), "")


def test_a_limit_on_points_still_finds_the_lexicographic_ends():
    points = [(x, 100 - x**2) for x in range(11)] + [(-5, 100), (10, -50)]
    kept, gap, stopped = found(points, 4)
    assert (kept[0], kept[-1], len(kept), stopped) == ((0, 100), (10, 0), 4, "limit on points")
    assert gap > 1
