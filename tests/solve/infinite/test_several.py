"""Several agents for ever: closed forms, sums of what agents alone are worth, finite programs, and other brackets."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.families import IndependentForever
from mechopt.solve.infinite import several as module
from mechopt.solve.infinite.fresh import by_blocks
from mechopt.solve.infinite.truncated import truncated
from mechopt.solve.program import Effort
from tests.solve.infinite.test_brackets import chain, random_chain, staying, two_types

EX_POST = ["epir", "prefix", "per-period"]


def side_by_side(*agents):
    """Agents with actions of their own, which concern nobody else: an action is one of each."""
    counts = [env.action_counts[0] for env in agents]
    chosen = list(product(*map(range, counts)))
    values = [[env.values[0][0][own[i]] for own in chosen] for i, env in enumerate(agents)]
    kernels = [[env.kernel[0][0][own[i]] for own in chosen] for i, env in enumerate(agents)]
    cost = [sum(env.costs[0][own[i]] for i, env in enumerate(agents)) for own in chosen]
    first = [env.initial[0] for env in agents]
    return mo.MarkovTypes(values, kernels, first, cost=cost, discount=agents[0].discount)


def battaglini(low, chance, stay, discount):
    law = [1 - Fraction(chance), Fraction(chance)]
    return chain([[0, 0], [low, low + 1]], law, staying(2, stay), discount)


@pytest.mark.parametrize("discount", [0.3, 0.9])
@pytest.mark.parametrize("ir", ["interim", "periodic"])
def test_two_of_battaglinis_buyers_are_worth_the_sum(discount, ir):
    env = side_by_side(battaglini(1, "3/5", "3/4", discount), battaglini(2, "1/3", "2/3", discount))
    exact = two_types(1, 2, 0.6, 0.75, discount) + two_types(2, 3, 1 / 3, 2 / 3, discount)
    best = mo.optimum(env, ir=ir)
    assert best.bound.lower <= exact <= best.bound.upper
    assert best.bound.upper - best.bound.lower <= 1e-6 * exact
    assert str(best.status) == "optimal"
    assert mo.verify(best.mechanism).holds


def test_three_of_them():
    env = side_by_side(*(battaglini(1, "3/5", "3/4", 0.5) for _ in range(3)))
    best, exact = mo.optimum(env), 3 * two_types(1, 2, 0.6, 0.75, 0.5)
    assert best.bound.lower <= exact <= best.bound.upper
    assert best.bound.upper - best.bound.lower <= 1e-3 * exact


@pytest.mark.parametrize("ir", EX_POST)
def test_ex_post_participation_of_two_is_the_sum_of_either(ir):
    alone = [battaglini(1, "3/5", "3/4", 0.3), battaglini(2, "1/3", "2/3", 0.3)]
    parts = [mo.mechanisms.infinite_optimum(env, 1e-5, ir=ir).bound for env in alone]
    best = mo.optimum(side_by_side(*alone), ir=ir)
    assert best.bound.lower <= sum(part.upper for part in parts)
    assert best.bound.upper >= sum(part.lower for part in parts)
    assert best.bound.upper - best.bound.lower <= 1e-3 * best.bound.upper
    assert mo.verify(best.mechanism).holds
    assert mo.verify(best.mechanism, ["bayesian", ir], exact=True).holds


@pytest.mark.parametrize("discount", ["1/2", "9/10"])
def test_types_drawn_afresh_of_two_buyers(discount):
    # first period Myerson: reserve 2 for one of two even buyers 1, 2: 3/4 times 2; or 1 and the second price: 5/4
    env = IndependentForever([[1, 2]] * 2, [["1/2", "1/2"]] * 2, discount)
    d, later = float(Fraction(discount)), 7 / 4
    exact = 3 / 2 + d * later / (1 - d)
    best = mo.optimum(env.to_markov())
    assert best.bound.lower <= exact <= best.bound.upper
    assert best.bound.upper - best.bound.lower <= 1e-6 * exact


@pytest.mark.parametrize(("discount", "width"), [("1/2", 1e-3), ("9/10", 5e-2)])
def test_blocks_of_every_length_agree_with_the_search(discount, width):
    env, d = IndependentForever([[1, 2]] * 2, [["1/2", "1/2"]] * 2, discount), float(Fraction(discount))
    best = mo.optimum(env, time_limit=6)
    for periods in (1, 2, 3, 4):
        block = mo.optimum(env.first_periods(periods)).value
        assert block / (1 - d**periods) <= best.bound.upper + 1e-9
        assert best.bound.lower <= block + d**periods * env.first_best + 1e-9
    assert best.bound.upper - best.bound.lower <= width * best.bound.upper
    blocks = by_blocks(env, (mo.DIC(), mo.EPIR()), Effort(time_limit=2)).bound
    assert best.bound.upper - best.bound.lower <= blocks.upper - blocks.lower
    assert mo.verify(best.mechanism).holds
    assert [claim.name for claim in best.mechanism.claims] == ["dic", "epir"]


def test_types_of_probability_zero_go_by_blocks():
    even = IndependentForever([[1, 2]] * 2, [["1/2", "1/2"]] * 2, "3/10")
    more = IndependentForever([[1, "3/2", 2], [1, 2]], [["1/2", 0, "1/2"], ["1/2", "1/2"]], "3/10")
    one, other = (mo.optimum(env, time_limit=3) for env in (even, more))
    assert one.bound.lower <= other.bound.upper
    assert other.bound.lower <= one.bound.upper
    assert mo.verify(other.mechanism).holds
    single = mo.optimum(IndependentForever([["1/2", 1, 2]], [[0, "1/2", "1/2"]], "1/2"), ir="per-period", time_limit=2)
    assert single.bound.lower <= 4 - 3**0.5 <= single.bound.upper
    assert mo.verify(single.mechanism).holds


def together(seed, discount):
    """Two agents with 2 and 3 types (1 for some seeds), joint actions with costs, kernels by action with zeros."""
    rng = np.random.default_rng(seed)
    sizes = (2, 1 + seed % 3)
    values = [np.vstack([np.zeros(k), rng.uniform(-0.5, 2, size=(2, k))]) for k in sizes]
    kernels = []
    for k in sizes:
        kernel = rng.dirichlet(np.ones(k), size=(3, k))
        kernel[rng.uniform(size=kernel.shape) < 0.2] = 0
        kernel[..., 0] += 1e-3
        kernels.append(kernel / kernel.sum(axis=2, keepdims=True))
    first = [rng.dirichlet(np.ones(k)) for k in sizes]
    return mo.MarkovTypes(values, kernels, first, cost=[0, *rng.uniform(0, 0.5, 2)], discount=discount)


def agrees(seed, ir):
    """The search's bracket has the programs' one in common, finite optima below, and its mechanism is verified."""
    env = together(seed, float(np.random.default_rng(seed).uniform(0.1, 0.6)))
    best = mo.optimum(env, ir=ir, time_limit=5)
    claims = (mo.BayesianIC(), {"interim": mo.Interim(), "epir": mo.EPIR()}[ir])
    other = truncated(env, claims, Effort(time_limit=0.6)).bound
    assert other.lower <= best.bound.upper + 1e-8
    assert best.bound.lower <= other.upper + 1e-8
    assert best.bound.lower <= best.bound.upper <= env.first_best * (1 + 1e-7)  # which has an allowance for rounding
    source = [part[0] for part in env.values], [part[0] for part in env.kernel], env.initial
    finite = mo.MarkovTypes(*source, cost=env.cost, horizon=2, discount=env.discount)
    assert mo.optimum(finite, ir=ir).value <= best.bound.upper + 1e-9  # no action, which all accept, after two periods
    assert mo.verify(best.mechanism, ["bayesian", ir]).holds


@pytest.mark.parametrize("ir", ["interim", "epir"])
def test_random_agents_lie_in_both_brackets(ir):
    for seed in (1, 2):
        agrees(seed, ir)


@pytest.mark.slow
@pytest.mark.parametrize("ir", ["interim", "epir"])
def test_sixty_random_pairs_lie_in_both_brackets(ir):
    for seed in range(100, 160):
        agrees(seed, ir)


@pytest.mark.parametrize("ir", ["interim", "epir"])
def test_an_agent_who_wants_nothing_changes_nothing(ir):
    one = random_chain(3, 0.4, "infinite")
    still = chain(np.zeros((1, 2)), [0.5, 0.5], staying(2, "3/4"), 0.4)
    alone, best = mo.optimum(one, ir=ir).bound, mo.optimum(side_by_side(one, still), ir=ir).bound
    assert best.lower <= alone.upper + 1e-9
    assert alone.lower <= best.upper + 1e-9
    assert best.upper - best.lower <= 1e-3 * best.upper


def test_no_action_needs_to_be_worth_the_same_to_all():
    values = np.array([[[0, 1], [1, 2]], [[0, 0], [0, 0]]])
    stay = [[0.5, 0.5]] * 2
    pair = mo.MarkovTypes(values, [stay, stay], [[0.5, 0.5]] * 2, discount=0.5)
    single = mo.MarkovTypes(values[:1], [stay], [[0.5, 0.5]], discount=0.5)
    best, alone = mo.optimum(pair, ir="epir"), mo.optimum(single, ir="epir")
    assert best.bound.lower <= alone.bound.upper + 1e-9
    assert alone.bound.lower <= best.bound.upper + 1e-9


def test_either_way_and_both(monkeypatch):
    env = together(2, 0.8)
    both = mo.optimum(env, ir="epir", time_limit=1)
    assert mo.verify(both.mechanism).holds
    monkeypatch.setattr(module, "MOST_PROFILES", 1)
    programs = mo.optimum(env, ir="epir", time_limit=1)
    assert programs.bound.lower <= both.bound.upper
    assert both.bound.upper - both.bound.lower < programs.bound.upper - programs.bound.lower
    busy = mo.MarkovTypes([[[0, 1], [1, 2]], [[0, 0], [0, 0]]], [[[0.5, 0.5]] * 2] * 2, [[0.5, 0.5]] * 2, discount=0.5)
    with pytest.raises(mo.InputError, match="worth the same to all types"):
        mo.optimum(busy, ir="epir")


def test_a_limit_leaves_a_bracket_that_holds():
    env = side_by_side(battaglini(1, "3/5", "3/4", 0.9), battaglini(2, "1/3", "2/3", 0.9))
    quick, longer = (mo.optimum(env, ir="epir", time_limit=limit) for limit in (0.2, 4))
    assert str(quick.status) == "time limit"
    assert quick.bound.lower <= longer.bound.upper
    assert longer.bound.lower <= quick.bound.upper
    assert mo.verify(quick.mechanism).holds
