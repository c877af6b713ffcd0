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
"""Most histories times paths of types and reports, in both tables of a period."""


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
    moved = [t for t in range(first, tree.horizon) if tree.branches[t] > 1]
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
        If there are too many paths, with their number.
    """
    mechanism, i, found = payoffs.mechanism, payoffs.agent, list[Informed]()
    tree = mechanism.tree
    for t in reversed(range(start, tree.horizon)):
        types, (others, place) = payoffs.types(t), _others(payoffs, t)
        if t + 1 == tree.horizon:
            possible = np.ones((types, 1), dtype=bool)
            best = truth = np.zeros((tree.count[t], 1, 1))
        else:
            moves = mechanism.environment.kernel[i][t][0] > 0
            possible = (moves[:, :, None] & possible).reshape(types, -1)
            best, truth = (part[tree.following(t)[:, 0]] for part in (best, truth))
        own_later, later = best.shape[1:]
        entries = (tree.count[t] + tree.slots[t] * others) * types * own_later * later
        if entries > MAX_ENTRIES:
            raise LimitError(
                f"dominance: {entries:,} histories and paths, above {MAX_ENTRIES:,}; use fewer periods or types"
            )
        flow = payoffs.flow(t).sum(axis=2)[:, :, None, None]
        told, honest = flow + best[:, None], flow + truth[:, None]
        shape = (tree.slots[t], types, own_later, others, later)
        best, truth = np.full(shape, -np.inf), np.full(shape, -np.inf)
        own = tree.own(t, i)
        for r in range(types):
            nodes = np.flatnonzero(own == r)
            where = (tree.slot[t][nodes], slice(None), slice(None), place[nodes])
            best[where] = np.maximum(best[where], told[nodes])
            truth[tree.slot[t][nodes], r, :, place[nodes]] = honest[nodes, r]
        found.append(Informed(told, truth[tree.slot[t], :, :, place], possible))
        best, truth = (part.reshape(tree.slots[t], types * own_later, -1) for part in (best, truth))
    return found[::-1]


def _others(payoffs: PersistentPayoffs, t: int) -> tuple[int, IntArray]:
    """Number of profiles of the others, and which one each node has."""
    profiles, place = np.unique(payoffs.profiles(t)[:, 0], return_inverse=True)
    return len(profiles), place.ravel()
