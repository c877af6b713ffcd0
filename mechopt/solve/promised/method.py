"""The optimum of one buyer by promised utilities, as an `Optimum`; and by Myerson's auction where that is all of it."""

from __future__ import annotations

from dataclasses import replace

from mechopt.lp.build import AnyPlan
from mechopt.lp.independent.plan import Plan, Size, payment_timing
from mechopt.mechanism.constraints import DIC, EPIR, Interim, Notion, SuperDIC, closure
from mechopt.mechanism.objective import Revenue
from mechopt.solve.program import Effort
from mechopt.solve.promised.optimum import promised_optimum
from mechopt.solve.result import Optimum

APPLIES = (
    "is for one buyer, revenue, and DIC with EPIR or interim IR (or what bank payments make of them: PPIC, INDU, "
    "prefix IR)"
)


def promise_notion(chosen: AnyPlan) -> Notion | None:
    """Which participation constraint the promised-utility program takes for a plan; None where it does not apply."""
    if not isinstance(chosen, Plan) or chosen.subject_to:
        return None
    implied, one = closure(chosen.ir), chosen.environment.agents == 1
    if not one or DIC() not in closure(chosen.ic) or SuperDIC() in chosen.ic or chosen.objective != Revenue():
        return None
    if payment_timing(chosen.ic, chosen.ir) != "bank":
        return None
    return EPIR() if EPIR() in implied else Interim() if Interim() in implied else None


def by_promises(chosen: Plan, effort: Effort) -> Optimum:
    """Bracket of the optimum within 1e-6, and an explicit mechanism that earns its lower end."""
    notion = promise_notion(chosen)
    assert notion is not None
    best = promised_optimum(
        chosen.environment,
        notion,
        time_limit=effort.time_limit,
        progress=effort.progress,
        bracket=effort.bracket,
    )
    mechanism = replace(best.mechanism, claims=(*chosen.ic, *chosen.ir))
    return Optimum(
        best.value,
        best.bound,
        best.status,
        mechanism,
        Size(0, 0, 0, chosen.size.histories, 0),
        {"build": 0.0, "solve": best.seconds},
        "closed form" if notion == Interim() else "promised",  # Myerson's auction at first, first best later
        "tables",
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
