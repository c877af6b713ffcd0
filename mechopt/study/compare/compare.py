"""Mechanisms side by side: revenue, welfare, share of the optimum, constraints satisfied and violated.

The yardstick is the optimum under the constraints asked for; for independent types beside it the sum of static optima
(Myerson's auction in each period by itself). Beside each measured ratio stands the share of the optimum that the
literature guarantees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mechopt.closedform.static.repeated import repeated_myerson
from mechopt.core.errors import Fault, InputError, LimitError, NoOptimumError
from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.lp.build import require_environment
from mechopt.mechanism.constraint_names import asked_constraints
from mechopt.mechanism.constraints import (
    INDEPENDENT_CONSTRAINTS,
    PPIR,
    STANDARD,
    Asked,
    BayesianIC,
    Constraint,
    MyopicIC,
)
from mechopt.mechanism.payments import EpsilonIC, PaymentConstraint, Payments, payment_constraints
from mechopt.solve.methods import choose
from mechopt.solve.problem import Problem
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Status
from mechopt.study.compare import forever, independent, persistent
from mechopt.study.compare.comparison import Comparison as Comparison
from mechopt.study.compare.comparison import Entry
from mechopt.study.compare.entry import CHECKED, STATE_CONSTRAINTS, described, limited
from mechopt.study.compare.row import Row, Setting

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes

FRESH = (IndependentTypes, IndependentForever)
"""Environments whose types are independent across periods."""
PATIENCE = 20.0
"""Seconds after which the optimum with an infinite horizon is left out, where no time limit is given."""
NAMES = tuple({row.name: row for kind in (independent.ROWS, *persistent.ROWS.values()) for row in kind})


def compare(
    environment: AnyTypes,
    mechanisms: Iterable[str] | Mapping[str, Any] | None = None,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    time_limit: float | None = None,
    subject_to: Payments = (),
) -> Comparison:
    """Put mechanisms side by side.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
    mechanisms : names, or a mapping from names to mechanisms, optional
        Default: all that apply to the kind of environment. A mapping compares mechanisms of one's own.
    ic, ir : Constraint, str, several or None
        What the optimum is optimal under; default DIC and EPIR (guarantees are about these), and where types persist
        Bayesian IC and interim IR.
    time_limit : float, optional
        Seconds for the optimum.
    subject_to : PaymentConstraint, str or several
        What the optimum is subject to as well. The other mechanisms are what they are, checked for it where that can
        be: one that violates it may earn more than the optimum.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a name is unknown, or a mechanism that was asked for by name does not fit the environment.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> table = compare(env)
    >>> round(table["clairvoyant-optimum"].revenue, 9), round(table["repeated-myerson"].ratio, 9)
    (2.25, 0.888888889)
    >>> table["non-clairvoyant-balance"].ratio >= 1 / 3
    True
    """
    return _compared(environment, mechanisms, ic, ir, time_limit, subject_to, checks=True)


def earned(
    environment: AnyTypes,
    mechanisms: Iterable[str],
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    time_limit: float | None = None,
    subject_to: Payments = (),
) -> Comparison:
    """The same numbers without checks of constraints and of what a rule knows, which take most of the time.

    Raises
    ------
    InputError
        As `compare`.
    """
    return _compared(environment, mechanisms, ic, ir, time_limit, subject_to, checks=False)


def _compared(
    environment: AnyTypes,
    mechanisms: Iterable[str] | Mapping[str, Any] | None,
    ic: Asked,
    ir: Asked,
    time_limit: float | None,
    subject_to: Payments,
    checks: bool,
) -> Comparison:
    require_environment(environment)
    own = mechanisms if isinstance(mechanisms, Mapping) else {}
    _require_known([name for name in mechanisms or () if name not in own])
    fresh = isinstance(environment, FRESH)
    ic, ir = asked_constraints(ic, ir, "independent" if fresh else "persistent")
    limits = payment_constraints(subject_to)
    kept = tuple(limit for limit in limits if not isinstance(limit, EpsilonIC))
    best = _optimum(environment, ic, ir, limits, time_limit)
    static = _static(environment)
    setting = Setting(environment, best, ir, time_limit, kept)
    rows = _rows(environment) | {name: _given(name, mechanism) for name, mechanism in own.items()}
    entries, made, skipped = list[Entry](), list[Any](), dict[str, str]()
    for name in _listed(setting, rows) if mechanisms is None else mechanisms:
        row = rows.get(name)
        try:
            if row is None:
                raise InputError(f"{name}: is not a mechanism for kind {environment.kind!r}")
            if row.bound and row.name != persistent.WELFARE.name and len(kept) < len(limits):
                raise InputError(f"{name} bounds what truth can earn, not where misreports may gain epsilon")
            built = row.build(setting)
            entries.append(described(row, built, setting, static, checks))
            made.append(built)
        except (InputError, LimitError, NoOptimumError) as error:
            if mechanisms is not None or (fresh and not isinstance(error, InputError)):
                raise
            skipped[name] = str(error)
    found = tuple(limited(row, mechanism, kept) for row, mechanism in zip(entries, made, strict=True))
    return Comparison(environment, found, best, static, skipped, (*_checked(environment, found), *kept))


def mechanism_named(environment: AnyTypes, name: str) -> Any:
    """One mechanism of a comparison by its name; where it is made of the optimum, of that under the usual constraints.

    Raises
    ------
    InputError
        If there is no such mechanism, it does not fit the environment, or the name is that of a bound.
    """
    _require_known([name])
    row = _rows(environment).get(name)
    if row is None:
        raise InputError(f"{name}: is not a mechanism for kind {environment.kind!r}")
    if row.bound:
        raise InputError(f"{name} is a bound on what mechanisms earn, and none itself; mechopt compare shows it")
    fresh = isinstance(environment, FRESH)
    ic, ir = asked_constraints(STANDARD, STANDARD, "independent" if fresh else "persistent")
    optimal = (independent.OPTIMUM, persistent.OPTIMUM, *independent.CONVERSIONS)
    best = _optimum(environment, ic, ir, (), None) if name in optimal else None
    return row.build(Setting(environment, best, ir, None, ()))


def _rows(environment: AnyTypes) -> dict[str, Row]:
    if isinstance(environment, FRESH):
        kind = independent.ROWS if isinstance(environment, IndependentTypes) else forever.ROWS
    else:
        kind = persistent.ROWS[type(environment)]
    return {row.name: row for row in kind}


def _given(name: str, mechanism: Any) -> Row:
    if getattr(mechanism, "claims", None) is None:
        what = f"is {type(mechanism).__name__}, not a mechanism"
        raise InputError([Fault(f"mechanisms[{name!r}]", what, "give one as mechopt.testing wants it, with claims")])
    return Row(name, lambda setting: mechanism)


def _listed(setting: Setting, rows: dict[str, Row]) -> Iterator[str]:
    """Names that an environment's kind and horizon have, and where an optimum was found for ever, last that."""
    yield from (name for name, row in rows.items() if row.listed(setting.environment))
    if setting.best is not None and setting.environment.horizon == "infinite":
        yield persistent.OPTIMUM


