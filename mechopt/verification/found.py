"""The check of mechanisms that were just found: one rule of how many histories are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mechopt.mechanism.constraints import Notion
from mechopt.mechanism.direct import Mechanism
from mechopt.verification.verify import Report, verify

MAX_CHECKED_HISTORIES = 200_000
"""Constraints are checked exhaustively on trees up to this size, and left open beyond."""
MAX_CHECKED_NODES = 20_000
"""The same for public histories of persistent types, where many mechanisms are compared."""


def checked(mechanism: Any, histories: int) -> Report | None:
    """Verify an optimal mechanism, if it claims constraints and has few enough histories to check them all.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, a policy or None
        A `Mechanism` is written out and so is checked at any size.
    histories : int
        Of its program, as in ``Optimum.size``.
    """
    if mechanism is None or not mechanism.claims:
        return None
    if not isinstance(mechanism, Mechanism) and histories > MAX_CHECKED_HISTORIES:
        return None
    return verify(mechanism, mechanism.claims)


def checked_on_tree(mechanism: Any, constraints: Iterable[Notion]) -> Report | None:
    """Verify a mechanism over histories, if its tree is small enough; None where it is not, or nothing is asked."""
    limit = MAX_CHECKED_HISTORIES if isinstance(mechanism, Mechanism) else MAX_CHECKED_NODES
    asked = tuple(constraints)
    return verify(mechanism, asked) if asked and sum(mechanism.tree.count) <= limit else None
