"""Finite programs with tails for ever: against the search for one agent, and on their own for several."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.infinite.truncated import truncated
from mechopt.solve.program import Effort
from tests.solve.infinite.test_brackets import item, random_chain

CONSTRAINTS = {"interim": mo.Interim(), "periodic": mo.PeriodicIR(), "epir": mo.EPIR(), "per-period": mo.PPIR()}


def overlap(one, other, slack=1e-8):
    return one.lower <= other.upper + slack and other.lower <= one.upper + slack


@pytest.mark.parametrize("ir", CONSTRAINTS)
def test_one_agent_lies_in_both_brackets(ir):
    env = item([1, 2], ["2/5", "3/5"], "3/4", "1/2")
    found = truncated(env, (mo.BayesianIC(), CONSTRAINTS[ir]), Effort(time_limit=0.5))
    assert overlap(found.bound, mo.optimum(env, ir=ir).bound)
    assert mo.verify(found.mechanism).holds


def both(seed, ir):
    rng = np.random.default_rng(seed)
    env = random_chain(seed, rng.uniform(0.1, 0.5), "infinite")
    search = mo.mechanisms.infinite_optimum(env, 1e-3, 20.0, ir=ir)
    found = truncated(env, (mo.BayesianIC(), CONSTRAINTS[ir]), Effort(time_limit=1.0))
    assert overlap(found.bound, search.bound)
    assert search.bound.lower <= search.bound.upper
    assert mo.verify(search.mechanism, ["bayesian", ir]).holds
    assert found.mechanism is None or mo.verify(found.mechanism).holds


@pytest.mark.parametrize("ir", ["interim", "epir"])
def test_random_chains_lie_in_both_brackets(ir):
    for seed in range(20, 24):
        both(seed, ir)


@pytest.mark.slow
@pytest.mark.parametrize("ir", ["interim", "epir"])
def test_a_hundred_random_chains_lie_in_both_brackets(ir):
    for seed in range(100, 200):
        both(seed, ir)


def trade(seed, discount):
    """Two agents, an item for one of them, kernels by action."""
    rng = np.random.default_rng(seed)
    values = np.zeros((2, 3, 2))
    values[0, 1], values[1, 2] = np.sort(rng.uniform(0, 2, 2)), np.sort(rng.uniform(0, 2, 2))
    kernel = [rng.dirichlet(np.ones(2), size=(3, 2)) for _ in range(2)]
    first = [rng.dirichlet(np.ones(2)) for _ in range(2)]
    return mo.MarkovTypes(values, kernel, first, cost=[0, 0.2, 0.1], discount=discount)


@pytest.mark.parametrize("ir", CONSTRAINTS)
@pytest.mark.parametrize("seed", range(3))
def test_two_agents(seed, ir):
    env = trade(seed, 0.3)
    found = mo.optimum(env, ir=ir, time_limit=1)
    assert found.bound.lower <= found.bound.upper <= env.first_best + 1e-9
    assert found.mechanism is None or mo.verify(found.mechanism).holds
    # no action, which all accept, after two periods
    source = [part[0] for part in env.values], [part[0] for part in env.kernel]
    finite = mo.MarkovTypes(*source, env.initial, cost=env.cost, horizon=2, discount=0.3)
    assert mo.optimum(finite, ir=ir).value <= found.bound.upper + 1e-9


def test_what_is_refused_with_several():
    env = trade(0, 0.3)
    with pytest.raises(mo.InputError, match="for Bayesian IC"):
        mo.optimum(env, ic="periodic-ex-post")


def test_what_actions_bring_the_seller_by_type_counts():
    # she gains 1 whenever the high type is served, who values nothing: first best is had for nothing
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    env = mo.MarkovTypes(
        [[[0, 0], [0, 0]]], [stay], [["1/2", "1/2"]], discount="1/2", seller_values=[[[0, 0], [-1, 1]]]
    )
    for ir in ("interim", "epir"):
        best = mo.optimum(env, ir=ir)
        assert best.bound.lower <= env.first_best <= best.bound.upper + 1e-9
        assert best.value == pytest.approx(env.first_best, abs=1e-3)
        assert mo.verify(best.mechanism).holds
