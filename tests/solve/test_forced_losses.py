"""Sellers who cannot do nothing: optima below 0, of which no bracket may say that at least 0 is earned."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import SolverError
from mechopt.solve.program import trivial_bounds
from mechopt.solve.solution import Bound

KERNEL = [["1/3", "2/3"], ["1/2", "1/2"]]


def forced(seed):
    """Every action costs her more than it is worth to the agents, or harms one of them."""
    rng = np.random.default_rng([37, seed])
    actions, agents = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    values = [rng.integers(-4, 3, (actions, 2)).tolist() for _ in range(agents)]
    kernel = [KERNEL, [KERNEL] * actions][seed % 2]
    costs = rng.integers(1, 4, actions).tolist()
    return mo.MarkovTypes(values, [kernel] * agents, [["1/2", "1/2"]] * agents, cost=costs, horizon=2, discount="1/2")


@pytest.mark.parametrize("asked", [("bayesian", "interim"), ("periodic-ex-post", "periodic"), ("bayesian", "epir")])
@pytest.mark.parametrize("seed", range(6))
def test_every_bracket_holds_the_exact_optimum(seed, asked, tmp_path):
    env = forced(seed)
    exact = float(mo.optimum(env, *asked, exact=True).exact)
    found = [mo.optimum(env, *asked, method=method) for method in ("auto", "simplex", "ipx")]
    found.append(mo.optimum(env, *asked, exact=True))
    for best in found:
        assert best.bound.lower <= exact <= best.bound.upper
        assert best.bound.upper - best.bound.lower < 1e-7
    least = mo.optimum(env, *asked, deterministic=True)
    assert least.bound.lower <= least.bound.upper <= exact + 1e-7


def test_known_by_hand():
    env = mo.MarkovTypes([[[-2, "-3/2"]]], [KERNEL], [["1/2", "1/2"]], cost=[3], horizon=1)
    best = mo.optimum(env)  # types are paid 2, and 3 is spent
    assert best.bound.lower <= -5 <= best.bound.upper < -4.99
    relaxed = mo.relaxed_optimum(env)
    assert relaxed.bound.lower <= relaxed.value <= relaxed.bound.upper < -4.99
    assert trivial_bounds(mo.Problem(env).plan) == (-np.inf, pytest.approx(-4.75))
    tamed = mo.MarkovTypes([[[-2, "-3/2"], [0, 0]]], [KERNEL], [["1/2", "1/2"]], cost=[3, 0], horizon=1)
    assert trivial_bounds(mo.Problem(tamed).plan) == (0, pytest.approx(0, abs=1e-12))


def test_nothing_is_no_lower_end_where_a_public_state_rules_it_out():
    text = """
        kind = "markov"
        horizon = 1
        actions = ["none", "run"]
        cost = [0, 3]
        [[agents]]
        name = "A"
        types = ["low", "high"]
        initial = [0.5, 0.5]
        values = [[0, 0], [-2, -1]]
        kernel = [[0.5, 0.5], [0.5, 0.5]]
        [[states]]
        name = "plant"
        values = ["on", "off"]
        initial = [1, 0]
        kernel = [[1, 0], [0, 1]]
        forbidden = { "on" = ["none"] }
        """
    best = mo.optimum(mo.loads(text))
    assert best.bound.lower <= -5 <= best.bound.upper < -4.99


def test_ends_that_contradict_each_other_are_no_bracket():
    with pytest.raises(SolverError, match="a fault of ours"):
        Bound(0.0, -1.0, "by hand")
