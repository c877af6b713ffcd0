"""What agents gain who know all types and reports, also those to come, whatever the others report.

Arrays have the axes: node or slot, own type, own later types, the others' reports, their later reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import Constraint, DominantIC
from mechopt.verification.persistent.response import PersistentPayoffs

MAX_ENTRIES = 10**7
"""Most histories times paths of types and reports."""


class Informed(NamedTuple):
    """Sums from a period on by node, own type, own later types and the others' later reports.

    Attributes
    ----------
    told : float array ``(nodes, types, own later, others' later)``
        Of the report at the node, and the best ones after it.
    truth : float array of the same shape
        Of the truth, minus infinity where it cannot be told at the slot.
    possible : bool array ``(types, own later)``
        Paths of her types that have positive probability.
    """

    told: FloatArray
    truth: FloatArray
    possible: npt.NDArray[np.bool_]


def why_not_told(constraints: Iterable[Constraint], tree: PublicTree) -> str | None:
    """Why a mechanism cannot be checked for dominance, in words that follow the constraint; None where it can."""
    asked = [constraint for constraint in constraints if isinstance(constraint, DominantIC)]
    first = min((int(constraint.later) for constraint in asked), default=tree.horizon)
    if asked and not tree.process.independent:
        return "is for types that are independent across agents: an agent's path of types would tell her the others'"
    moved = [t for t in range(first, tree.horizon - 1) if tree.branches[t] > 1 or tree.process.controlled[t]]
    if moved:
        return f"is for types that no action moves; the mechanism's histories record actions in period {moved[0]}"
    return None


def require_told(constraints: Iterable[Constraint], tree: PublicTree) -> None:
    """Refuse to check dominance where it is not defined.

    Raises
    ------
    InputError
        If types are not independent across agents, or actions move them from the first period that is asked about on.
    """
    listed = list(constraints)
    why = why_not_told(listed, tree)
    if why is not None:
        name = next(constraint.name for constraint in listed if isinstance(constraint, DominantIC))
        raise InputError(f"constraint {name!r} {why}")


def informed_of_all(payoffs: PersistentPayoffs, start: int) -> list[Informed]:
    """Sums of one agent who knows everything, of each period from ``start`` on.

    Raises
    ------
    LimitError
        If there are too many paths.
    """
    mechanism, i, found = payoffs.mechanism, payoffs.agent, list[Informed]()
    tree = mechanism.tree
    best: FloatArray = np.zeros((1, 1, 1, 1, 1))
    truth: FloatArray = np.zeros((1, 1, 1, 1, 1))
    possible = np.ones((1, 1), dtype=bool)  # own type, own later types
    for t in reversed(range(start, tree.horizon)):
        types, later = payoffs.types(t), (best.shape[1] * best.shape[2], best.shape[3] * best.shape[4])
        others, place = _others(payoffs, t)
        shape = (tree.slots[t], types, later[0], others, later[1])
        if np.prod(shape, dtype=object) > MAX_ENTRIES or tree.count[t] * types * later[0] * later[1] > MAX_ENTRIES:
            raise LimitError(f"dominance: more than {MAX_ENTRIES:,} histories and paths; use fewer periods or types")
        flow = payoffs.flow(t).sum(axis=2)[:, :, None, None]
        after = (np.zeros((tree.count[t], 1, *later)),) * 2
        if t + 1 < tree.horizon:
            following = tree.following(t)[:, 0]
            after = (best.reshape(-1, *later)[following][:, None], truth.reshape(-1, *later)[following][:, None])
            moves = mechanism.environment.kernel[i][t][0] > 0
            possible = (moves[:, :, None] & possible[None]).reshape(types, -1)
        else:
            possible = np.ones((types, 1), dtype=bool)
        told = np.broadcast_to(flow + after[0], (tree.count[t], types, *later))
        best, truth = np.full(shape, -np.inf), np.full(shape, -np.inf)
        own = tree.own(t, i)
        for r in range(types):
            nodes = np.flatnonzero(own == r)
            where = (tree.slot[t][nodes], slice(None), slice(None), place[nodes])
            best[where] = np.maximum(best[where], told[nodes])
            truth[tree.slot[t][nodes], r, :, place[nodes]] = flow[nodes, r] + after[1][nodes, 0]
        honest = truth[tree.slot[t], :, :, place]
        found.append(Informed(told, honest, possible))
    return found[::-1]


def _others(payoffs: PersistentPayoffs, t: int) -> tuple[int, IntArray]:
    """Number of profiles of the others, and which one each node has."""
    profiles, place = np.unique(payoffs.profiles(t)[:, 0], return_inverse=True)
    return len(profiles), place.ravel()
