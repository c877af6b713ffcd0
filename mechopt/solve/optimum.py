"""The optimal mechanism of an environment under given notions: plan, check the size, compile, solve, read back."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import RANGE_REFUSAL, RANGE_WARNING
from mechopt.environment.independent import IndependentTypes
from mechopt.lp.choose import AnyPlan, AnyTypes, plan
from mechopt.lp.compile import compile_program
from mechopt.lp.moving_plan import MovingPlan
from mechopt.lp.orbits import orbit_size
from mechopt.lp.plan import Plan, Size, payment_timing
from mechopt.mechanism.notions import DIC, EPIR, STANDARD, Asked, Interim, Notion, SuperDIC, closure
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.proof.promised_certificate import PromisedCertificate
from mechopt.solve import highs
from mechopt.solve.by_dual import REMEDY, by_dual, dual_notions
from mechopt.solve.cuts_search import Progress as Bracketed
from mechopt.solve.found import Optimum as Optimum
from mechopt.solve.limits import known_before, require_size
from mechopt.solve.moving import moving_optimum, welfare_cap
from mechopt.solve.orbits import better_on_orbits, orbit_optimum
from mechopt.solve.predicted_seconds import program_seconds
from mechopt.solve.promised import PromisedOptimum, promised_optimum
from mechopt.solve.proved import proved
from mechopt.solve.solution import Bound, Status

METHODS = ("auto", *highs.ALGORITHMS, "promised", "dual")
PATIENCE = 5.0
"""Predicted seconds up to which a program, whose bracket closes, is preferred to a dynamic program."""
LONG = 60.0
"""The same where the dynamic program's seconds are not predicted and its bracket is 1e-4 wide, or the time limit."""
PROMISED, PROMISED_AIM = 1e-6, 1e-12
"""Relative width of the promised-utility bracket that is enough, and the one that is aimed at where it is cheap."""
MAX_WRITTEN = 100_000
"""Largest number of histories over which its policy is written out at once."""
MAX_BUYERS = 62
"""numpy arrays have at most 64 axes; those of buyer and history are two of them."""


