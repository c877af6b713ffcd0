"""The program of any environment: independent types or persistent types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.lp.independent.compile import compile_program as compile_independent
from mechopt.lp.independent.plan import Plan
from mechopt.lp.independent.plan import plan as independent_plan
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.objective import Objective, Revenue, as_objective
from mechopt.mechanism.payments import Payments

if TYPE_CHECKING:
    from mechopt.environment.process import PersistentEnvironment
    from mechopt.lp.independent.compile import Layout
    from mechopt.lp.persistent.compile import PersistentLayout
    from mechopt.lp.persistent.plan import PersistentPlan

    AnyTypes = IndependentTypes | PersistentEnvironment
    AnyPlan = Plan | PersistentPlan
    AnyLayout = Layout | PersistentLayout


def plan(
    environment: AnyTypes,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective | str = Revenue(),
    form: str = "auto",
    misreports: str = "adjacent",
    subject_to: Payments = (),
) -> AnyPlan:
    """Choose the form of the program and list its row families, building no array of the tree's size.

    See `mechopt.lp.independent.plan` for types independent across periods and `mechopt.lp.persistent.plan` for
    persistent types.

    Parameters
    ----------
    environment : IndependentTypes, or MarkovTypes, SeparableTypes or InterdependentTypes with a finite horizon
    ic, ir : Constraint, str, several or None
        Incentive and participation constraints, as values or by their names on the command line; default DIC and EPIR,
        and where types persist Bayesian IC and interim IR.
    objective : Objective or str
    form : str
        ``"auto"`` (the smallest), or one that is allowed: ``"promise"``, ``"utility"``, ``"payment"``; where types
        persist there is ``"sequence"`` alone.
    misreports : str
        ``"adjacent"``, or ``"all"`` for a row against every misreport: the same set of mechanisms, more rows. Where
        types persist every misreport has its row (unless the constraint says otherwise).
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments.

    Returns
    -------
    Plan or PersistentPlan
        Its ``size`` tells rows, columns and non-zeros; `compile_program` builds it.

    Raises
    ------
    InputError
        If constraints or form do not fit the environment, or the horizon is infinite.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=20)
    >>> plan(env).size.rows
    3145725
    """
    objective = as_objective(objective)
    require_environment(environment)
    if isinstance(environment, IndependentTypes):
        return independent_plan(environment, ic, ir, objective, form, misreports, subject_to)
    from mechopt.lp.persistent.plan import PersistentPlan, persistent_plan

    if form not in ("auto", PersistentPlan.form):
        raise InputError(f"form {form!r}: where types persist there is one, {PersistentPlan.form!r}")
    return persistent_plan(environment, ic, ir, objective, subject_to=subject_to)


def compile_program(chosen: AnyPlan) -> tuple[LinearProgram, AnyLayout]:
    """Build the program of a plan.

    Returns
    -------
    program : LinearProgram
        Maximises the objective in units of ``plan.unit``.
    layout : Layout or PersistentLayout
        Takes its solutions back to mechanisms.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)
    >>> compile_program(plan(env))[0].size
    (21, 29, 63)
    """
    if isinstance(chosen, Plan):
        return compile_independent(chosen)
    from mechopt.lp.persistent.plan import PersistentPlan

    if isinstance(chosen, PersistentPlan):
        from mechopt.lp.persistent.compile import compile_persistent

        return compile_persistent(chosen)
    raise InputError(
        f"compile_program takes a plan and not {type(chosen).__name__}; write mo.formats.plan(environment, ...)"
    )


def require_environment(value: object) -> None:
    """Refuse what is not an environment that has an optimum, naming the right call.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(value, IndependentTypes) or getattr(value, "kind", None) == "independent for ever":
        return
    from mechopt.environment.process import PersistentEnvironment

    if isinstance(value, PersistentEnvironment):
        return
    kind = type(value).__name__
    if kind == "Scenarios":
        raise InputError("Scenarios have a best guarantee and no single optimum; write mo.maximin(scenarios)")
    if isinstance(getattr(value, "environment", None), IndependentTypes | PersistentEnvironment):
        raise InputError(f"{kind} is not an environment; write its .environment instead")
    if isinstance(value, (str, Path)):
        raise InputError(f"{str(value)!r} is not an environment; write mo.load({str(value)!r}) to read a model file")
    known = ", ".join(cls.__name__ for cls in (IndependentTypes, *get_args(PersistentEnvironment)))
    raise InputError(f"{kind} is not an environment; give one of {known}")
