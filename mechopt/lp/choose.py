"""The program of any environment: fresh types or types that move."""

from __future__ import annotations

from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.joint import MovingEnvironment
from mechopt.lp.compile import Layout, compile_program
from mechopt.lp.moving_compile import MovingLayout, compile_moving
from mechopt.lp.moving_plan import MovingPlan, moving_plan
from mechopt.lp.plan import Plan, plan
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.notions import STANDARD, Asked, Objective, Revenue

AnyTypes = IndependentTypes | MovingEnvironment
AnyPlan = Plan | MovingPlan
AnyLayout = Layout | MovingLayout


def any_plan(
    environment: AnyTypes,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective = Revenue(),  # noqa: B008 - a frozen value
    form: str = "auto",
) -> AnyPlan:
    """Choose the program; see `mechopt.lp.plan` for fresh types and `mechopt.lp.moving_plan` for types that move.

    Raises
    ------
    InputError
        If notions or form do not fit the environment.
    """
    if isinstance(environment, IndependentTypes):
        return plan(environment, ic, ir, objective, form)
    if form not in ("auto", MovingPlan.form):
        raise InputError(f"form {form!r}: where types move there is one, {MovingPlan.form!r}")
    return moving_plan(environment, ic, ir, objective)


def compile_any(chosen: AnyPlan) -> tuple[LinearProgram, AnyLayout]:
    """Build the program of a plan, and the way back from its solutions."""
    return compile_program(chosen) if isinstance(chosen, Plan) else compile_moving(chosen)
