"""Checks of incentive constraints where misreports may gain something (`EpsilonIC`).

An agent's gains are compared with her amount: the constraint is satisfied if none is above it, with the tolerance of
`mechopt.verification.rounding` on top. The gains of each agent have a verdict of their own; the worst one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from mechopt.core.errors import InputError
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.payments import EpsilonIC, slack_of
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.rounding import Status

WORST = (Status.SATISFIED, Status.UNDECIDED, Status.VIOLATED)


def split(asked: Iterable[Constraint], agents: int) -> tuple[list[Constraint], tuple[Fraction, ...]]:
    """All but `EpsilonIC`, and what misreports of each agent may gain; empty where they may gain nothing.

    Raises
    ------
    InputError
        If there is no incentive constraint that may be violated by as much.
    """
    given = list(asked)
    limits = [constraint for constraint in given if isinstance(constraint, EpsilonIC)]
    rest = [constraint for constraint in given if not isinstance(constraint, EpsilonIC)]
    if limits and not any(constraint.role == "ic" for constraint in rest):
        raise InputError(f"{limits[0].name} is not a constraint by itself: ask for incentive constraints beside it")
    return rest, tuple(slack_of(limits, i) for i in range(agents)) if limits else ()


def within(
    allowed: tuple[Fraction, ...], tolerance: float, check: Callable[[list[int], float], ConstraintCheck]
) -> ConstraintCheck:
    """Verdict on an incentive constraint whose misreports may gain ``allowed[i]``.

    Parameters
    ----------
    allowed : tuple over agents of Fraction
        Empty: nothing.
    tolerance : float
    check : callable
        Verdict on some agents, given their numbers and the largest gain that counts as none.
    """
    if not allowed:
        return check([], tolerance)
    found = [check([i], tolerance + float(amount)) for i, amount in enumerate(allowed)]
    worst = max(range(len(found)), key=lambda i: (WORST.index(found[i].status), found[i].gain))
    strategies = [one.strategy_gain for one in found if one.strategy_gain is not None]
    return replace(
        found[worst],
        rounding=max(one.rounding for one in found),
        tolerance=tolerance,
        strategy_gain=max(strategies, default=None),
        allowance=float(allowed[worst]) if not found[worst].holds else float(max(allowed)),
    )
