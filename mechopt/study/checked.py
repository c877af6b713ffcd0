"""The check of a mechanism that was just found: in one place, with one rule of how many histories are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mechopt.mechanism.constraints import Notion
from mechopt.mechanism.direct import Mechanism
from mechopt.solve.limits import MAX_CHECKED_HISTORIES
from mechopt.solve.result import Optimum
from mechopt.verification.verify import Report, verify

MAX_CHECKED_NODES = 20_000
"""Persistent types: constraints are checked exhaustively on public trees up to this size, and left open beyond."""


def checked(best: Optimum) -> Report | None:
    """Verify an optimal mechanism, if it claims constraints and has few enough histories to check them all."""
    mechanism = best.mechanism
    if mechanism is None or not mechanism.notions:
        return None
    if not isinstance(mechanism, Mechanism) and best.size.histories > MAX_CHECKED_HISTORIES:
        return None
    return verify(mechanism, mechanism.notions)


def checked_on_tree(mechanism: Any, constraints: Iterable[Notion]) -> Report | None:
    """Verify a mechanism over histories, if its tree is small enough; None where it is not, or nothing is asked."""
    limit = MAX_CHECKED_HISTORIES if isinstance(mechanism, Mechanism) else MAX_CHECKED_NODES
    asked = tuple(constraints)
    return verify(mechanism, asked) if asked and sum(mechanism.tree.count) <= limit else None
