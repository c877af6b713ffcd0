"""Methods are values in one list: whether each applies to a problem, what it would take, and how it solves it.

A new method is one file with its functions and one entry of `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from mechopt.core.errors import InputError
from mechopt.lp.independent.plan import Plan
from mechopt.lp.orbits import orbit_size, why_not_orbits
from mechopt.mechanism.constraints import EPIR, Interim
from mechopt.mechanism.payments import Deterministic
from mechopt.solve.highs import Progress
from mechopt.solve.limits import bytes_needed
from mechopt.solve.predicted_seconds import program_seconds, promised_seconds
from mechopt.solve.problem import Problem
from mechopt.solve.program import Effort, check_range, fits, solve_plan
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

PATIENCE = 5.0
"""Predicted seconds up to which a program is worth its time whatever the time limit is."""
FEW = 2000
"""Public histories up to which the program, which has shadow prices, is taken for myopic agents."""
LONG = 60.0
"""The same where the dynamic program's seconds are not predicted and its bracket is 1e-4 wide, or the time limit."""
MIP_WIDTH = 2e-7
"""Width of the bracket of a deterministic optimum where no gap is asked for; see `mechopt.solve.mip.search`."""
MOMENT, CLOSED = 1.0, 1e-8
"""Predicted seconds up to which the program is tried too where a bracket is left that is wider than this share."""


@dataclass(frozen=True)
class Cost:
    """Predicted cost and accuracy of a method, known before anything is built.

    Attributes
    ----------
    seconds : float or None
        Predicted; None where there is no rule.
    bytes : int
        Predicted memory; 0 where it is a matter of megabytes.
    width : float
        Of the bracket, a share of the optimum; 0 where it closes to rounding.
    """

    seconds: float | None
    bytes: int
    width: float


@dataclass(frozen=True)
class Method:
    """One way to solve problems.

    Attributes
    ----------
    name : str
        As in ``method=`` and ``--method``.
    applies : callable
        From a problem to None, or why not, in words that follow the name.
    cost : callable
        From a problem that it applies to, to its `Cost`.
    solve : callable
        From such a problem and an `Effort` to an `Optimum`.
    proves : callable
        From such a problem to whether it can prove the optimum in exact rationals.
    taken : callable
        From a problem and an `Effort` to whether ``"auto"`` takes it where it applies, which is asked afterwards, and
        no method before it is taken.
    histories : bool
        Whether it builds the program over all histories.
    """

    name: str
    applies: Callable[[Problem], str | None]
    cost: Callable[[Problem], Cost]
    solve: Callable[[Problem, Effort], Optimum]
    proves: Callable[[Problem], bool] = lambda problem: False
    taken: Callable[[Problem, Effort], bool] = lambda problem, effort: False
    histories: bool = False


def _program(name: str, algorithm: str) -> Method:
    """The linear program by one algorithm of the solver."""

    def cost(problem: Problem) -> Cost:
        return Cost(program_seconds(problem.size), bytes_needed(problem.size, algorithm), 0.0)

    def by_program(problem: Problem, effort: Effort) -> Optimum:
        return solve_plan(problem.plan, algorithm, effort)

    taken = _form_asked if name == "program" else lambda problem, effort: False
    return Method(name, _draws, cost, by_program, lambda problem: True, taken, histories=True)


def _draws(problem: Problem) -> str | None:
    return "allocates by lotteries, and nothing may be drawn" if _deterministic(problem) else None


def _deterministic(problem: Problem) -> bool:
    return Deterministic() in problem.subject_to


def _myopic_applies(problem: Problem) -> str | None:
    from mechopt.solve.myopic.method import why_not_myopic

    return why_not_myopic(problem.plan)


def _myopic_taken(problem: Problem, effort: Effort) -> bool:
    tree = getattr(problem.plan, "tree", None)
    if effort.exact or tree is None or sum(tree.count) <= FEW:
        return False
    return _myopic_applies(problem) is None


def _by_stages(problem: Problem, effort: Effort) -> Optimum:
    from mechopt.solve.myopic.method import by_stages

    return by_stages(problem.plan, effort)


def _mip_applies(problem: Problem) -> str | None:
    return None if _deterministic(problem) else "is for deterministic=True (--deterministic)"


def _mip_taken(problem: Problem, effort: Effort) -> bool:
    return _deterministic(problem)


def _mip_cost(problem: Problem) -> Cost:
    return Cost(None, bytes_needed(problem.size, "auto"), MIP_WIDTH)


def _by_mip(problem: Problem, effort: Effort) -> Optimum:
    from mechopt.solve.mip.optimum import deterministic_optimum

    return deterministic_optimum(problem.plan, effort)


def _form_asked(problem: Problem, effort: Effort) -> bool:
    return problem.form != "auto" and isinstance(problem.plan, Plan) and not _deterministic(problem)


