"""Everything about contingent transfers of one environment: the conditions, the transfers, and their check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mechopt.closedform.contingent.conditions.spanning import (
    ConvexIndependence,
    Place,
    Spanning,
    convex_independence,
    spanning,
)
from mechopt.closedform.contingent.last_period import LastPeriod, last_period
from mechopt.closedform.contingent.program.infeasible import Farkas
from mechopt.closedform.contingent.program.possible import NoTransfersError
from mechopt.closedform.contingent.result import ContingentTransfers, Method
from mechopt.closedform.contingent.robust.transfers import NoRobustTransfersError, robust_transfers
from mechopt.closedform.contingent.setting import ConditionError, LastRule
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.study.transfer_methods import MethodRow, transfer_methods
from mechopt.verification.contingent.check import ContingentCheck, check_contingent

Plain = dict[str, Any]


@dataclass(frozen=True)
class TransferStudy:
    """Conditions, transfers and check.

    Attributes
    ----------
    environment : InterdependentTypes
    convex_independence : ConvexIndependence
    spanning : Spanning
    last_period : LastPeriod or None
        Of the efficient allocation; None with an infinite horizon.
    transfers : ContingentTransfers or None
    failure : ConditionError or None
        Why there are none.
    check : ContingentCheck or None
    welfare : float
        Of the transfers' rule; of the efficient one where there are none.
    methods : tuple of MethodRow
        Every method side by side; empty unless asked for.
    """

    environment: InterdependentTypes
    convex_independence: ConvexIndependence
    spanning: Spanning
    last_period: LastPeriod | None
    transfers: ContingentTransfers | None
    failure: ConditionError | None
    check: ContingentCheck | None
    welfare: float
    methods: tuple[MethodRow, ...]

    @property
    def holds(self) -> bool:
        """Whether there are transfers, and they pass their check."""
        return self.check is not None and self.check.holds

    def document(self) -> Plain:
        """Document of ``mechopt transfers --json``."""
        hull, span, last, env = self.convex_independence, self.spanning, self.last_period, self.environment
        document: Plain = {
            "convex_independence": {
                "holds": hull.holds,
                "distance": hull.distance,
                "condition": hull.condition,
                "ill_conditioned": hull.ill_conditioned,
                "worst": hull.worst and placed(env, hull.worst),
            },
            "spanning": {
                "holds": span.holds,
                "smallest_singular_value": span.smallest_singular_value,
                "pseudo_inverse_norm": span.pseudo_inverse_norm,
                "rank": span.rank,
                "condition": span.condition,
                "ill_conditioned": span.ill_conditioned,
                "worst": span.worst and placed(env, span.worst),
            },
            "last_period": last and {"implementable": last.implementable, "cycle": _cycle(env, last)},
            "transfers": self.transfers and _transfers(self.transfers),
            "verified": {"periodic_ex_post_ic": self.check and _checked(env, self.check)},
            "welfare": self.welfare,
            "methods": [row.document() for row in self.methods],
        }
        if self.failure is not None:
            place = self.failure.place
            document["failed"] = {
                "condition": self.failure.condition,
                "message": str(self.failure),
                "at": place and placed(env, place),
            }
            if isinstance(self.failure, (NoTransfersError, NoRobustTransfersError)) and self.failure.farkas is not None:
                document["failed"]["farkas"] = _farkas(self.failure.farkas)
        return document


def study_transfers(
    environment: InterdependentTypes,
    method: Method = "convex",
    last: LastRule = "efficient",
    smallest: bool = False,
    steps: int | Literal["auto"] = 2,
    side_by_side: bool = False,
    kernels: Any = None,
    **asked: Any,
) -> TransferStudy:
    """Measure the conditions, solve for transfers and check them.

    Parameters
    ----------
    environment : InterdependentTypes
    method, last, smallest, steps
        As in `contingent_transfers`.
    side_by_side : bool
        Whether to solve by every method, besides.
    kernels : number or set of kernels, optional
        Instead of a method: the smallest transfers that are right for every kernel of it; see `robust_transfers`.
    **asked
        Further arguments of `contingent_transfers`.

    Returns
    -------
    TransferStudy

    Examples
    --------
    >>> import numpy as np
    >>> stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> kernel = np.einsum("xb,ya->xyab", stay, stay)
    >>> env = InterdependentTypes([[[[0, 1], [1, 2]]]] * 2, kernel, stay / 2, discount=0.9)
    >>> study_transfers(env).holds
    True
    """
    transfers, failure = None, None
    try:
        if kernels is not None:
            _require_plain(asked)
            transfers = robust_transfers(environment, kernels, last, exact=asked.get("exact", False))
        else:
            transfers = contingent_transfers(environment, method, last, smallest=smallest, steps=steps, **asked)
    except ConditionError as error:
        failure = error
    welfare = transfers.welfare if transfers is not None else efficient_joint(environment).expected_welfare
    return TransferStudy(
        environment,
        convex_independence(environment),
        spanning(environment),
        None if environment.infinite else last_period(environment),
        transfers,
        failure,
        None if transfers is None else check_contingent(transfers),
        welfare,
        transfer_methods(environment, last) if side_by_side else (),
    )


PLAIN = {
    "objective": "smallest",
    "participation": None,
    "outside": "0",
    "fee": False,
    "cap": None,
    "balance": None,
    "form": "free",
    "exact": False,
    "joint": False,
}


def _require_plain(asked: Plain) -> None:
    """Refuse demands that robust transfers do not take."""
    for name, value in asked.items():
        if name != "exact" and value != PLAIN[name] and not (name == "outside" and value == 0):
            raise InputError(f"radius, box, within: robust transfers take no further demands; leave {name} out")


def placed(environment: InterdependentTypes, place: Place) -> Plain:
    """A matrix or a column by names."""
    types = [names[place.period] for names in environment.types]
    others = [names for j, names in enumerate(types) if j != place.agent]
    return {
        "agent": environment.names[place.agent],
        "period": place.period,
        "action": environment.action_names(place.period)[place.action],
        "others": [names[k] for names, k in zip(others, place.others, strict=True)],
        "signal": None if place.signal is None else types[place.agent][place.signal],
    }


def _cycle(environment: InterdependentTypes, last: LastPeriod) -> Plain | None:
    if last.cycle is None:
        return None
    types, cycle = [names[-1] for names in environment.types], last.cycle
    others = [names for j, names in enumerate(types) if j != cycle.agent]
    return {
        "mean": cycle.mean,
        "agent": environment.names[cycle.agent],
        "others": [names[k] for names, k in zip(others, cycle.others, strict=True)],
        "signals": [types[cycle.agent][k] for k in cycle.signals],
    }


def _transfers(transfers: ContingentTransfers) -> Plain:
    return {
        "theorem": transfers.theorem,
        "method": transfers.method,
        "max_abs": transfers.max_abs,
        "bound": transfers.bound,
        "gain": transfers.gain,
        "deficit": transfers.deficit,
        "utilities": list(transfers.utilities),
        "fees": list(transfers.fees),
        "condition": transfers.condition,
        "ill_conditioned": transfers.ill_conditioned,
        "exact": transfers.exact is not None,
        "right_for": None if transfers.robust is None else str(transfers.robust.kernels),
    }


def _farkas(proof: Farkas) -> Plain:
    """The inequalities whose combination is a contradiction, with their multipliers."""
    return {
        "exact": proof.exact,
        "contradiction": str(proof.contradiction) if proof.exact else proof.contradiction,
        "inequalities": [
            {
                "multiplier": str(share.multiplier) if proof.exact else share.multiplier,
                "kind": share.kind,
                "what": share.named(proof.environment),
            }
            for share in proof.shares
        ],
    }


def _checked(environment: InterdependentTypes, check: ContingentCheck) -> Plain:
    found: Plain = {"status": str(check.status), "holds": check.holds, "gain": check.gain}
    found |= {"rounding": check.rounding, "strategy_gain": check.strategy_gain}
    if check.counterexample is not None:
        lie = check.counterexample
        types = [names[lie.period] for names in environment.types]
        found["counterexample"] = {
            "agent": environment.names[lie.agent],
            "period": lie.period,
            "history": [list(profile) for profile in lie.past],
            "signals": [names[k] for names, k in zip(types, lie.signals, strict=True)],
            "report": types[lie.agent][lie.report],
            "gain": lie.gain,
        }
    return found