def optimum(
    environment: AnyTypes,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective = Revenue(),  # noqa: B008
    method: str = "auto",
    exact: bool = False,
    time_limit: float | None = None,
    form: str = "auto",
    progress: highs.Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
    bracket: Bracketed | None = None,
) -> Optimum:
    """Find the mechanism that is best among all that keep the notions, as a linear program over histories.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon.
    ic, ir : Notion, several or None
        Incentive and participation notions; default DIC and EPIR, and where types move Bayesian IC and interim IR.
    objective : Objective
        Default revenue; any weighted sum, such as ``Revenue() + 0.5 * Welfare()``.
    method : str
        ``"simplex"``, ``"ipx"`` (interior point with crossover), or ``"promised"``: the promised-utility dynamic
        program for one buyer, revenue, DIC and EPIR or interim IR, whose work grows about linearly with the horizon;
        its bracket closes to 1e-12 over few periods and to 1e-6 over many, see `mechopt.solve.promised`; or
        ``"dual"``: dual dynamic programming for several buyers (DIC, EPIR) or one agent whose types move, to a bracket
        of 1e-4, see `mechopt.solve.cuts`. ``"auto"`` takes ``"promised"`` where it applies, ``"dual"`` where that
        applies and the program would take more than a minute, or the time limit, or would not fit, else one of the
        first two; for identical buyers on orbits of histories, see `mechopt.lp.orbits`.
    exact : bool
        Prove the optimum in exact rationals as well; needs exact numbers. Of one buyer under DIC and EPIR this goes by
        promises, see `mechopt.solve.exact_promised`; where the two ends of that proof do not meet, ``exact`` is None
        and the certificate has the bracket in fractions.
    time_limit : float, optional
        Seconds for the solver, the exact proof included; they leave the bracket so far, as an interrupt (Ctrl-C) does.
    form : str
        Of the program, see `mechopt.lp.plan`; ``"auto"`` takes the smallest.
    progress : callable, optional
        Called with iterations and seconds.
    max_bytes : float, optional
        Refuse programs predicted to need more memory; default 60% of what is available.
    accept_range : bool
        Solve, without a warning, even where values or probabilities differ by a factor above 1e9.
    bracket : callable, optional
        Called by the methods ``"promised"`` and ``"dual"`` with the lower and upper bound so far, and seconds.

    Returns
    -------
    Optimum

    Raises
    ------
    LimitError
        If the program would be too large.
    InputError
        If notions, form or method do not fit, or values or probabilities lie too far apart.

    Examples
    --------
    >>> env = IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], periods=3)
    >>> best = optimum(env)
    >>> best
    Optimum(value 3.5, bracket width 3e-12, optimal by promised, tables form)
    >>> round(best.mechanism.revenue, 9)
    3.5
    """
    begun = time.perf_counter()
    if method not in METHODS:
        raise InputError(f"method {method!r} is none of {', '.join(METHODS)}")
    chosen = plan(environment, ic, ir, objective, form)
    if isinstance(chosen, MovingPlan):
        if method == "dual" or (method == "auto" and not exact and sooner_by_dual(chosen, max_bytes, time_limit)):
            return by_dual(chosen, exact, time_limit, progress, bracket)
        return moving_optimum(chosen, method, exact, time_limit, progress, max_bytes, accept_range)
    check_range(chosen.environment, accept_range)
    if exact and chosen.environment.exact is None:
        raise InputError('exact=True: the float probabilities only sum to 1 within rounding; write fractions as "1/3"')
    quick = method == "auto" and form == "auto"
    if exact and (method == "promised" or (quick and promise_notion(chosen) == EPIR())):
        by_promises = _exact_by_promises(chosen, time_limit, progress, bracket)
        small = program_seconds(chosen.size) <= PATIENCE
        if by_promises.exact is not None or not (quick and small and by_promises.status is Status.OPTIMAL):
            return by_promises
    if quick and better_on_orbits(chosen) and fits(orbit_size(chosen), max_bytes, time_limit):
        return orbit_optimum(chosen, method, time_limit, progress, trivial_bound(chosen), exact)
    quick = quick and not exact
    if (method == "promised" and not exact) or (quick and promise_notion(chosen) is not None):
        return _by_promises(chosen, time_limit, progress, bracket)
    if method == "dual" or (quick and sooner_by_dual(chosen, max_bytes, time_limit)):
        return by_dual(chosen, exact, time_limit, progress, bracket)
    require_memory(chosen, max_bytes, method)
    with known_before(0.0 if chosen.ir else -np.inf, trivial_bound(chosen)):
        program, layout = compile_program(chosen)
    built = time.perf_counter()
    solution = highs.solve_program(program, method, time_limit, progress, keep_basis=exact)
    seconds = {"build": built - begun, "solve": time.perf_counter() - built}
    unit, failed = layout.unit, solution.status in (Status.INFEASIBLE, Status.UNBOUNDED)
    cap = trivial_bound(chosen)
    bound = Bound(
        solution.bound.lower * unit,
        max(solution.bound.lower * unit, min(solution.bound.upper * unit, cap)),
        solution.bound.method,
    )
    found = Optimum(
        solution.value * unit,
        bound,
        solution.status,
        None if failed else layout.mechanism(solution.primal),
        chosen.size,
        seconds,
        solution.algorithm,
        chosen.form,
        conflict=solution.conflict,
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
    left = None if time_limit is None else time_limit - (time.perf_counter() - built)
    return proved(found, layout, program, solution, left) if exact else found


def promise_notion(chosen: Plan) -> Notion | None:
    """Which participation notion the promised-utility program takes for a plan; None where it does not apply."""
    implied, one = closure(chosen.ir), chosen.tree.environment.buyers == 1
    if not one or DIC() not in closure(chosen.ic) or SuperDIC() in chosen.ic or chosen.objective != Revenue():
        return None
    if payment_timing(chosen.ic, chosen.ir) != "bank":
        return None
    return EPIR() if EPIR() in implied else Interim() if Interim() in implied else None


def fits(size: Size, max_bytes: float | None = None, time_limit: float | None = None) -> bool:
    """Whether a program of a size is predicted to fit into memory, and to be solved in a minute or the time limit."""
    if program_seconds(size) > min(LONG, np.inf if time_limit is None else max(time_limit, PATIENCE)):
        return False
    try:
        require_size(size, -np.inf, np.inf, max_bytes)
    except LimitError:
        return False
    return True


def sooner_by_dual(chosen: AnyPlan, max_bytes: float | None = None, time_limit: float | None = None) -> bool:
    """Whether dual dynamic programming applies, and the program is predicted not to fit into memory or the time."""
    if dual_notions(chosen) is None or (isinstance(chosen, Plan) and chosen.environment.buyers > MAX_BUYERS):
        return False
    if program_seconds(chosen.size) > min(LONG, np.inf if time_limit is None else max(time_limit, PATIENCE)):
        return True
    try:
        require_memory(chosen, max_bytes)
    except LimitError:
        return True
    return False


def _by_promises(
    chosen: Plan, time_limit: float | None, progress: highs.Progress | None, bracket: Bracketed | None = None
) -> Optimum:
    """The optimum by the promised-utility dynamic program.

    Raises
    ------
    InputError
        If it does not apply.
    """
    notion = promise_notion(chosen)
    if notion is None:
        raise InputError(
            'method "promised" is for one buyer, revenue, and DIC with EPIR or interim IR (or what bank payments make '
            "of them: PPIC, INDU, prefix IR); use another method"
        )
    best = promised_optimum(chosen.environment, notion, PROMISED, time_limit, progress, bracket, PROMISED_AIM)
    # with interim participation it is Myerson's auction at first, full welfare later
    return _from_promises(chosen, best, "closed form" if notion == Interim() else "promised")


def _exact_by_promises(
    chosen: Plan, time_limit: float | None, progress: highs.Progress | None, bracket: Bracketed | None
) -> Optimum:
    """The same with a certificate: of the optimum, or of a bracket in fractions where its ends do not meet.

    Raises
    ------
    InputError
        If it does not apply.
    """
    from mechopt.solve.exact_promised.optimum import exact_promised

    if promise_notion(chosen) != EPIR():
        raise InputError('method "promised" proves the optimum of one buyer under DIC and EPIR; use another method')
    best, proof = exact_promised(chosen.environment, chosen.ic, chosen.ir, time_limit, progress, bracket)
    found = _from_promises(chosen, best, "promised")
    if proof is None:
        return found
    lower, upper = float(proof.lower), float(proof.upper)
    bound = Bound(lower, upper, "exact certificate")
    value = found.value if proof.value is None else lower
    return replace(found, value=value, bound=bound, exact=proof.value, certificate=proof)


def certified_by_promises(chosen: AnyPlan) -> PromisedCertificate | None:
    """The certificate of a plan by promises; None where they do not apply, or their two ends do not meet."""
    if isinstance(chosen, MovingPlan) or promise_notion(chosen) != EPIR() or chosen.environment.exact is None:
        return None
    proof = _exact_by_promises(chosen, None, None, None).certificate
    return proof if isinstance(proof, PromisedCertificate) and proof.value is not None else None


def _from_promises(chosen: Plan, best: PromisedOptimum, method: str) -> Optimum:
    from mechopt.solve.promise_policy import SMALLEST_WEIGHT

    policy = replace(best.mechanism, notions=(*chosen.ic, *chosen.ir))
    few = chosen.size.histories <= MAX_WRITTEN and chosen.environment.weights[-1] >= SMALLEST_WEIGHT
    found = Optimum(
        best.value,
        best.bound,
        best.status,
        policy.to_mechanism() if few else policy,
        Size(0, 0, 0, chosen.size.histories, 0),
        {"build": 0.0, "solve": best.seconds},
        method,
        "tables",
    )
    return replace(found, ic=chosen.ic, ir=chosen.ir, objective=chosen.objective)


def trivial_bound(chosen: Plan) -> float:
    """Upper bound without any program: full welfare, where utilities are at least 0 and cost the objective nothing."""
    weights = chosen.objective
    if not chosen.ir or weights.utility > weights.revenue or weights.revenue + weights.welfare < 0:
        return float("inf")
    return (weights.revenue + weights.welfare) * chosen.tree.environment.full_welfare


def require_memory(chosen: AnyPlan, max_bytes: float | None = None, method: str = "auto") -> None:
    """Refuse a program that would not fit, with figures, what to do and what is known of the optimum all the same.

    Raises
    ------
    LimitError
        If the prediction is above ``max_bytes`` (default 60% of the available memory).
    """
    lower = 0.0 if chosen.ir else float("-inf")
    if isinstance(chosen, MovingPlan):
        require_size(chosen.size, lower, welfare_cap(chosen), max_bytes, method, REMEDY if dual_notions(chosen) else "")
        return
    upper = trivial_bound(chosen)
    if chosen.tree.environment.buyers > MAX_BUYERS:
        count = chosen.tree.environment.buyers
        message = f"{count} buyers: arrays over report profiles have at most {MAX_BUYERS} axes of buyers. Use fewer"
        raise LimitError(message, lower, upper)
    remedy = '; or take method="promised" (--method promised)' if promise_notion(chosen) else ""
    remedy = remedy or (REMEDY if dual_notions(chosen) else "")
    require_size(chosen.size, lower, upper, max_bytes, method, remedy)


def check_range(environment: IndependentTypes, accepted: bool) -> None:
    """Warn of values or probabilities that differ by a factor above 1e6, refuse one above 1e9 unless asked.

    The factor is that of the largest value to the smallest step between values, or of 1 to the smallest probability.

    Raises
    ------
    InputError
        If it is refused.
    """
    steps = [np.diff(values) for row in environment.values for values in row]
    smallest = min((float(step.min()) for step in steps if step.size), default=1.0)
    largest = max(float(values[-1]) for row in environment.values for values in row)
    rarest = min(float(law[law > 0].min()) for row in environment.probabilities for law in row)
    ratio = max(largest / smallest if largest else 1.0, 1.0 / rarest)
    if ratio > RANGE_REFUSAL and not accepted:
        raise InputError(
            f"values or probabilities differ by a factor of {ratio:.2g}, above {RANGE_REFUSAL:.0e}: they lie too far "
            "apart for floating point; merge types, or ask for it with accept_range=True (--accept-range)"
        )
    if ratio > RANGE_WARNING and not accepted:
        warnings.warn(f"values or probabilities differ by a factor of {ratio:.2g}; check the bracket", stacklevel=3)
