"""The optimum by dual dynamic programming, as an `Optimum`: where it applies, and when it is taken unasked."""

from __future__ import annotations

from mechopt.core.errors import InputError
from mechopt.lp.build import AnyPlan
from mechopt.lp.independent.plan import Plan, Size
from mechopt.mechanism.constraints import DIC, EPIR, BayesianIC, Interim, Notion, PeriodicExPostIC
from mechopt.mechanism.objective import Revenue
from mechopt.solve import highs
from mechopt.solve.dual.optimum import dual_optimum
from mechopt.solve.dual.search import Progress as Bracketed
from mechopt.solve.result import Optimum

REMEDY = '; or take method="dual" (--method dual), which gives a bracket'


def dual_notions(chosen: AnyPlan) -> tuple[Notion, Notion] | None:
    """Incentive and participation notion of a plan that dual dynamic programming takes; None where it does not."""
    if chosen.objective != Revenue() or len(chosen.ic) != 1 or len(chosen.ir) != 1:
        return None
    (ic,), (ir,) = chosen.ic, chosen.ir
    if isinstance(chosen, Plan):
        return (ic, ir) if (ic, ir) == (DIC(), EPIR()) else None
    known = ic in (BayesianIC(), PeriodicExPostIC()) and ir in (EPIR(), Interim())
    return (ic, ir) if known and chosen.process.agents == 1 and not chosen.relaxed else None


def by_dual(
    chosen: AnyPlan,
    exact: bool,
    time_limit: float | None,
    progress: highs.Progress | None,
    bracket: Bracketed | None = None,
) -> Optimum:
    """Bracket of the optimum within 1e-4, and an explicit mechanism that earns its lower end.

    Raises
    ------
    InputError
        If it does not apply, or an exact optimum is asked for.
    """
    notions = dual_notions(chosen)
    if notions is None:
        raise InputError(
            'method "dual" is for revenue, and buyers with independent types under DIC and EPIR, or one agent whose '
            "types move under Bayesian (or periodic ex post) IC and interim IR or EPIR; use another method"
        )
    if exact:
        raise InputError('method "dual" gives a bracket, no exact optimum; use another method with exact')
    steps = iter(range(10**12))

    def told(lower: float, upper: float, seconds: float) -> None:
        if progress is not None:
            progress(next(steps), seconds)
        if bracket is not None:
            bracket(lower, upper, seconds)

    ic, ir = notions
    best = dual_optimum(chosen.environment, ic, ir, time_limit=time_limit, progress=told)
    size, seconds = Size(0, 0, 0, chosen.size.histories, 0), {"build": 0.0, "solve": best.seconds}
    return Optimum(
        best.value,
        best.bound,
        best.status,
        best.mechanism,
        size,
        seconds,
        "dual",
        "tables",
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
