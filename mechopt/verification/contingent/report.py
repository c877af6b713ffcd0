"""Contingent transfers checked as `mechopt.verify` checks all mechanisms: constraints to gains and counterexamples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.mechanism.constraint_names import require_types
from mechopt.mechanism.constraints import Constraint, PeriodicExPostIC
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.stage import OneMisreport
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.report import ConstraintCheck, Report

OWN = (PeriodicExPostIC(), PeriodicExPostIC(rereport=True))
"""Constraints that need no public histories; any signal may be reported in any period, so that the two are one."""


class ContingentCounterexample(Counterexample):
    """A misreport that pays; its history is empty where payments to come do not depend on earlier reports."""

    def replay(self, mechanism: Any) -> float:
        """Compute the gain of the worst lie again.

        Parameters
        ----------
        mechanism : ContingentTransfers

        Returns
        -------
        float
            Equals ``gain``.
        """
        return check_contingent(mechanism).gain


def verify_contingent(
    transfers: Any, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check contingent transfers against constraints.

    Parameters
    ----------
    transfers : ContingentTransfers or ApproximateTransfers
        Approximate ones promise a largest gain and not none: unless their epsilon is 0, periodic ex post IC is
        violated, and the gain found is to be compared with their ``gain_bound``.
    constraints : Constraint or several, optional
        Default: periodic ex post IC, by `check_contingent`, with any horizon. Others go over public histories.
    exact : bool
        Decide in fractions.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If a constraint is not defined for persistent types, or goes over public histories and there are none to go
        over: transfers are stacked, or the horizon is infinite. If a fee is not finite.
    LimitError
        If there are too many histories.
    """
    asked = [constraints] if isinstance(constraints, Constraint) else list(constraints or OWN[:1])
    require_types(asked, "persistent")
    if not np.isfinite(getattr(transfers, "fees", ())).all():
        raise InputError([Fault("fees", "have an entry that is not finite", "give finite numbers")])
    over_paths = [constraint for constraint in asked if constraint not in OWN]
    if over_paths and (transfers.method == "stacked" or transfers.last_payments is None):
        raise InputError(
            f"constraint {over_paths[0].name!r} goes over public histories, and transfers that are stacked, or have no "
            "last period, are not written out over these; periodic-ex-post does not"
        )
    written = verify_sequence(transfers.to_mechanism(), over_paths, exact) if over_paths else {}
    found = check_contingent(transfers, exact)
    checks = dict[Constraint, ConstraintCheck]()
    for constraint in asked:
        if constraint in over_paths:
            checks[constraint] = written[constraint]
            continue
        lie = found.counterexample
        counterexample = None if lie is None else _counterexample(constraint, lie)
        checks[constraint] = ConstraintCheck(
            found.status, found.gain, found.rounding, found.tolerance, counterexample, found.strategy_gain, found.exact
        )
    return Report(checks, transfers.environment)


def _counterexample(constraint: Constraint, lie: OneMisreport) -> ContingentCounterexample:
    others = tuple(k for j, k in enumerate(lie.signals) if j != lie.agent)
    own = lie.signals[lie.agent]
    return ContingentCounterexample(constraint, lie.agent, lie.period, lie.past, own, lie.report, lie.gain, others)