def _promised_applies(problem: Problem, interim: bool | None = None) -> str | None:
    from mechopt.solve.promised.method import APPLIES, promise_constraint

    if not isinstance(problem.plan, Plan):
        return f"is not for persistent types: it {APPLIES}"
    constraint = promise_constraint(problem.plan)
    if constraint is None:
        return APPLIES
    return "is for interim IR" if interim and constraint != Interim() else None


def _promised_cost(problem: Problem) -> Cost:
    return Cost(promised_seconds(cast(Plan, problem.plan).environment), 0, 1e-6)


def _by_promises(problem: Problem, effort: Effort) -> Optimum:
    from mechopt.solve.promised.method import by_promises

    return by_promises(cast(Plan, problem.plan), effort)


def _promised_proves(problem: Problem) -> bool:
    from mechopt.solve.promised.method import promise_constraint

    return promise_constraint(problem.plan) == EPIR()


def _promised_taken(problem: Problem, effort: Effort) -> bool:
    return not effort.exact or _promised_proves(problem)


def _orbits_apply(problem: Problem) -> str | None:
    if not isinstance(problem.plan, Plan):
        return "is for identical buyers whose types are independent across periods"
    reason = why_not_orbits(problem.plan)
    return None if reason is None else f"is for identical buyers, DIC and the utility form: {reason}"


def _orbits_cost(problem: Problem) -> Cost:
    size = orbit_size(cast(Plan, problem.plan))
    return Cost(program_seconds(size), bytes_needed(size, "auto"), 0.0)


def _orbits_taken(problem: Problem, effort: Effort) -> bool:
    from mechopt.solve.orbits.optimum import better_on_orbits

    if _orbits_apply(problem) is not None:
        return False
    seconds = program_seconds(orbit_size(cast(Plan, problem.plan)))
    return seconds <= _limit(effort) and better_on_orbits(cast(Plan, problem.plan), effort.max_bytes)


def _on_orbits(problem: Problem, effort: Effort) -> Optimum:
    from mechopt.solve.orbits.optimum import orbit_optimum

    return orbit_optimum(cast(Plan, problem.plan), effort)


def _dual_applies(problem: Problem) -> str | None:
    from mechopt.solve.dual.method import APPLIES, dual_constraints

    return APPLIES if dual_constraints(problem.plan) is None else None


def _dual_taken(problem: Problem, effort: Effort) -> bool:
    if effort.exact:
        return False
    return program_seconds(problem.size) > _limit(effort) or not fits(problem.plan, effort.max_bytes)


def _limit(effort: Effort) -> float:
    """Predicted seconds up to which a program is taken."""
    return LONG if effort.time_limit is None else min(LONG, max(effort.time_limit, PATIENCE))


def _by_dual(problem: Problem, effort: Effort) -> Optimum:
    from mechopt.solve.dual.method import by_dual

    return by_dual(problem.plan, effort)


def _infinite_applies(problem: Problem) -> str | None:
    from mechopt.solve.infinite.method import APPLIES, why_not_infinite

    return APPLIES if problem.endless is None else why_not_infinite(problem.endless)


def _by_infinite(problem: Problem, effort: Effort) -> Optimum:
    from mechopt.solve.infinite.method import by_infinite

    assert problem.endless is not None
    return by_infinite(problem.endless, effort)


PROGRAM = _program("program", "auto")
METHODS = (
    PROGRAM,
    _program("simplex", "simplex"),
    _program("ipx", "ipx"),
    Method(
        "closed-form",
        partial(_promised_applies, interim=True),
        lambda problem: Cost(0.0, 0, 0.0),
        _by_promises,
        taken=_promised_taken,
    ),
    Method("promised", _promised_applies, _promised_cost, _by_promises, _promised_proves, _promised_taken),
    Method("orbits", _orbits_apply, _orbits_cost, _on_orbits, lambda problem: True, _orbits_taken),
    Method("dual", _dual_applies, lambda problem: Cost(None, 0, 1e-4), _by_dual, taken=_dual_taken),
    Method("myopic", _myopic_applies, lambda problem: Cost(None, 0, 1e-9), _by_stages, taken=_myopic_taken),
    Method("infinite", _infinite_applies, lambda problem: Cost(None, 0, 1e-7), _by_infinite),
    Method("mip", _mip_applies, _mip_cost, _by_mip, taken=_mip_taken, histories=True),
)
"""In the order in which ``"auto"`` asks them."""
NAMES = ("auto", *(method.name for method in METHODS))


def why_not(method: Method, problem: Problem) -> str | None:
    """Why a method does not apply to a problem, in words that follow its name; None where it does."""
    if problem.endless is not None and method.name != "infinite":
        return "is for a finite horizon"
    return method.applies(problem)


