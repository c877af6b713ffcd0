"""The optimum by dual dynamic programming, as an `Optimum`, and where it applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechopt.lp.independent.plan import Plan, Size
from mechopt.mechanism.constraints import DIC, EPIR, BayesianIC, Constraint, Interim, PeriodicExPostIC
from mechopt.mechanism.objective import Revenue
from mechopt.solve.dual.optimum import dual_optimum
from mechopt.solve.program import MAX_BUYERS, Effort
from mechopt.solve.result import Optimum

if TYPE_CHECKING:
    from mechopt.lp.build import AnyPlan

APPLIES = (
    "is for revenue, and buyers with independent types under DIC and EPIR, or one agent whose types persist under "
    "Bayesian (or periodic ex post) IC and interim IR or EPIR, without seller_values, outside "
    "options or discounts that differ"
)


def dual_constraints(chosen: AnyPlan) -> tuple[Constraint, Constraint] | None:
    """Incentive and participation constraint of a plan that dual dynamic programming takes; None where it does not."""
    if not chosen.environment.plain:
        return None
    if isinstance(chosen, Plan) and chosen.environment.slots is not None:
        return None
    if chosen.subject_to or chosen.objective != Revenue() or len(chosen.ic) != 1 or len(chosen.ir) != 1:
        return None
    if not isinstance(chosen, Plan) and chosen.process.public is not None:
        return None
    (ic,), (ir,) = chosen.ic, chosen.ir
    if isinstance(chosen, Plan):
        return (ic, ir) if (ic, ir) == (DIC(), EPIR()) and chosen.environment.agents <= MAX_BUYERS else None
    known = ic in (BayesianIC(), PeriodicExPostIC()) and ir in (EPIR(), Interim())
    return (ic, ir) if known and chosen.process.agents == 1 and not chosen.relaxed else None


def by_dual(chosen: AnyPlan, effort: Effort) -> Optimum:
    """Bracket of the optimum within 1e-4, and an explicit mechanism that earns its lower end."""
    constraints = dual_constraints(chosen)
    assert constraints is not None
    steps = iter(range(10**12))

    def told(lower: float, upper: float, seconds: float) -> None:
        if effort.progress is not None:
            effort.progress(next(steps), seconds)
        if effort.bracket is not None:
            effort.bracket(lower, upper, seconds)

    best = dual_optimum(chosen.environment, *constraints, time_limit=effort.time_limit, progress=told)
    return Optimum(
        best.value,
        best.bound,
        best.status,
        best.mechanism,
        Size(0, 0, 0, chosen.size.histories, 0),
        {"build": 0.0, "solve": best.seconds},
        "dual",
        "tables",
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
