"""Contingent transfers by every method, side by side: how large they are, what they cost, what they rest on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from mechopt.closedform.contingent.setting import LastRule
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import MechoptError
from mechopt.core.numbers import without_noise
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent

METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "theorem-3.1": ({"method": "convex"}, "convex independence"),
    "theorem-3.2": ({"method": "spanning"}, "spanning"),
    "smallest": ({"method": "convex", "smallest": True}, "convex independence (least largest entries)"),
    "any": ({"method": "any"}, "no condition, a linear program"),
}
"""Arguments of `contingent_transfers`, and what the transfers rest on."""
MAX_COEFFICIENTS = 150_000
"""Coefficients of one agent's program up to which it is solved unasked: some seconds."""


@dataclass(frozen=True)
class MethodRow:
    """Transfers of one method.

    Attributes
    ----------
    name : str
    rests_on : str
    theorem : str or None
    max_abs : float or None
        Largest transfer, of either sign.
    deficit : float or None
        Expected present value of what agents get, net, plus costs.
    gain : float or None
        Largest gain of a misreport, by `check_contingent`.
    status : str or None
        What the check says: satisfied, violated or undecided.
    holds : bool
        Whether there are transfers, and they pass their check.
    ill_conditioned : bool
    failure : str or None
        Why there are none.
    """

    name: str
    rests_on: str
    theorem: str | None = None
    max_abs: float | None = None
    deficit: float | None = None
    gain: float | None = None
    status: str | None = None
    holds: bool = False
    ill_conditioned: bool = False
    failure: str | None = None

    def document(self) -> dict[str, Any]:
        """Document of ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        if self.failure is not None:
            return f"none; {self.rests_on}"
        verdict = str(self.status) if self.holds else str(self.status).upper()
        flag = ", ill-conditioned" if self.ill_conditioned else ""
        deficit = without_noise(self.deficit or 0.0, self.max_abs or 1.0)
        return f"largest {self.max_abs:.6g}, deficit {deficit:.6g}, {verdict}{flag}; {self.rests_on}"


def transfer_methods(environment: InterdependentTypes, last: LastRule = "efficient") -> tuple[MethodRow, ...]:
    """Solve by every method that `METHODS` names, and check each.

    Parameters
    ----------
    environment : InterdependentTypes
    last : {"efficient", "constant"}
        As in `contingent_transfers`.

    Examples
    --------
    >>> from mechopt import modelfile
    >>> for row in transfer_methods(modelfile.load("liu-2025/independent-chains")):
    ...     print(row.name, row)
    theorem-3.1 none; convex independence
    theorem-3.2 none; spanning
    smallest none; convex independence (least largest entries)
    any largest 0.277778, deficit -0.9375, satisfied; no condition, a linear program
    """
    return tuple(_row(environment, name, last) for name in METHODS)


def _row(environment: InterdependentTypes, name: str, last: LastRule) -> MethodRow:
    arguments, rests_on = METHODS[name]
    if name == "any" and _coefficients(environment) > MAX_COEFFICIENTS:
        failure = f"not tried: {_coefficients(environment):,} coefficients for one agent; ask for method='any'"
        return MethodRow(name, f"{rests_on}; {failure}", failure=failure)
    try:
        found = contingent_transfers(environment, last_period=last, **arguments)
        check = check_contingent(found)
    except MechoptError as error:
        return MethodRow(name, rests_on, failure=str(error))
    return MethodRow(
        name,
        rests_on if not found.theorem.endswith("target by target") else f"targets met one by one, without {rests_on}",
        found.theorem,
        found.max_abs,
        found.deficit,
        check.gain,
        str(check.status),
        check.holds,
        found.ill_conditioned,
    )


def _coefficients(environment: InterdependentTypes) -> int:
    """Size of the largest program of one agent."""
    periods = range(len(environment.kernel))
    then = [environment.shape[environment.following(t)] for t in periods]
    return sum(prod(environment.shape[t]) * max(environment.shape[t]) * prod(then[t]) for t in periods)
