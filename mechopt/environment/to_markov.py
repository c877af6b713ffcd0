"""From a separable environment to the Markov environment that has contracting as its first period."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import to_exact
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import check
from mechopt.environment.separable import SeparableTypes

ZERO = Fraction(0)
MAX_AGENTS = 10
"""Largest number of agents with exclusion: there are 2 to this power sets of them."""


def to_markov(environment: SeparableTypes, exclusion: bool) -> MarkovTypes:
    """Build the Markov environment; see `SeparableTypes.to_markov`.

    Parameters
    ----------
    environment : SeparableTypes
    exclusion : bool
    """
    if isinstance(environment.horizon, str):
        fix = "give a number of periods: dataclasses.replace(environment, horizon=3)"
        raise InputError([Fault("horizon", "is infinite", fix)])
    if exclusion and environment.outside is not None:
        fix = "take everybody in: to_markov(exclusion=False)"
        raise InputError(
            [Fault("outside", "is what agents have who are left out, and the form has no such types", fix)]
        )
    if exclusion and environment.agents > MAX_AGENTS:
        raise LimitError(f"{environment.agents} agents have too many subsets; at most {MAX_AGENTS} with exclusion")
    agents, horizon, actions = range(environment.agents), environment.horizon, len(environment.actions)
    included = (
        [[bool(s >> i & 1) for i in agents] for s in range(2 ** len(agents))] if exclusion else [[True] * len(agents)]
    )
    source: Any = environment.exact if environment.exact is not None else environment
    values, kernel, types, gains = [], [], [], []
    for i in agents:
        count, signals = environment.initial_shape[i], environment.signal_shape[i]
        size, table = count * signals + exclusion, environment.exact_value_tables[i]
        later = tuple(tuple(v for row in matrix for v in row) + (ZERO,) * exclusion for matrix in table)
        values.append([((ZERO,) * count,) * len(included)] + [later] * horizon)
        if source.seller_values is not None:
            worth = tuple(
                tuple(v for row in matrix for v in row) + (ZERO,) * exclusion for matrix in source.seller_values[i]
            )
            gains.append([((ZERO,) * count,) * len(included)] + [worth] * horizon)
        enter = _entered(source.signal_initial[i], count, exclusion)
        gone = tuple((ZERO,) * (size - 1) + (1,) for _ in range(count))
        first = tuple(enter if set_[i] else gone for set_ in included)
        moves = source.signal_kernel[i]
        known: dict[int, Any] = {}
        shared = environment.signal_kernel[i].strides[0] == 0
        for a in range(actions):
            known[a] = known[0] if shared and a else _blocks(moves[a], count, exclusion)
        distributions = tuple(known[a] for a in range(actions))
        kernel.append([first] + [known[0] if shared else distributions] * (horizon - 1))
        named = [check.shown(to_exact(value)) for value in source.initial_values[i]]
        pairs = [f"{name}:{signal}" for name in named for signal in environment.signals[i]]
        types.append([named] + [pairs + ["excluded"] * exclusion] * horizon)
    contracts = [_set_name(environment.names, set_) for set_ in included] if exclusion else ["contract"]
    return MarkovTypes(
        values=values,
        kernel=kernel,
        initial=source.initial_probabilities,
        actions=[contracts] + [list(environment.actions)] * horizon,
        types=types,
        names=environment.names,
        cost=[0] + [source.cost] * horizon,
        horizon=horizon + 1,
        discount=source.discount,
        seller_values=gains or None,
        outside=None if source.outside is None else [[list(row[0]), *[0] * horizon] for row in source.outside],
        discounts=source.discounts,
    )


def allocation_phase(environment: SeparableTypes) -> MarkovTypes:
    """Build the Markov environment of the allocation periods alone, everybody included: any horizon.

    Parameters
    ----------
    environment : SeparableTypes

    Returns
    -------
    MarkovTypes
        Of the same horizon, period 0 being t = 1: present values at contracting are the discount times those here. Type
        ``k * signals + z`` is initial type k with signal z.
    """
    source: Any = environment.exact if environment.exact is not None else environment
    values, kernel, initial, gains = [], [], [], []
    for i, distribution in enumerate(source.initial_probabilities):
        count, signals = environment.initial_shape[i], environment.signal_shape[i]
        values.append([[v for row in matrix for v in row] for matrix in environment.exact_value_tables[i]])
        if source.seller_values is not None:
            gains.append([[v for row in matrix for v in row] for matrix in source.seller_values[i]])
        kernel.append([_blocks(matrix, count, False) for matrix in source.signal_kernel[i]])
        first = source.signal_initial[i]
        rows = first if environment.signal_initial[i].ndim > 1 else [first] * count
        initial.append([f * rows[k][z] for k, f in enumerate(distribution) for z in range(signals)])
    return MarkovTypes(
        values,
        kernel,
        initial,
        actions=list(environment.actions),
        names=environment.names,
        cost=source.cost,
        horizon=environment.horizon,
        discount=source.discount,
        seller_values=gains or None,
    )


def _set_name(names: tuple[str, ...], included: list[bool]) -> str:
    chosen = [name for name, is_in in zip(names, included, strict=True) if is_in]
    return f"include {'+'.join(chosen)}" if chosen else "include nobody"


def _entered(distribution: Any, count: int, exclusion: bool) -> Any:
    """Distribution of the first pair (type, signal) by initial type."""
    rows = distribution if len(np.shape(distribution)) > 1 else [distribution] * count
    signals = len(rows[0])
    return tuple(
        tuple(rows[k][z] if k == to else 0 for to in range(count) for z in range(signals)) + (0,) * exclusion
        for k in range(count)
    )


def _blocks(matrix: Any, count: int, exclusion: bool) -> Any:
    """Distribution of the next pair: the initial type stays, the signal moves; who is excluded stays so."""
    signals = len(matrix)
    rows = tuple(
        tuple(matrix[z][w] if k == to else 0 for to in range(count) for w in range(signals)) + (0,) * exclusion
        for k in range(count)
        for z in range(signals)
    )
    return rows + (((0,) * (count * signals) + (1,),) if exclusion else ())
