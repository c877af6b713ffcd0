"""Parts of an environment at a public state and period, and the arrays of the joint process from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, to_exact
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes


class Parts:
    """Values ``(n, A, *K)``, kernels ``(A, *K, *K')`` by period and the first distribution; fractions or floats."""

    def __init__(self, values: list[Array], kernel: list[Array], initial: Array, gains: Any, source: Any) -> None:
        self.values, self.kernel, self.initial, self.gains, self.source = values, kernel, initial, gains, source

    def with_values(self, tables: list[Array | None]) -> Parts:
        """The same with values by state."""
        self.tables = tables
        return self

    tables: list[Array | None] | None = None
    """By agent, values ``(S, A, *K)`` that depend on the state."""
    cells: Sequence[Sequence[Parts]] | None = None
    """By allocation period and state, what there is then, as its own second period; the first one is contracting."""

    def at(self, t: int, s: int) -> tuple[Parts, int]:
        """Parts of a period at a state, and its place in the arrays over periods."""
        return (self, t) if self.cells is None or t == 0 else (self.cells[t - 1][s], 1)

    def cost(self, t: int, s: int) -> Array:
        """The seller's cost, ``(A_t,)``."""
        found, place = self.at(t, s)
        rows = found.source.cost
        flat = np.ndim(rows[0]) == 0
        return np.array(rows if flat else rows[place], dtype=self.initial.dtype)

    def as_floats(self) -> Parts:
        """The same in floats, where some part has no exact numbers."""
        values, kernel = ([part.astype(np.float64) for part in rows] for rows in (self.values, self.kernel))
        return Parts(values, kernel, self.initial.astype(np.float64), self.gains, self.source)

    def extra_cost(self, t: int, count: int) -> Array | None:
        """Cost at each state beyond that at the first one, ``(A_t, S)``; None where there is none."""
        rows = np.stack([self.cost(t, s) - self.cost(t, 0) for s in range(count)], axis=1)
        return rows if rows.any() else None


def parts_of(base: MarkovTypes | InterdependentTypes) -> Parts:
    """Parts of an environment without public states."""
    if isinstance(base, MarkovTypes) and base.agents > 1:
        base = InterdependentTypes.from_markov(base)
    source: Any = base.exact if base.exact is not None else base
    kind = np.float64 if base.exact is None else object
    if isinstance(base, InterdependentTypes):
        values = [np.array([np.asarray(row[t]) for row in source.values], dtype=kind) for t in range(base.stages)]
        kernel = [np.asarray(part, dtype=kind) for part in source.kernel[: base.stages - 1]]
        return Parts(values, kernel, np.asarray(source.initial, dtype=kind), source.seller_values, source)
    values = [np.array([source.values[0][t]], dtype=kind) for t in range(base.stages)]
    kernel = [np.array([np.asarray(m) for m in source.kernel[0][t]], dtype=kind) for t in range(base.stages - 1)]
    gains = None if source.seller_values is None else [np.array(part, dtype=kind) for part in source.seller_values[0]]
    return Parts(values, kernel, np.array(source.initial[0], dtype=kind), gains, source)


def exact_tables(base: MarkovTypes | InterdependentTypes, values: Any, count: int) -> list[Array | None]:
    """Values by agent and state as arrays; None for an agent who has none."""
    kind = np.float64 if base.exact is None else object
    found: list[Array | None] = []
    for own in values:
        if own is None:
            found.append(None)
            continue
        table = np.array(own, dtype=object)
        exact = np.array([to_exact(entry) for entry in table.ravel()], dtype=object).reshape(table.shape)
        found.append(exact.astype(kind))
    return found


def _at_states(array: Array, lead: int, sizes: Sequence[int], count: int) -> Array:
    """View of ``(..., S K_1, ..., S K_n)`` as ``(..., S, K_1, S, K_2, ...)``."""
    split = [part for k in sizes for part in (count, k)]
    return array.reshape(*array.shape[:lead], *split)


def _places(tags: Sequence[int]) -> tuple[Any, ...]:
    """Index of all private types at these states, by agent."""
    return tuple(part for tag in tags for part in (tag, slice(None)))


def spread_values(parts: Parts, t: int, count: int, n: int) -> Array:
    """Values ``(n, A, *SK)``: at profiles whose states differ those of agent 0's."""

    def values_at(s: int) -> Array:
        found, place = parts.at(t, s)
        return found.values[place]

    given = values_at(0)
    sizes = given.shape[2:]
    table = np.zeros((*given.shape[:2], *(count * k for k in sizes)), dtype=given.dtype)
    view = _at_states(table, 2, sizes, count)
    for tags in product(range(count), repeat=n):
        for i in range(n):
            own = None if parts.tables is None else parts.tables[i]
            if own is None:
                source = values_at(tags[0])[i]
            elif own.ndim == 2 + len(sizes):
                source = own[tags[0]]
            else:  # of one agent's type alone
                shape = (own.shape[1], *(k if j == i else 1 for j, k in enumerate(sizes)))
                source = np.broadcast_to(own[tags[0]].reshape(shape), (own.shape[1], *sizes))
            view[(i, slice(None), *_places(tags))] = source
    return table


def spread_gains(
    parts: Parts, worth: Any, t: int, count: int, sizes: Sequence[int], actions: int, kind: Any
) -> Array | None:
    """Worth of actions to the seller, ``(A, *SK)``, costs beyond those of the first state taken off; or None."""

    def gains_at(s: int) -> Any:
        found, place = parts.at(t, s)
        return None if found.gains is None else np.asarray(found.gains[place], dtype=kind)

    extra = parts.extra_cost(t, count)
    if extra is not None:
        worth = -extra if worth is None else worth - extra
    if worth is None and all(gains_at(s) is None for s in range(count)):
        return None
    table = np.zeros((actions, *(count * k for k in sizes)), dtype=kind)
    view = _at_states(table, 1, sizes, count)
    for tags in product(range(count), repeat=len(sizes)):
        given = gains_at(tags[0])
        own: Any = 0 if given is None else given
        if worth is not None:
            own = own + worth[:, tags[0]].astype(kind).reshape(-1, *[1] * len(sizes))
        view[(slice(None), *_places(tags))] = own
    return table


def spread_kernel(parts: Parts, moves: Array, t: int, count: int, now: Sequence[int], later: Sequence[int]) -> Array:
    """Joint kernel ``(A, *SK, *SK')`` from period t, of private types and states, which move independently."""
    actions, n = len(moves), len(now)
    kernels = [found.kernel[place] for found, place in (parts.at(t, s) for s in range(count))]
    kernels = [np.broadcast_to(kernel, (actions, *kernel.shape[1:])) for kernel in kernels]
    table = np.zeros((actions, *(count * k for k in now), *(count * k for k in later)), dtype=kernels[0].dtype)
    view = table.reshape(actions, *[p for k in now for p in (count, k)], *[p for k in later for p in (count, k)])
    for tags in product(range(count), repeat=n):
        for after in range(count):
            chance = moves[:, tags[0], after].reshape(actions, *[1] * (2 * n))
            view[(slice(None), *_places(tags), *_places((after,) * n))] = kernels[tags[0]] * chance
    return table


def spread_initial(given: Array, first: Array, count: int, sizes: Sequence[int]) -> Array:
    """First distribution ``(*SK,)``: the states of all agents agree."""
    table = np.zeros(tuple(count * k for k in sizes), dtype=given.dtype)
    view = _at_states(table, 0, sizes, count)
    for s in range(count):
        view[_places((s,) * len(sizes))] = given * first[s]
    return table
