"""Contingent transfers checked as `mechopt.verify` checks all mechanisms: constraints to gains and counterexamples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.constraint_names import require_types
from mechopt.mechanism.constraints import Notion, PeriodicExPostIC
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.stage import Lie
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.report import NotionCheck, Report

OWN = (PeriodicExPostIC(), PeriodicExPostIC(rereport=True))
"""Notions that need no public histories; any signal may be reported in any period, so that the two are one."""


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
    transfers: Any, constraints: Notion | Iterable[Notion] | None = None, exact: bool = False
) -> Report:
    """Check contingent transfers against constraints.

    Parameters
    ----------
    transfers : ContingentTransfers
    constraints : Notion or several, optional
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
        over: transfers are stacked, or the horizon is infinite.
    LimitError
        If there are too many histories.
    """
    asked = [constraints] if isinstance(constraints, Notion) else list(constraints or OWN[:1])
    require_types(asked, "moving")
    over_paths = [notion for notion in asked if notion not in OWN]
    if over_paths and (transfers.method == "stacked" or transfers.last_payments is None):
        raise InputError(
            f"constraint {over_paths[0].name!r} goes over public histories, and transfers that are stacked, or have no "
            "last period, are not written out over these; periodic-ex-post does not"
        )
    written = verify_sequence(transfers.to_mechanism(), over_paths, exact) if over_paths else {}
    found = check_contingent(transfers, exact)
    checks = dict[Notion, NotionCheck]()
    for notion in asked:
        if notion in over_paths:
            checks[notion] = written[notion]
            continue
        lie = found.counterexample
        counterexample = None if lie is None else _counterexample(notion, lie)
        checks[notion] = NotionCheck(
            found.status, found.gain, found.rounding, found.tolerance, counterexample, found.strategy_gain, found.exact
        )
    return Report(checks)


@dataclass(frozen=True, eq=False)
class _Stationary:
    """Approximate transfers with the arrays of contingent ones."""

    environment: InterdependentTypes
    policy: tuple[IntArray, ...]
    payments: tuple[tuple[FloatArray, ...], ...]
    method: str = "convex"
    later: tuple[tuple[tuple[FloatArray, ...], ...], ...] = ()
    last_payments: tuple[FloatArray, ...] | None = None
    history: bool = False


def verify_approximate(
    transfers: Any, constraints: Notion | Iterable[Notion] | None = None, exact: bool = False
) -> Report:
    """Check approximate contingent transfers, with the efficient policy that they go with, as `verify_contingent`.

    Parameters
    ----------
    transfers : ApproximateTransfers
        They promise a largest gain and not none: unless their epsilon is 0, periodic ex post IC is violated, and the
        gain found is to be compared with their ``gain_bound``.
    constraints : Notion or several, optional
    exact : bool
    """
    env = transfers.environment
    payments = []
    for i, table in enumerate(transfers.payments):
        now, then = ([size for j, size in enumerate(env.shape[0]) if j != i] for _ in range(2))
        payments.append(np.asarray(table).reshape(len(table), *now, env.shape[0][i], *then))
    return verify_contingent(_Stationary(env, transfers.policy, (tuple(payments),)), constraints, exact)


def _counterexample(notion: Notion, lie: Lie) -> ContingentCounterexample:
    others = tuple(k for j, k in enumerate(lie.signals) if j != lie.agent)
    own = lie.signals[lie.agent]
    return ContingentCounterexample(notion, lie.agent, lie.period, lie.past, own, lie.report, lie.gain, others)
