"""Random mechanisms of every kind, honest or not, for the checks' own tests."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

import mechopt as mo
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.mechanism.stationary import MarkovMechanism
from tests.closedform.markov_instances import CASES
from tests.closedform.markov_instances import random_environment as markov_environment
from tests.interdependent_instances import random_environment as interdependent_environment
from tests.reporting_strategies import FAMILIES
from tests.reporting_strategies import random_mechanism as random_sequence


def weights(rng, count):
    """Exact probabilities, some of them 0."""
    drawn = rng.integers(0, 4, size=count)
    drawn[rng.integers(count)] += 1
    return [Fraction(int(w), int(drawn.sum())) for w in drawn]


def independent_environment(rng, scale=1, buyers=None, periods=None):
    """Unequal supports, exact probabilities of which some are 0; values are thirds, sevenths, ... of the scale."""
    buyers, periods = buyers or rng.integers(1, 3), periods or rng.integers(1, 4)
    periods = min(periods, 4 - buyers)
    counts = rng.integers(1, 4, size=(buyers, periods))
    values = [
        [sorted(Fraction(int(v), 7) * Fraction(scale) for v in rng.choice(20, size=k, replace=False)) for k in row]
        for row in counts
    ]
    probabilities = [[weights(rng, k) for k in row] for row in counts]
    return mo.IndependentTypes(values, probabilities, discount="9/10")


def direct(seed, scale=1.0):
    """Any allocation, any payments of this size."""
    rng = np.random.default_rng(seed)
    env = independent_environment(rng)
    tree, allocation, payment = mo.formats.HistoryTree(env), [], []
    for t in range(env.horizon):
        shape = (env.agents, *tree.children(t))
        sold = rng.random(shape)
        allocation.append(sold / np.maximum(sold.sum(axis=0), 1))
        payment.append(scale * rng.normal(size=shape))
    return mo.Mechanism(env, allocation, payment)


def sequence(seed, scale=1.0):
    """One of each family of persistent types."""
    family = list(FAMILIES.values())[seed % len(FAMILIES)]
    mechanism = random_sequence(family, seed, seed % 2 == 1)
    return replace(mechanism, payment=tuple(scale * part for part in mechanism.payment))


def stationary(seed, scale=1.0):
    """Any policy and transfers, with early ones where the horizon is infinite."""
    env, rng = markov_environment(*list(CASES.values())[seed % len(CASES)], seed=seed), np.random.default_rng(seed)
    policy = [rng.integers(count, size=shape) for shape, count in zip(env.shape, env.action_counts, strict=True)]
    shapes = [env.shape[0 if env.infinite else t] for t in range(3 if env.infinite else env.stages)]
    transfer = [[scale * rng.normal(size=shape) for shape in shapes] for _ in range(env.agents)]
    return MarkovMechanism(env, policy, transfer)


def contingent(seed, scale=0.0):
    """Transfers of a theorem, with noise of this size."""
    horizon = "infinite" if seed % 2 else 2 + seed % 3 // 2
    env = interdependent_environment(seed, sizes=(2, 2), actions=2, horizon=horizon)
    method = "convex" if seed % 3 else "spanning"
    last = "efficient" if env.infinite else "constant"
    found, rng = contingent_transfers(env, method, last), np.random.default_rng(seed)
    noisy = tuple(tuple(part + scale * rng.normal(size=part.shape) for part in row) for row in found.payments)
    return replace(found, payments=noisy)


def bank_table(seed, scale=0.0):
    """The tabulated optimum of one buyer, with noise of this size."""
    rng = np.random.default_rng(seed)
    env = mo.IndependentTypes.iid([1, 2, 4], weights(rng, 3), horizon=3, discount="9/10")
    table = mo.mechanisms.promised_optimum(env).mechanism.to_bank_table()
    periods = [
        BankPeriod(p.balances, p.allocation, p.payment + scale * rng.normal(size=p.payment.shape), p.after, p.share)
        for p in table.periods
    ]
    return BankTable(env, periods)
