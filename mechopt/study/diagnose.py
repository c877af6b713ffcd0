"""Which payments implement what the relaxation of Kakade, Lobel and Nazerzadeh asks for, with finitely many types.

With finite types their Theorem 4.1 does not carry over word for word. Three cases:

- a: the published payments are incentive compatible; the optimum is the bound (8);
- b: they are not, but other payments attain the bound, and here they are;
- c: no payments do: the optimum is below the bound by an information rent that the relaxation does not see.

The closed form (`VirtualPivot.diagnosis`) decides many instances; a program decides the rest, and gives the payments or
the gap. With an infinite horizon there is no such program, and what no prices decide is left open. What agents see of
the past matters: the less they see, the more the mechanism can do. Where the bound is not attained when they see all,
programs say whether it is when they see actions alone, or only what is their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mechopt.closedform.public.mechanism import PublicPivot
from mechopt.closedform.virtual.contract import OptimalContract, optimal_contract
from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.core.errors import LimitError
from mechopt.core.numbers import BOUND_TOLERANCE
from mechopt.environment.require_kind import require_kind
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.separable import SeparableStates
from mechopt.mechanism.constraints import BayesianIC
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.optimum import optimum
from mechopt.solve.result import Optimum

WORDS = {"actions": "actions alone", "own": "only what is their own"}
SLACK = 100 * BOUND_TOLERANCE
"""Relative distance to the bound that counts as attaining it."""


@dataclass(frozen=True)
class Regime:
    """In which case an instance is.

    Attributes
    ----------
    regime : str
        ``"a"``, ``"b"`` or ``"c"``; with an infinite horizon also ``"b or c"``.
    reason : str
    bound : float
        What the relaxation promises, (8).
    optimum : Optimum or None
        Under Bayesian IC and interim rationality; None with an infinite horizon.
    gap : float
        Bound less optimum, at least 0; rounding in the cases a and b. With an infinite horizon at least that in case c,
        and not a number where the case is open.
    mechanism : SequenceMechanism, VirtualPivot, OptimalContract or None
        Payments that attain the bound: the published ones in case a, those of the optimum or of a menu in case b. With
        an infinite horizon also the published ones in case b, where initial reports cannot be taken back.
    sees : str or None
        What agents may see of the past where the bound is attained: ``"all"``, ``"actions"`` or ``"own"``, the most
        of them; None where it is under none, or no program said so.
    by_disclosure : dict from str to float
        Upper end of the optimum's bracket by what agents see, of the programs that were solved.
    """

    regime: str
    reason: str
    bound: float
    optimum: Optimum | None
    gap: float
    mechanism: SequenceMechanism | VirtualPivot | OptimalContract | None
    sees: str | None = None
    by_disclosure: dict[str, float] = field(default_factory=dict)


def diagnose(environment: SeparableTypes | SeparableStates, time_limit: float | None = None) -> Regime:
    """Say whether the payments of the virtual pivot implement its policy, others do, or none.

    Parameters
    ----------
    environment : SeparableTypes, or SeparableStates with tables by period and public state
        Multiplicative or additive, signals independent of the initial one.
    time_limit : float, optional
        Seconds for the program; there is none with an infinite horizon.

    Raises
    ------
    InputError
        If the virtual pivot is not defined for the environment.
    LimitError
        If the program is too large, or the time is over.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Theorem 4.1.

    Examples
    --------
    One good, one period after contracting, a fair coin of what it is worth: the buyer's initial signal times 1 or 2.

    >>> env = SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0, 0], [1, 2]]], [["1/2", "1/2"]], horizon=1)
    >>> found = diagnose(env)
    >>> found.regime, round(found.bound, 9), round(found.optimum.value, 9)
    ('a', 1.5, 1.5)
    """
    pivot: VirtualPivot | PublicPivot
    if isinstance(environment, SeparableStates):
        pivot = virtual_pivot(environment)
        regime, reason = _published(pivot)
    else:
        require_kind(environment, "separable", "diagnose")
        plain = pivot = virtual_pivot(environment)
        regime, reason = plain.diagnosis.regime, plain.diagnosis.reason
        if environment.infinite:
            return _for_ever(plain)
    best = optimum(environment, time_limit=time_limit).require_optimal()
    seen = {"all": best.bound.upper}
    gap = max(0.0, pivot.bound - best.bound.upper)
    attained = gap <= SLACK * max(pivot.welfare, abs(pivot.bound), 1e-300)
    if regime == "a":
        return Regime("a", reason, pivot.bound, best, gap, pivot.to_mechanism(), "all", seen)
    if not attained:
        sees = _hidden(environment, pivot, seen, time_limit)
        words = "no mechanism attains the bound where agents see all of the past"
        words += f"; one does where they see {WORDS[sees]}" if sees else ""
        return Regime("c", f"{reason}; {words}", pivot.bound, best, gap, None, sees, seen)
    assert isinstance(best.mechanism, SequenceMechanism)
    reason = f"{reason}; those of the optimum attain the bound"
    return Regime("b", reason, pivot.bound, best, gap, best.mechanism, "all", seen)


def _published(pivot: PublicPivot) -> tuple[str, str]:
    """Regime as far as the published payments of a pivot with public states tell."""
    if pivot.regime == "a":
        return "a", "interval dominance (16) holds at every public state"
    gain = pivot.contracting_gain
    return "b or c", f"a type gains {gain:.6g} by misreporting at contracting under the published payments"


def _for_ever(pivot: VirtualPivot) -> Regime:
    """Closed form and prices of a menu; mechanisms that attain the bound are compared with it."""
    known = pivot.diagnosis
    if known.regime in ("a", "b"):
        found = optimal_contract(pivot.environment) if known.regime == "b" and known.menu else pivot
        gap = max(0.0, pivot.bound - found.revenue)
        return Regime(known.regime, known.reason, pivot.bound, None, gap, found, "all")
    gap = pivot.bound - pivot.ironed_bound if known.regime == "c" else math.nan
    return Regime(known.regime, known.reason, pivot.bound, None, gap, None)


def _hidden(
    environment: SeparableTypes | SeparableStates,
    pivot: VirtualPivot | PublicPivot,
    seen: dict[str, float],
    time_limit: float | None,
) -> str | None:
    """The most that agents may see for the bound to be attained, beyond all; programs' upper ends go into ``seen``."""
    for sees in ("actions", "own") if environment.agents > 1 else ():
        try:
            best = optimum(environment, BayesianIC(sees), time_limit=time_limit).require_optimal()
        except LimitError:
            return None
        seen[sees] = best.bound.upper
        if pivot.bound - best.bound.upper <= SLACK * max(pivot.welfare, abs(pivot.bound), 1e-300):
            return sees
    return None
