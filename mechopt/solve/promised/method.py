"""The optimum of one buyer by promised utilities, as an `Optimum`; and by Myerson's auction where that is all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mechopt.lp.independent.plan import Plan, Size, payment_timing
from mechopt.mechanism.constraints import DIC, EPIR, Constraint, Interim, SuperDIC, closure
from mechopt.mechanism.objective import Revenue
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyPlan
    from mechopt.proof.promised.certificate import PromisedCertificate
    from mechopt.solve.promised.optimum import PromisedOptimum

PROMISED, PROMISED_AIM = 1e-6, 1e-12
"""Relative width of the promised-utility bracket that is enough, and the one that is aimed at where it is cheap."""
MAX_WRITTEN = 100_000
"""Largest number of histories over which its policy is written out at once."""
NOT_MET = "the two ends of the proof by promises do not meet; the bracket is proved in fractions"

APPLIES = (
    "is for one buyer, revenue, and DIC with EPIR or interim IR (or what bank payments make of them: PPIC, INDU, "
    "prefix IR), without seller_values, outside options or discounts that differ"
)


def promise_constraint(chosen: AnyPlan) -> Constraint | None:
    """Which participation constraint the promised-utility program takes for a plan; None where it does not apply."""
    if not isinstance(chosen, Plan) or chosen.subject_to or not chosen.environment.plain:
        return None
    if chosen.environment.slots is not None:
        return None
    implied, one = closure(chosen.ir), chosen.environment.agents == 1
    if not one or DIC() not in closure(chosen.ic) or SuperDIC() in chosen.ic or chosen.objective != Revenue():
        return None
    if payment_timing(chosen.ic, chosen.ir) != "bank":
        return None
    return EPIR() if EPIR() in implied else Interim() if Interim() in implied else None


def by_promises(chosen: Plan, effort: Effort) -> Optimum:
    """Bracket of the optimum, and an explicit mechanism that earns its lower end.

    Written out over histories where there are few. With ``effort.exact``, for DIC and EPIR alone, with a certificate.
    """
    if effort.exact:
        return _exact_by_promises(chosen, effort)
    from mechopt.solve.promised.optimum import promised_optimum

    constraint = promise_constraint(chosen)
    assert constraint is not None
    limits = effort.time_limit, effort.progress, effort.bracket
    best = promised_optimum(chosen.environment, constraint, PROMISED, *limits, PROMISED_AIM)
    # with interim participation it is Myerson's auction at first, the first best later
    return _from_promises(chosen, best, "closed form" if constraint == Interim() else "promised")


def _exact_by_promises(chosen: Plan, effort: Effort) -> Optimum:
    """The same with a certificate: of the optimum, or of a bracket in fractions where its ends do not meet."""
    from mechopt.solve.exact_promised.optimum import exact_promised

    limits = effort.time_limit, effort.progress, effort.bracket
    best, proof = exact_promised(chosen.environment, chosen.ic, chosen.ir, *limits)
    found = _from_promises(chosen, best, "promised")
    if proof is None:
        return found
    lower, upper = float(proof.lower), float(proof.upper)
    found = replace(found, bound=Bound(lower, upper, "exact certificate"), exact=proof.value, certificate=proof)
    if proof.value is None:
        return replace(found, status=Status.UNPROVED, conflict=(NOT_MET,))
    return replace(found, value=lower)


def certified_by_promises(chosen: AnyPlan) -> PromisedCertificate | None:
    """The certificate of a plan by promises; None where they do not apply, or their two ends do not meet."""
    if not isinstance(chosen, Plan) or promise_constraint(chosen) != EPIR() or chosen.environment.exact is None:
        return None
    from mechopt.proof.promised.certificate import PromisedCertificate

    proof = _exact_by_promises(chosen, Effort(exact=True)).certificate
    return proof if isinstance(proof, PromisedCertificate) and proof.value is not None else None


def _from_promises(chosen: Plan, best: PromisedOptimum, method: str) -> Optimum:
    from mechopt.solve.promised.policy import SMALLEST_WEIGHT

    policy = replace(best.mechanism, claims=(*chosen.ic, *chosen.ir))
    histories = sum(chosen.tree.count[1:])
    few = histories <= MAX_WRITTEN and chosen.environment.present_value[-1] >= SMALLEST_WEIGHT
    return Optimum(
        best.value,
        best.bound,
        best.status,
        policy.to_mechanism() if few else policy,
        Size(0, 0, 0, histories, 0),
        {"build": 0.0, "solve": best.seconds},
        method,
        "tables",
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
