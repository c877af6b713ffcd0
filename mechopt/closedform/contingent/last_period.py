r"""Which allocation of the last period is ex post implementable, and by what payments.

There is no later signal to make transfers contingent on, so the last allocation a(.) has to be implemented by payments
that an agent's own report moves only through the allocation of her own type (Assumption 4). At fixed signals th^-i of
the others, a true signal k and a report r, let

    w(r, k) = u_i(a(k), k) - u_i(a(r), k)        what the truth is worth to k more than r's allocation

Payments q(k) are incentive compatible iff q(k) <= q(r) + w(r, k) for all r, k: a potential of the complete graph with
arc lengths w, which exists iff no cycle is negative (Rochet 1987). The pointwise largest with q = 0 at the first signal
are the distances from it, the smallest minus the distances to it. Distances of all graphs are found together by
Floyd-Warshall, and how far a graph is from having a negative cycle by the mean length of its worst cycle (Karp 1978);
the cycle itself is a walk along tight arcs, found by networkx in the worst graph alone.

Source: Liu (2025), Assumption 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mechopt.closedform.pivot.efficient import TIE, chosen
from mechopt.closedform.pivot.efficient_joint import best_actions, surplus, surplus_size
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind

if TYPE_CHECKING:
    import networkx as nx

NEGATIVE = 1e-12
"""Mean length of a cycle below which it counts as negative, relative to the largest value."""


class Cycle(NamedTuple):
    """The worst cycle of reports: each signal would rather be taken for the one before it, on average by -`mean`.

    Attributes
    ----------
    agent : int
    others : tuple of int
        The others' signals.
    signals : tuple of int
        Along the arcs, the first not repeated.
    mean : float
        Mean length of its arcs; below 0 where the allocation cannot be implemented.
    """

    agent: int
    others: tuple[int, ...]
    signals: tuple[int, ...]
    mean: float


class PaymentRange(NamedTuple):
    """Pointwise smallest and largest payments with 0 at the first own signal.

    Each is a tuple over agents of read-only float arrays ``(*signals,)``.
    """

    smallest: tuple[FloatArray, ...]
    largest: tuple[FloatArray, ...]


@dataclass(frozen=True, eq=False, repr=False)
class LastPeriod:
    """Whether an allocation of the last period is ex post implementable.

    Attributes
    ----------
    environment : InterdependentTypes
    policy : read-only int array ``(*signals,)``
        The allocation.
    implementable : bool
        Whether no cycle is negative, for any agent and any signals of the others.
    cycle : Cycle or None
        The worst; None where every agent has one signal.
    means : tuple over agents of read-only float arrays ``(*others' signals,)``
        Mean length of the worst cycle of each graph; infinite where there is none.
    payments : PaymentRange or None
        What implements it; None where nothing does. Paid by the agent, in the money of the last period.
    """

    environment: InterdependentTypes
    policy: IntArray
    implementable: bool
    cycle: Cycle | None
    means: tuple[FloatArray, ...]
    payments: PaymentRange | None

    def to_networkx(self, agent: int | None = None, others: Sequence[int] | None = None) -> nx.DiGraph:
        """An agent's reports at fixed signals of the others as a networkx graph, that of the worst cycle by default.

        It has a negative cycle iff the allocation is not implementable there; see
        `mechopt.show.graphs.last_period_graph`.

        Raises
        ------
        InputError
            If there is no such agent or signal.
        """
        graph: nx.DiGraph = provided(self, "to_networkx")(self, agent, others)
        return graph

    def __repr__(self) -> str:
        words = "implementable" if self.implementable else "not implementable"
        if self.cycle is None:
            return f"LastPeriod({words})"
        names = [row[-1] for row in self.environment.types]
        others = [name for j, name in enumerate(names) if j != self.cycle.agent]
        at = ", ".join(repr(name[k]) for name, k in zip(others, self.cycle.others, strict=True))
        walk = " -> ".join(repr(names[self.cycle.agent][k]) for k in (*self.cycle.signals, self.cycle.signals[0]))
        agent = self.environment.names[self.cycle.agent]
        return f"LastPeriod({words}; worst cycle mean {self.cycle.mean:.6g}: agent {agent!r}, others at {at}, {walk})"


def last_period(environment: InterdependentTypes, policy: Sequence[object] | IntArray | None = None) -> LastPeriod:
    """Find whether an allocation of the last period is ex post implementable, and its payments.

    Parameters
    ----------
    environment : InterdependentTypes
        With a finite horizon.
    policy : int array ``(*signals,)``, optional
        Index of the action at each profile of the last period's signals; default: the efficient one, of tied actions
        the lowest.

    Returns
    -------
    LastPeriod

    Raises
    ------
    InputError
        If the horizon is infinite, or the policy is none.

    References
    ----------
    Liu (2025), Assumption 4; Rochet (1987).

    Examples
    --------
    An item worth one's signal plus half the other's, signals 0, 1, 2, goes to the higher signal: of all payments that
    implement this, with 0 for signal 0, the largest asks the winner for one and a half times the other's signal.

    >>> s = np.arange(3.0)
    >>> worth = s[:, None] + s / 2
    >>> values = np.stack([np.stack([worth, 0 * worth]), np.stack([0 * worth, worth.T])])
    >>> env = InterdependentTypes(values, None, np.full((3, 3), "1/9", dtype=object), horizon=1)
    >>> found = last_period(env)
    >>> found.implementable
    True
    >>> found.payments.largest[0][:, 1]
    array([0. , 1.5, 1.5])
    """
    require_kind(environment, "interdependent", "last_period")
    if environment.infinite:
        raise InputError("the horizon is infinite: there is no last period; transfers need no condition on one")
    t = environment.stages - 1
    action = checked_policy(environment, t, policy)
    smallest: list[FloatArray] = []
    largest: list[FloatArray] = []
    means, worst = [], None
    scale = max(1.0, float(np.abs(environment.profile_values[t]).max()))
    for i in range(environment.agents):
        lengths = arcs(environment, t, i, action)
        mean = worst_means(lengths)
        others = tuple(size for j, size in enumerate(environment.shape[t]) if j != i)
        if worst is None or mean.min() < worst[1]:
            worst = i, float(mean.min()), lengths[mean.argmin()], np.unravel_index(int(mean.argmin()), others)
        distance = distances(lengths)
        for found, row in ((largest, distance[:, 0, :]), (smallest, -distance[:, :, 0])):
            found.append(readonly(np.moveaxis(row.reshape(*others, -1), -1, i)))
        means.append(readonly(mean.reshape(others)))
    assert worst is not None
    agent, mean_length, graph, place = worst
    implementable = mean_length >= -NEGATIVE * scale
    cycle = None
    if np.isfinite(mean_length):
        cycle = Cycle(agent, tuple(map(int, place)), _walk(graph, mean_length), mean_length)
    payments = PaymentRange(tuple(smallest), tuple(largest)) if implementable else None
    return LastPeriod(environment, action, implementable, cycle, tuple(means), payments)


def checked_policy(environment: InterdependentTypes, t: int, given: Sequence[object] | IntArray | None) -> IntArray:
    """Policy of a period as read-only indices; the efficient one where none is given."""
    if given is None:
        table = surplus(environment, t)
        return best_actions(table, TIE * surplus_size(environment, t).max(axis=0))[0]
    policy = np.asarray(given)
    if policy.shape != environment.shape[t] or policy.dtype.kind not in "iu":
        raise InputError(
            f"policy: is {policy.shape}, needed is an action's index for each profile {environment.shape[t]}"
        )
    if policy.min() < 0 or policy.max() >= environment.action_counts[t]:
        raise InputError(f"policy: actions go from 0 to {environment.action_counts[t] - 1}")
    return readonly(policy, np.int64)


def arcs(environment: InterdependentTypes, t: int, agent: int, policy: IntArray) -> FloatArray:
    """Value of the truth to each signal above a report's allocation; axes: others' profile, report, signal.

    Parameters
    ----------
    environment : InterdependentTypes
    t : int
    agent : int
    policy : int array ``(*signals,)``
    """
    own = environment.shape[t][agent]
    values = np.moveaxis(environment.values[agent][t], 1 + agent, -1).reshape(environment.action_counts[t], -1, own)
    reported = np.moveaxis(policy, agent, -1).reshape(-1, own)
    truth = np.moveaxis(chosen(environment.values[agent][t], policy), agent, -1).reshape(-1, 1, own)
    found: FloatArray = truth - values[reported, np.arange(len(reported))[:, np.newaxis]]
    return found


def distances(lengths: FloatArray) -> FloatArray:
    """Shortest distances between all nodes of many complete graphs (Floyd-Warshall); axes: graph, from, to."""
    found = lengths.copy()
    for middle in range(found.shape[1]):
        np.minimum(found, found[:, :, middle, np.newaxis] + found[:, np.newaxis, middle, :], out=found)
    return found


def worst_means(lengths: FloatArray) -> FloatArray:
    """Smallest mean length of a cycle of at least two arcs in many complete graphs (Karp); infinite with one node.

    Examples
    --------
    >>> worst_means(np.array([[[0.0, 1.0], [-3.0, 0.0]]]))
    array([-1.])
    """
    graphs, nodes, _ = lengths.shape
    between = np.where(np.eye(nodes, dtype=bool), np.inf, lengths)
    walks = np.full((nodes + 1, graphs, nodes), np.inf)
    walks[0, :, 0] = 0
    for k in range(nodes):
        walks[k + 1] = (walks[k][:, :, np.newaxis] + between).min(axis=1)
    remaining = np.arange(nodes, 0, -1).reshape(-1, 1, 1)
    reached = np.isfinite(walks[nodes])
    ends = np.where(reached, walks[nodes], 0.0)
    means = ((ends - walks[:nodes]) / remaining).max(axis=0)
    found: FloatArray = np.where(reached, means, np.inf).min(axis=1)
    return found


def _walk(lengths: FloatArray, mean: float) -> tuple[int, ...]:
    """A cycle of that mean length: with the mean taken from every arc it has length 0, so its arcs are tight."""
    import networkx as nx

    reduced: Array = lengths - mean
    np.fill_diagonal(reduced, np.inf)
    potential = np.minimum(distances(reduced[np.newaxis])[0].min(axis=0), 0)
    slack = potential[:, np.newaxis] + reduced - potential
    scale = max(1.0, float(np.abs(lengths).max()))
    tight = np.argwhere(slack <= 1e-9 * scale).tolist()
    return tuple(int(arc[0]) for arc in nx.find_cycle(nx.DiGraph(tight)))
