"""Tiny environments of every kind whose types persist, with exact numbers and zeros, and all
combinations of constraints.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np

import mechopt as mo
from mechopt.mechanism.constraints import PERSISTENT_CONSTRAINTS
from tests.persistent_instances import random_markov

INCENTIVES = [(), *((constraint,) for constraint in PERSISTENT_CONSTRAINTS if constraint.role == "ic")]
PARTICIPATIONS = [(), *((constraint,) for constraint in PERSISTENT_CONSTRAINTS if constraint.role == "ir")]
MIXED = [
    ((mo.AdjacentIC(), mo.BayesianIC("actions")), (mo.EPIR(), mo.PeriodicIR())),
    ((mo.BayesianIC(), mo.BayesianIC("actions")), (mo.PeriodicExPostIR(), mo.PFIR())),
    ((mo.DownwardIC(), mo.BayesianIC("actions")), (mo.PPIR(), mo.Interim())),
    ((mo.PeriodicExPostIC(), mo.AdjacentIC()), (mo.EPIR(), mo.Interim(), mo.PPIR())),
]
COMBINATIONS = [*product(INCENTIVES, PARTICIPATIONS), *MIXED]
GOALS = [mo.Revenue(), mo.Revenue() + 0.5 * mo.Welfare(), mo.Welfare() + 0.25 * mo.Utility()]


def _distributions(rng, shape, width, zeros):
    """Random laws over `width` outcomes as nested fractions, in rows of small integers over their sum."""
    weights = rng.integers(0 if zeros else 1, 4, (*shape, width))
    weights[..., 0] += weights.sum(axis=-1) == 0
    rows = np.empty(weights.shape, dtype=object)
    for place in np.ndindex(*weights.shape):
        rows[place] = Fraction(int(weights[place]), int(weights[place[:-1]].sum()))
    return rows


def random_interdependent(seed, sizes=(2, 2), periods=2, actions=2, zeros=True, controlled=None, discount="9/10"):
    """Two agents whose signals are correlated, and matter to both; values of both signs."""
    rng = np.random.default_rng(seed)
    steered = bool(rng.integers(2)) if controlled is None else controlled
    profiles = int(np.prod(sizes))
    leading = (actions,) if steered else ()
    return mo.InterdependentTypes(
        rng.integers(-2, 7, (len(sizes), actions, *sizes)).tolist(),
        _distributions(rng, (*leading, profiles), profiles, zeros).reshape(*leading, *sizes, *sizes).tolist(),
        _distributions(rng, (), profiles, zeros).reshape(sizes).tolist(),
        cost=rng.integers(0, 2, actions).tolist(),
        horizon=periods,
        discount=discount,
    )


def random_separable(seed, agents=1, periods=2):
    """Two initial types, and two signals after contracting: first laws by initial type, or moved by the action."""
    rng = np.random.default_rng(seed)
    by_type = bool(rng.integers(2))
    return mo.SeparableTypes(
        initial_values=[[1, 3]] * agents,
        initial_probabilities=[_distributions(rng, (), 2, False).tolist() for _ in range(agents)],
        base=[np.sort(rng.integers(0, 5, (2, 2)), axis=1).tolist() for _ in range(agents)],
        signal_initial=[_distributions(rng, (2,) if by_type else (), 2, True).tolist() for _ in range(agents)],
        signal_kernel=[_distributions(rng, (2,) if by_type else (2, 2), 2, True).tolist() for _ in range(agents)],
        cost=rng.integers(0, 2, 2).tolist(),
        horizon=periods,
        discount="3/4",
    )


def tiny(seed):
    """One of the kinds in turn: small enough for every constraint."""
    kind, sparse = seed % 5, seed % 2 == 1
    if kind == 0:
        return random_markov(seed, agents=1, periods=1 + seed // 5 % 2, sparse=sparse)
    if kind == 1:
        return random_markov(seed, agents=1, periods=3, actions=2, most=2, sparse=sparse)
    if kind == 2:
        return random_markov(seed, agents=2, periods=1 + seed // 5 % 3 % 2, actions=2, most=2, sparse=sparse)
    if kind == 3:
        return random_interdependent(seed, ((2, 2), (1, 2), (2, 1))[seed // 5 % 3], 1 + seed // 5 % 2)
    return random_separable(seed, 1, 1 + seed // 5 % 2)
