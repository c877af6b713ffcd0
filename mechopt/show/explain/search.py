"""From an optimum to the mechanism that is easiest to read: memory, allocation, states, payments; checked.

The result is kept only if it passes the verification of the optimum's constraints and earns the optimum; else the
mechanism is shown as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.lp.build import compile_program
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import claims_of
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.show.explain.automaton import Automaton, automaton
from mechopt.show.explain.memory import MemoryShare, Simplest, plan_of, simplest
from mechopt.show.explain.payments import readable, snapped
from mechopt.show.explain.play import play_of
from mechopt.solve.result import Optimum
from mechopt.verification.verify import Report, verify

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout

MOST_HISTORIES = 200_000
"""Number of histories up to which a mechanism is explained."""
LOST = 1e-8
"""Share of the optimum that the readable mechanism may miss."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A mechanism, its automaton, and how they were come by.

    Attributes
    ----------
    mechanism : Mechanism or SequenceMechanism
    automaton : Automaton
    memory : str or None
    shares : tuple of MemoryShare
    order : tuple of str
        Criteria that chose the payments; empty where they are those of the mechanism given.
    report : Report or None
        Its verification.
    note : str
        Why it is shown as it is, where it is.
    """

    mechanism: Mechanism | SequenceMechanism
    automaton: Automaton
    memory: str | None = None
    shares: tuple[MemoryShare, ...] = ()
    order: tuple[str, ...] = ()
    report: Report | None = None
    note: str = ""


def written_out(mechanism: Any) -> Mechanism | SequenceMechanism:
    """A mechanism of any form, written out over histories.

    Raises
    ------
    InputError
        If it has no finite histories to be written on.
    LimitError
        If there are too many.
    """
    if isinstance(mechanism, Unrollable):
        mechanism = mechanism.to_mechanism()
    if isinstance(mechanism, MarkovMechanism):
        mechanism = mechanism.to_sequence()
    if not isinstance(mechanism, (Mechanism, SequenceMechanism)):
        raise InputError(
            f"a {type(mechanism).__name__} is not written over histories and cannot be explained; give a mechanism, or "
            "something with to_mechanism()"
        )
    tree = mechanism.tree
    histories = sum(tree.count[1:]) if isinstance(mechanism, Mechanism) else sum(tree.count)
    if histories > MOST_HISTORIES:
        raise LimitError(f"{histories:,} histories are above {MOST_HISTORIES:,}; try fewer periods or types")
    return mechanism


def worth(mechanism: Mechanism | SequenceMechanism, objective: Objective) -> float:
    """Value of an objective at a mechanism."""
    weights = objective.revenue, objective.welfare, objective.utility
    parts = mechanism.revenue, mechanism.welfare, sum(mechanism.utilities)
    return float(np.dot(weights, parts))


def read_as_is(mechanism: Any, note: str = "") -> Reading:
    """The states of a mechanism with its own payments."""
    written = written_out(mechanism)
    require_payments(written)
    return Reading(written, automaton(play_of(written)), note=note)


def require_payments(mechanism: Mechanism | SequenceMechanism) -> None:
    """Refuse a limit of mechanisms, which no table of payments describes.

    Raises
    ------
    InputError
    """
    if isinstance(mechanism, SequenceMechanism) and mechanism.limit:
        raise InputError(
            "the mechanism is a limit: payments without bound are due at histories that it never comes to, so that no "
            "table of payments describes it; try another participation constraint, or fewer types"
        )


def read_optimum(best: Optimum) -> Reading:
    """The simplest mechanism that is optimal.

    Raises
    ------
    InputError
        If there is no mechanism, or it is only a limit of mechanisms.
    LimitError
        If it has too many histories.
    """
    if best.mechanism is None:
        raise InputError(f"there is no mechanism to explain: {best.status}")
    written = written_out(best.mechanism)
    if written.source.startswith("relaxed"):
        return read_as_is(written, "only the first types are private: shown as the solver left it")
    best = replace(best, mechanism=written)
    play = play_of(written)
    fresh = isinstance(written, Mechanism)
    reach = [written.tree.reach[t + fresh] for t in range(play.horizon)]
    simple = simplest(best, play, reach)
    shares, memory = (simple.shares, simple.memory) if simple is not None else ((), None)
    layout, allocation = _allocation(best, written, simple)
    if len(claims_of(best.ic, best.ir, best.subject_to)) < len((*best.ic, *best.ir, *best.subject_to)):
        return replace(read_as_is(written, "misreports may gain something: shown as the solver left it"), shares=shares)
    for tried in dict.fromkeys([allocation, written]):
        found = readable(best, tried, layout)
        if found is None:
            continue
        asked = (*best.ic, *best.ir, *best.subject_to)
        report = verify(found.mechanism, asked) if asked else None
        lost = abs(best.value - worth(found.mechanism, best.objective))
        if (report is None or report.holds) and lost <= LOST * max(abs(best.value), layout.unit * 1e-3):
            kept = memory if tried is allocation else None
            return Reading(found.mechanism, found.automaton, kept, shares, found.order, report)
    require_payments(written)
    return replace(
        read_as_is(written, "no payments by state earn the optimum: shown as the solver left it"), shares=shares
    )


def _allocation(
    best: Optimum, written: Mechanism | SequenceMechanism, simple: Simplest | None
) -> tuple[AnyLayout, Mechanism | SequenceMechanism]:
    """Layout of the program with payments, and the simplest allocation with no payments."""
    if isinstance(written, SequenceMechanism):
        if simple is None:
            return compile_program(plan_of(best))[1], written
        x = np.zeros(len(simple.x))
        for columns in simple.layout.columns.allocation:
            x[columns] = snapped(simple.x[columns])
        return simple.layout, simple.layout.mechanism(x)
    layout = compile_program(plan_of(best, "payment"))[1]
    if simple is None:
        return layout, written
    parts: list[FloatArray] = []
    for columns in simple.layout.columns.allocation:
        parts.append(readonly(snapped(np.clip(simple.x[columns], 0.0, 1.0))))
    nothing = tuple(np.zeros_like(part) for part in parts)
    return layout, replace(written, allocation=tuple(parts), payment=nothing)