def _static(environment: AnyTypes) -> float:
    """Revenue of the best static mechanism a period; NaN where the theorem is not about the environment."""
    if isinstance(environment, IndependentForever):
        return repeated_myerson(environment.first_periods(1)).revenue / (1 - environment.discount)
    if not isinstance(environment, IndependentTypes) or not environment.plain:
        return math.nan
    return repeated_myerson(environment).revenue


def _checked(environment: AnyTypes, entries: Iterable[Entry]) -> tuple[Constraint, ...]:
    """Constraints that mechanisms are checked for."""
    if isinstance(environment, IndependentTypes):
        return INDEPENDENT_CONSTRAINTS
    if isinstance(environment, IndependentForever):
        return forever.KEPT
    if environment.horizon != "infinite":
        return CHECKED
    checked = {constraint for row in entries if row.report is not None for constraint in row.report}
    more = tuple(c for c in (BayesianIC(), MyopicIC(), PPIR()) if c in checked and c not in STATE_CONSTRAINTS)
    return (*more, *STATE_CONSTRAINTS)


def _optimum(
    environment: AnyTypes,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
    limits: tuple[PaymentConstraint, ...],
    time_limit: float | None,
) -> Optimum | None:
    """The optimum by whatever reaches it, or None; what dual dynamic programming alone reaches needs a time limit."""
    if environment.horizon == "infinite":
        return _endless_optimum(environment, ic, ir, limits, time_limit)
    problem = Problem(environment, ic, ir, limits)
    if time_limit is None and choose(problem).name == "dual":
        return None
    try:
        return problem.solve(time_limit=time_limit)
    except LimitError:
        return None


def _endless_optimum(
    environment: AnyTypes,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
    limits: tuple[PaymentConstraint, ...],
    time_limit: float | None,
) -> Optimum | None:
    """The optimum with an infinite horizon; None where no method is for it, or it is not found within the time."""
    if not isinstance(environment, (MarkovTypes, IndependentForever)):
        return None
    try:
        found = Problem(environment, ic, ir, limits).solve(time_limit=PATIENCE if time_limit is None else time_limit)
    except (InputError, LimitError):
        return None
    return found if found.status is Status.OPTIMAL or time_limit is not None else None


def _require_known(names: list[str]) -> None:
    from difflib import get_close_matches

    for name in names:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMES)}"
            raise InputError(f"{name!r} is not a mechanism; {fix}")
