"""Trees of histories and the graphs of the last period as networkx graphs, for its algorithms and layouts.

Every number of a node or an arc is an attribute, so that what is drawn or computed there is about the same tree that
programs and checks use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import InputError, LimitError

if TYPE_CHECKING:
    import networkx as nx

    from mechopt.closedform.contingent.last_period import LastPeriod
    from mechopt.histories.public import PublicTree
    from mechopt.histories.reports import HistoryTree

MAX_GRAPH_NODES = 200_000
"""Largest number of nodes of a graph: networkx takes about two kilobytes for each."""


def history_graph(tree: HistoryTree) -> nx.DiGraph:
    """Histories of reports as a directed tree.

    Parameters
    ----------
    tree : HistoryTree

    Returns
    -------
    networkx.DiGraph
        Nodes ``(t, number)``, where t is the length of the history, with ``history`` and ``reach``; arcs with the
        profile of ``reports`` and its ``probability``.

    Raises
    ------
    LimitError
        If there are more than `MAX_GRAPH_NODES` histories.
    """
    import networkx as nx

    _require_few(sum(tree.count))
    graph = nx.DiGraph(kind="independent")
    for t, reach in enumerate(tree.reach):
        for number, chance in enumerate(reach.tolist()):
            graph.add_node((t, number), history=tree.history(t, number), reach=chance)
    for t, probability in enumerate(tree.distribution):
        profiles = [tuple(map(int, profile)) for profile in np.ndindex(*tree.shape[t])]
        for number in range(tree.count[t + 1]):
            before, profile = divmod(number, len(profiles))
            reports = profiles[profile]
            graph.add_edge((t, before), (t + 1, number), reports=reports, probability=float(probability[reports]))
    return graph


def public_graph(tree: PublicTree) -> nx.DiGraph:
    """Public histories of persistent types as a directed tree.

    Parameters
    ----------
    tree : PublicTree

    Returns
    -------
    networkx.DiGraph
        Nodes ``("slot", t, number)`` before the reports of period t, with ``history``, and ``("node", t, number)``
        after them, with ``reach``. Arcs from a slot to its nodes have the profile of ``reports``; those from a node to
        the slots of the next period the ``action``, None where it is not recorded.

    Raises
    ------
    LimitError
        If there are more than `MAX_GRAPH_NODES` slots and nodes.
    """
    import networkx as nx

    _require_few(sum(tree.count) + sum(tree.slots))
    graph = nx.DiGraph(kind="persistent")
    for t in range(tree.horizon):
        for slot in range(tree.slots[t]):
            graph.add_node(("slot", t, slot), history=tree.history(t, slot))
        if t > 0:
            for slot, (node, branch) in enumerate(zip(*(part.tolist() for part in tree.came(t)), strict=True)):
                action = branch if tree.branches[t - 1] > 1 else None
                graph.add_edge(("node", t - 1, node), ("slot", t, slot), action=action)
        reports = np.stack(np.unravel_index(tree.profile[t], tree.process.shape[t]), axis=1).tolist()
        for node, (slot, profile, chance) in enumerate(
            zip(tree.slot[t].tolist(), reports, tree.reach[t].tolist(), strict=True)
        ):
            graph.add_node(("node", t, node), reach=float(chance))
            graph.add_edge(("slot", t, slot), ("node", t, node), reports=tuple(profile))
    return graph


def last_period_graph(found: LastPeriod, agent: int | None = None, others: Sequence[int] | None = None) -> nx.DiGraph:
    """One agent's reports in the last period as a complete graph, whose arcs are what the truth is worth more.

    An allocation is implementable at fixed signals of the others iff this graph has no negative cycle (Rochet 1987).

    Parameters
    ----------
    found : LastPeriod
    agent : int, optional
        Default: that of the worst cycle.
    others : sequence of int, optional
        The others' signals; default: those of the worst cycle, given for another agent.

    Returns
    -------
    networkx.DiGraph
        Nodes are the agent's signals, with ``name``. The arc from r to k has the ``weight`` w(r, k): what k gets from
        her own allocation less what she gets from that of r, money of the last period. ``on_cycle`` says which arcs
        are on the worst cycle.

    Raises
    ------
    InputError
        If there is no such agent or signal, or one of both is missing.
    """
    import networkx as nx

    environment, cycle = found.environment, found.cycle
    if agent is None and others is None and cycle is not None:
        agent, others = cycle.agent, cycle.others
    if agent is None or others is None:
        raise InputError("give an agent and the others' signals: to_networkx(agent, others)")
    t = environment.stages - 1
    shape = environment.shape[t]
    if not 0 <= agent < environment.agents:
        raise InputError(f"agent {agent!r}: agents go from 0 to {environment.agents - 1}")
    sizes = [size for j, size in enumerate(shape) if j != agent]
    fixed = tuple(int(k) for k in others)
    if len(fixed) != len(sizes) or not all(0 <= k < size for k, size in zip(fixed, sizes, strict=True)):
        raise InputError(f"others {list(fixed)}: give a signal for each other agent, below {sizes}")
    graph = nx.DiGraph(agent=agent, others=fixed)
    for k, name in enumerate(environment.types[agent][-1]):
        graph.add_node(k, name=name)
    worst = set()
    if cycle is not None and (agent, fixed) == (cycle.agent, cycle.others):
        worst = set(zip(cycle.signals, (*cycle.signals[1:], cycle.signals[0]), strict=True))
    profiles = [(*fixed[:agent], k, *fixed[agent:]) for k in range(shape[agent])]
    values = environment.values[agent][t]
    for k, true in enumerate(profiles):
        for r, report in enumerate(profiles):
            if r != k:
                weight = float(values[(found.policy[true], *true)] - values[(found.policy[report], *true)])
                graph.add_edge(r, k, weight=weight, on_cycle=(r, k) in worst)
    return graph


def _require_few(nodes: int) -> None:
    if nodes > MAX_GRAPH_NODES:
        raise LimitError(
            f"{nodes:,} nodes are above {MAX_GRAPH_NODES:,}, too many for a networkx graph; use fewer periods, types "
            "or agents, or the arrays of the tree"
        )