def solve(
    problem: Problem,
    method: str = "auto",
    exact: bool = False,
    deterministic: bool = False,
    time_limit: float | None = None,
    progress: Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
    bracket: Callable[[float, float, float], None] | None = None,
    gap: float = 0.0,
) -> Optimum:
    """Solve a problem by the method asked for, or the cheapest that applies; see `Problem.solve`."""
    if method not in NAMES:
        raise InputError(f"method {method!r} is none of {', '.join(NAMES)}")
    if problem.endless is not None and (deterministic or gap):
        raise InputError("deterministic optima are of finite horizons; give a number of periods")
    problem = problem.without_lotteries() if deterministic else problem
    if exact and _deterministic(problem):
        raise InputError("exact=True: branch and bound has no exact proof of a deterministic optimum; leave out one")
    if not 0 <= gap < 1:
        raise InputError(f"gap={gap!r}: write a share of the optimum from 0 to below 1, such as 0.01")
    if gap and not _deterministic(problem):
        raise InputError("gap is for deterministic optima (deterministic=True, --deterministic); leave it out")
    effort = Effort(exact, time_limit, max_bytes, progress, bracket, gap=gap)
    if problem.endless is not None:
        return _named("infinite" if method == "auto" else method, problem, exact).solve(problem, effort)
    chosen = choose(problem, effort) if method == "auto" else _named(method, problem, exact)
    check_range(problem.plan, accept_range)
    if exact and problem.environment.exact is None:
        raise InputError('exact=True: the float probabilities only sum to 1 within rounding; write fractions as "1/3"')
    if chosen.histories and not fits(problem.plan, max_bytes, chosen.name):
        effort = replace(effort, remedy=remedy(problem))
    found = chosen.solve(problem, effort)
    if method != "auto" or chosen.histories:
        return found
    unproved = found.status is Status.UNPROVED
    wide = found.status in (Status.OPTIMAL, Status.INACCURATE) and _wide(found.bound)
    patience = PATIENCE if unproved else MOMENT
    if not (unproved or wide) or not fits(problem.plan, max_bytes) or program_seconds(problem.size) > patience:
        return found
    closed = PROGRAM.solve(problem, effort)
    return closed if unproved or (closed.status is Status.OPTIMAL and not _wide(closed.bound)) else found


def _wide(bound: Bound) -> bool:
    """Whether a bracket does not close to `CLOSED` of its upper end."""
    return bound.upper - bound.lower > CLOSED * abs(bound.upper)


def choose(problem: Problem, effort: Effort = Effort()) -> Method:
    """The first method that applies and is to be taken; the program where there is none.

    One buyer goes by promises wherever they apply, exactly as well under DIC and EPIR; identical buyers by orbits,
    unless the program over histories is a matter of a moment; the rest by the program, unless it is predicted to take
    more than a minute, or the time limit, or would not fit, and dual dynamic programming applies.

    Parameters
    ----------
    problem : Problem
    effort : Effort

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> [choose(Problem(IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], 4, agents=n))).name for n in (1, 2)]
    ['promised', 'orbits']
    """
    if problem.endless is not None:
        return _named("infinite", problem, effort.exact)
    for method in METHODS:
        if method.taken(problem, effort) and method.applies(problem) is None:
            return method
    return PROGRAM


def remedy(problem: Problem) -> str:
    """The methods that need no program over histories and apply, as the end of a sentence."""
    others = [method for method in METHODS if not method.histories and method.applies(problem) is None]
    brackets = {m.name: "" if m.name == "orbits" else ", which gives a bracket" for m in others}
    return "".join(f'; or take method="{name}" (--method {name}){words}' for name, words in brackets.items())


def _named(name: str, problem: Problem, exact: bool) -> Method:
    """The method of that name, which is to apply.

    Raises
    ------
    InputError
        With those that do, where it does not.
    """
    method = next(method for method in METHODS if method.name == name)
    reason = why_not(method, problem)
    if reason is None and exact and not method.proves(problem):
        reason = "gives a bracket, no exact optimum"
    if reason is None:
        return method
    others = [m.name for m in METHODS if why_not(m, problem) is None and (not exact or m.proves(problem))]
    if problem.endless is not None and not others:
        raise InputError(f'horizon "infinite": method "{name}" {reason}; give a number of periods')
    raise InputError(f'method "{name}" {reason}; use another method: {", ".join(("auto", *others))}')


def predicted(problem: Problem) -> dict[str, Cost | str]:
    """Predicted cost of every method, or why it does not apply, by name."""
    reasons: dict[str, Any] = {method.name: why_not(method, problem) for method in METHODS}
    return {m.name: m.cost(problem) if reasons[m.name] is None else reasons[m.name] for m in METHODS}
