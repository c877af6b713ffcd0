"""Where truth leads among the states of a mechanism that has its own: as numbers, a graph and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.show.explain.picture import MOST_DRAWN, drawn
from mechopt.show.explain.policies.explanation import PolicyExplanation
from mechopt.show.explain.policies.merging import merged
from mechopt.show.explain.policies.tables import Tables, truthful

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes

PERIODS = 9
"""Periods that are drawn of a mechanism for ever."""
LEAST = 1e-9
"""Probability below which nothing leads there."""


def flows(found: PolicyExplanation, periods: int = PERIODS) -> dict[tuple[int, int, int], float]:
    """Probability of going from a state of a period to one of the next, under truth: by (period, state, next state).

    Parameters
    ----------
    found : PolicyExplanation
    periods : int
        Of a mechanism for ever.

    Examples
    --------
    >>> import mechopt as mo
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = mo.MarkovTypes([[[0, 0], [1, 2]]], [stay], [["1/2", "1/2"]], discount="1/2")
    >>> round(sum(flows(mo.optimum(env).explain(), 3).values()), 12)
    2.0
    """
    tables, (groups, _) = found.tables, merged(found.tables)
    count, mass, chances = len(found.states), np.ones(1), dict[tuple[int, int, int], float]()
    if tables.endless:
        mass = np.zeros(tables.entries)
        mass[0] = 1.0
    for t in range(periods - 1 if tables.endless else len(tables.blocks) - 1):
        here = min(t, len(tables.blocks) - 1)
        moves = truthful(tables.blocks[here])
        mixed = _between(moves, mass, groups[here], groups[min(t + 1, len(groups) - 1)], count)
        for start, end in zip(*np.nonzero(mixed > LEAST), strict=True):
            chances[t, int(start), int(end)] = float(mixed[start, end])
        mass = np.asarray(moves.T @ mass)
    return chances


def _between(moves: Any, mass: FloatArray, group: IntArray, following: IntArray, count: int) -> FloatArray:
    """Probability of each pair of state and next state."""
    steps = moves.tocoo()
    row, column = steps.coords
    places = group[row] * count + following[column]
    sums = np.bincount(places, steps.data * mass[row], minlength=count * count)
    return np.asarray(sums, dtype=np.float64).reshape(count, count)


def policy_graph(found: PolicyExplanation) -> networkx.DiGraph[Any]:
    """States as a graph of networkx; see `PolicyExplanation.to_networkx`."""
    import networkx

    graph: networkx.DiGraph[Any] = networkx.DiGraph()
    if found.tables.endless:
        for state in found.states:
            graph.add_node(state.name, state=state.name, words=state.words, share=state.share)
        for (start, end), chance in _for_ever(found.tables, len(found.states)).items():
            graph.add_edge(found.states[start].name, found.states[end].name, probability=chance)
        return graph
    chances, groups = flows(found), merged(found.tables)[0]
    for t, part in enumerate(groups):
        for g in np.unique(part).tolist():
            share = float(found.tables.weight[t][part == g].sum())
            state = found.states[g]
            graph.add_node((t, state.name), period=t, state=state.name, words=state.words, share=share)
    for (t, start, end), chance in chances.items():
        graph.add_edge((t, found.states[start].name), (t + 1, found.states[end].name), probability=chance)
    return graph


def _for_ever(tables: Tables, count: int) -> dict[tuple[int, int], float]:
    """Probability of each next state in a state, entries weighted by the present value of the time spent in them."""
    (group,), (weight,), found = merged(tables)[0], tables.weight, dict[tuple[int, int], float]()
    mixed = _between(truthful(tables.blocks[0]), weight, group, group, count)
    total = mixed.sum(axis=1)
    for start, end in zip(*np.nonzero(mixed > LEAST * total[:, None]), strict=True):
        found[int(start), int(end)] = float(mixed[start, end] / total[start])
    return found


def policy_picture(found: PolicyExplanation, axes: Axes | None = None) -> Axes:
    """Draw the flow between states, of a mechanism for ever over its first periods; see `PolicyExplanation.plot`.

    Parameters
    ----------
    found : PolicyExplanation
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own.

    Raises
    ------
    LimitError
        If there are too many states to be seen.
    """
    chances = flows(found)
    periods = PERIODS if found.tables.endless else len(found.tables.blocks)
    met: list[set[int]] = [set() for _ in range(periods)]
    met[0].add(0)
    for t, start, end in chances:
        met[t].add(start)
        met[t + 1].add(end)
    circles = sum(map(len, met))
    if circles > MOST_DRAWN:
        raise LimitError(
            f"{circles} states of all periods are above {MOST_DRAWN}, too many for a picture; use to_frame()"
        )
    title = found.summary + (f"; the first {periods} periods" if found.tables.endless else "")
    return drawn([state.name for state in found.states], [sorted(part) for part in met], chances, title, axes)
