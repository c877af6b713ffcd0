"""Dominance after contracting: whether truth is best even for agents who know all signals, past, present and future.

Where no action moves types an agent may be thought to know her whole path of types and everybody's reports, whatever
these are. Truth is dominant from a period on if no sequence of her reports does better than the truth against any of
the others', at any path of types that is possible. For the virtual pivot this holds from period 1 on (Corollary 5.2),
as every period by itself maximises a weighted sum; not at contracting, where it is periodic ex post IC at most.

Source: Kakade, Lobel and Nazerzadeh (2013), Corollary 5.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.persistent.response import PersistentPayoffs

MAX_ENTRIES = 10**7
"""Most histories times paths of types and reports."""


def dominance_gains(mechanism: Any, start: int = 1) -> FloatArray:
    """Find what agents gain over the truth who know all types and reports, by agent and period.

    Parameters
    ----------
    mechanism : SequenceMechanism, or something with ``to_mechanism``
        No action moves types from ``start`` on.
    start : int
        First period that is looked at; 1 is the first one after contracting.

    Returns
    -------
    float array ``(agent, period - start)``
        Present value as of period 0, times the mechanism's own probability of the history; 0 where truth is dominant
        from that period on.

    Raises
    ------
    InputError
        If it is not a mechanism over histories, or actions move types from ``start`` on.
    LimitError
        If there are too many paths.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Corollary 5.2.

    Examples
    --------
    One buyer of type 1, 2 or 3: the published payments let her gain at contracting, but truth is dominant afterwards.

    >>> from mechopt.closedform.virtual.pivot import virtual_pivot
    >>> from mechopt.environment.separable import SeparableTypes
    >>> third, half = [["1/3"] * 3], [["1/2", "1/2"]]
    >>> env = SeparableTypes([[1, 2, 3]], third, [[[0, 0], ["1/2", 2]]], half, cost=[0, "3/5"], horizon=1)
    >>> dominance_gains(virtual_pivot(env)).tolist()
    [[0.0]]
    """
    written: Any = mechanism.to_mechanism() if isinstance(mechanism, Unrollable) else mechanism
    if not isinstance(written, SequenceMechanism):
        raise InputError([Fault("mechanism", "is not one over public histories", "give to_sequence() of it")])
    horizon = written.tree.horizon
    if type(start) is not int or not 0 <= start < horizon:
        raise InputError([Fault("start", f"is {start!r}", f"give a period from 0 to {horizon - 1}")])
    moved = [t for t in range(start, horizon - 1) if written.tree.branches[t] > 1]
    if moved or not written.process.independent:
        what = f"has actions that move types in period {moved[0]}" if moved else "has types that depend on each other"
        raise InputError([Fault("mechanism", what, "dominance is about signals that actions do not move")])
    return np.array([_agent(written, i, start) for i in range(written.process.agents)])


def _agent(mechanism: SequenceMechanism, i: int, start: int) -> list[float]:
    """Largest gain from each period on, the first one first.

    Arrays have the axes: history, own type, own later types, the others' reports, their later reports.
    """
    payoffs, tree, found = PersistentPayoffs(mechanism, i), mechanism.tree, list[float]()
    best: FloatArray = np.zeros((1, 1, 1, 1, 1))
    truth: FloatArray = np.zeros((1, 1, 1, 1, 1))
    possible = np.ones((1, 1), dtype=bool)  # own type, own later types
    for t in reversed(range(start, tree.horizon)):
        types, later = payoffs.types(t), (best.shape[1] * best.shape[2], best.shape[3] * best.shape[4])
        others, place = _others(payoffs, t)
        shape = (tree.slots[t], types, later[0], others, later[1])
        if np.prod(shape, dtype=object) > MAX_ENTRIES or tree.count[t] * types * later[0] * later[1] > MAX_ENTRIES:
            raise LimitError(
                f"dominance_gains: more than {MAX_ENTRIES:,} histories and paths; use fewer periods or types"
            )
        flow = payoffs.flow(t).sum(axis=2)[:, :, None, None]
        after = (np.zeros((tree.count[t], 1, *later)),) * 2
        if t + 1 < tree.horizon:
            following = tree.following(t)[:, 0]
            after = (best.reshape(-1, *later)[following][:, None], truth.reshape(-1, *later)[following][:, None])
            moves = mechanism.environment.kernel[i][t][0] > 0
            possible = (moves[:, :, None] & possible[None]).reshape(types, -1)
        else:
            possible = np.ones((types, 1), dtype=bool)
        best, truth = np.full(shape, -np.inf), np.full(shape, -np.inf)
        own = tree.own(t, i)
        for r in range(types):
            nodes = np.flatnonzero(own == r)
            where = (tree.slot[t][nodes], slice(None), slice(None), place[nodes])
            best[where] = np.maximum(
                best[where], np.broadcast_to(flow[nodes] + after[0][nodes], (len(nodes), types, *later))
            )
            truth[tree.slot[t][nodes], r, :, place[nodes]] = flow[nodes, r] + after[1][nodes, 0]
        asked = (truth > -np.inf) & possible[None, :, :, None, None]
        found.append(max(0.0, float((best[asked] - truth[asked]).max(initial=0.0))))
    return found[::-1]


def _others(payoffs: PersistentPayoffs, t: int) -> tuple[int, IntArray]:
    """Number of profiles of the others, and which one each node has."""
    profiles, place = np.unique(payoffs.profiles(t)[:, 0], return_inverse=True)
    return len(profiles), place.ravel()
