"""Expected surplus of the efficient rule of each kind of environment with persistent types."""

from __future__ import annotations

from functools import reduce
from itertools import compress, product

import numpy as np

from mechopt.closedform.pivot.efficient import expected, solve, unstaged
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.to_markov import MAX_AGENTS, allocation_phase


def markov(environment: MarkovTypes) -> float:
    """W under the distribution of the first types; see `mechopt.closedform.pivot.efficient`.

    Parameters
    ----------
    environment : MarkovTypes
    """
    if environment.discounts is not None:
        return joint_process(environment).first_best
    welfare, _, _ = solve(environment, range(environment.agents))
    return expected(environment, unstaged(environment)(welfare))


def interdependent(environment: InterdependentTypes) -> float:
    """W under the distribution of the first signals; see `mechopt.closedform.pivot.efficient_joint`.

    Parameters
    ----------
    environment : InterdependentTypes
    """
    if environment.discounts is not None:
        return joint_process(environment).first_best
    return efficient_joint(environment).expected_welfare


def separable(environment: SeparableTypes) -> float:
    """Largest welfare over the rules that choose at contracting, knowing the initial types, whom to leave out.

    With W_S the welfare of the allocation periods where the values of the agents in S count alone::

        discount * E[ max_S E[W_S | initial types] ]

    over all sets S where that can matter (`SeparableTypes.exclusion_matters`), else with S everybody.

    Parameters
    ----------
    environment : SeparableTypes
        Of any horizon.

    Raises
    ------
    LimitError
        If there are too many sets of agents, or too many types.
    """
    agents = environment.agents
    if environment.discounts is not None or environment.outside is not None:
        return joint_process(environment).first_best
    if environment.exclusion_matters and agents > MAX_AGENTS:
        raise LimitError(f"{agents} agents have too many subsets; at most {MAX_AGENTS} where leaving some out matters")
    sets = product([False, True], repeat=agents) if environment.exclusion_matters else [(True,) * agents]
    phase, best = allocation_phase(environment), np.full((1,) * agents, -np.inf)
    for included in sets:
        welfare, _, _ = solve(phase, list(compress(range(agents), included)))
        best = np.maximum(best, _at_contracting(environment, included, welfare[0]))
    return environment.discount * float(reduce(_mean, environment.initial_probabilities, best))


def _at_contracting(environment: SeparableTypes, included: tuple[bool, ...], welfare: FloatArray) -> FloatArray:
    """Expectation given the initial types, an axis an agent; of length 1 for those who are left out."""
    found: FloatArray = welfare
    for i in compress(range(environment.agents), included):
        types, first = environment.initial_shape[i], environment.signal_initial[i]
        by_signal = found.reshape(types, -1, *found.shape[1:])
        found = np.einsum("kz...,kz->...k", by_signal, np.broadcast_to(first, by_signal.shape[:2]))
    return found.reshape([k if kept else 1 for k, kept in zip(environment.initial_shape, included, strict=True)])


def _mean(array: FloatArray, distribution: FloatArray) -> FloatArray:
    """Expectation over the first axis; where it has length 1 nothing depends on it."""
    mean: FloatArray = array[0] if len(array) == 1 else np.tensordot(distribution, array, axes=(0, 0))
    return mean
