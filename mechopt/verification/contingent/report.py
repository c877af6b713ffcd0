"""Contingent transfers checked as `mechopt.verify` checks all mechanisms: notions to gains and counterexamples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mechopt.core.errors import InputError
from mechopt.mechanism.constraints import Notion, PeriodicExPostIC, require_types
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.stage import Lie
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.verify import NotionCheck, Report

OWN = (PeriodicExPostIC(), PeriodicExPostIC(rereport=True))
"""Notions that need no public histories; any signal may be reported in any period, so that the two are one."""


class ContingentCounterexample(Counterexample):
    """A lie that pays; its history is empty where payments to come do not depend on earlier reports."""

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


def verify_contingent(transfers: Any, notions: Notion | Iterable[Notion] | None = None) -> Report:
    """Check contingent transfers against notions.

    Parameters
    ----------
    transfers : ContingentTransfers
    notions : Notion or several, optional
        Default: periodic ex post IC, by `check_contingent`, with any horizon. Other notions go over public histories.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If a notion is none for types that move, or goes over public histories and there are none to go over: transfers
        are stacked, or the horizon is infinite.
    LimitError
        If there are too many histories.
    """
    asked = [notions] if isinstance(notions, Notion) else list(notions or OWN[:1])
    require_types(asked, "moving")
    over_paths = [notion for notion in asked if notion not in OWN]
    if over_paths and (transfers.method == "stacked" or transfers.last_payments is None):
        raise InputError(
            f"notion {over_paths[0].name!r} goes over public histories, and transfers that are stacked, or have no "
            "last period, are not written out over these; periodic-ex-post does not"
        )
    written = verify_sequence(transfers.to_mechanism(), over_paths) if over_paths else {}
    found = check_contingent(transfers)
    checks = dict[Notion, NotionCheck]()
    for notion in asked:
        if notion in over_paths:
            checks[notion] = written[notion]
            continue
        lie = found.counterexample
        counterexample = None if lie is None else _counterexample(notion, lie)
        checks[notion] = NotionCheck(found.holds, found.gain, counterexample, found.strategy_gain)
    return Report(checks)


def _counterexample(notion: Notion, lie: Lie) -> ContingentCounterexample:
    others = tuple(k for j, k in enumerate(lie.signals) if j != lie.agent)
    own = lie.signals[lie.agent]
    return ContingentCounterexample(notion, lie.agent, lie.period, lie.past, own, lie.report, lie.gain, others)
