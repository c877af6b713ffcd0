"""Exact certificates: from the solver's basis to an exact optimum with its proof.

The solver's floats choose a basis. Its primal and dual are then solved for in exact rationals (`rational`), followed
by exact pivots where they are not feasible (`exact_simplex`), and written down so that anybody can check them
(`proof_check`, which knows nothing of all this): the primal keeps every row, the dual bounds every mechanism, and both
have one value. That a program has no bound is proved by a direction that improves the objective and keeps every row.
Selling nothing is a feasible point, but where payments are constrained or agents have something outside: then one
stands beside the direction, and that there is none is proved by multipliers of rows that conflict (Farkas).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import Array, FloatArray
from mechopt.lp.build import compile_program, plan
from mechopt.lp.independent.plan import Plan
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import Payments
from mechopt.proof.certificate import Certificate as Certificate
from mechopt.proof.certificate import CertificateError as CertificateError
from mechopt.proof.certificate import SparseVector
from mechopt.proof.certificate import load_certificate as load_certificate
from mechopt.solve import highs
from mechopt.solve.exact.independent import ExactProgram, exact_program, numbers
from mechopt.solve.exact.lifting import ExactLimitError
from mechopt.solve.exact.persistent import exact_persistent_program, exact_process
from mechopt.solve.exact.simplex import ExactOptimum, InfeasibleError, UnboundedError, optimise
from mechopt.solve.solution import Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyPlan, AnyTypes


def certify(
    environment: AnyTypes,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective | str = Revenue(),
    form: str = "auto",
    subject_to: Payments = (),
) -> Certificate:
    """Solve exactly, with a proof.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        With exact numbers and a finite horizon.
    ic, ir : Constraint, several or None
        Incentive and participation constraints; default as for `optimum`.
    objective : Objective
        Its weights stand for exact numbers as all floats do: 0.1 is one tenth.
    form : str
        Of the program, as for `optimum`.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments.

    Returns
    -------
    Certificate
        Its ``value`` is in money of the environment, present value.

    Raises
    ------
    InputError
        If the environment has no exact numbers, or constraints and form do not fit.
    MechoptError
        If no exact optimum was found within the limits of exact arithmetic; it says which.
    KeyboardInterrupt
        If it is interrupted (Ctrl-C), in the solver too.

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> env = IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], horizon=4)
    >>> certify(env).value
    Fraction(153, 32)
    """
    return certify_plan(plan(environment, ic, ir, objective, form, subject_to=subject_to))


def certify_plan(chosen: AnyPlan) -> Certificate:
    """Solve the program of a plan exactly, with a proof; see `certify`."""
    if isinstance(chosen, Plan):
        numbers(chosen.tree)
    else:
        exact_process(chosen.process)
    program, _ = compile_program(chosen)
    return certified(chosen, program)


def certified(
    chosen: AnyPlan,
    program: LinearProgram,
    basis: tuple[Array, Array] | None = None,
    deadline: float = float("inf"),
) -> Certificate:
    """Certificate of the program of a plan.

    Parameters
    ----------
    chosen : Plan or PersistentPlan
    program : LinearProgram
        From `compile_program`, without rows of one's own.
    basis : pair of int arrays, optional
        Of columns and of rows, as from `highs.basis`; else the program is solved for one.
    deadline : float
        Of ``time.monotonic()``, looked at before each pivot and within each exact system.

    Raises
    ------
    TimeoutError
        If the deadline has passed.
    """
    status, columns, rows = highs.basis(program) if basis is None else (Status.OPTIMAL, *basis)
    exact = exact_program(chosen, program) if isinstance(chosen, Plan) else exact_persistent_program(chosen, program)
    if not len(columns):
        columns, rows = highs.basis_without_solution(program)
    if not len(columns):
        columns, rows = np.zeros(len(program.cost), np.int8), np.ones(len(program.row_lower), np.int8)
    ray = _ray(program, exact, deadline) if status is Status.UNBOUNDED else None
    point, none = None, SparseVector(1, (), ())
    try:
        if ray is None:
            try:
                best = optimise(exact, columns, rows, deadline)
            except UnboundedError:
                ray = _ray(program, exact, deadline)
        if ray is not None and (chosen.subject_to or chosen.environment.outside is not None):
            nothing = replace(exact, cost=np.zeros_like(exact.cost))
            found = optimise(nothing, columns, rows, deadline).primal
            point = SparseVector.of(found.numerators, found.denominator)
    except InfeasibleError as error:
        blame = error.multipliers
        multipliers = SparseVector.of(blame.numerators * exact.factor.astype(object), blame.denominator)
        return _written(chosen, "infeasible", None, none, multipliers)
    if ray is not None:
        return replace(_written(chosen, "unbounded", None, ray, none), point=point)
    primal = SparseVector.of(best.primal.numerators, best.primal.denominator)
    return _written(chosen, "optimal", best, primal, _multipliers(exact, best))


def _written(
    chosen: AnyPlan, status: str, best: ExactOptimum | None, primal: SparseVector, dual: SparseVector
) -> Certificate:
    value = None if best is None else best.value
    fingerprint = chosen.environment.fingerprint
    return Certificate(
        fingerprint, status, chosen.form, chosen.ic, chosen.ir, chosen.objective, value, primal, dual, chosen.subject_to
    )


def _multipliers(exact: ExactProgram, best: ExactOptimum) -> SparseVector:
    """Multipliers of the program's rows from those of the rows in integers."""
    numerators = best.dual.numerators * exact.factor.astype(object)
    return SparseVector.of(numerators, best.dual.denominator * exact.denominator)


def _ray(program: LinearProgram, exact: ExactProgram, deadline: float) -> SparseVector | None:
    """A direction that improves the objective without bound and keeps every row, at most 1 in each column, or None."""

    def cone(side: FloatArray, otherwise: float) -> FloatArray:
        return np.where(np.isfinite(side), 0.0, otherwise)

    lower, upper = cone(program.lower, -1.0), cone(program.upper, 1.0)
    row_lower, row_upper = cone(program.row_lower, -np.inf), cone(program.row_upper, np.inf)
    directions = replace(program, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)
    status, columns, rows = highs.basis(directions)
    if status is not Status.OPTIMAL:
        raise ExactLimitError("the solver found neither an optimum nor a direction without bound")
    twin = replace(exact, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)
    best = optimise(twin, columns, rows, deadline)
    ray = SparseVector.of(best.primal.numerators, best.primal.denominator)
    return ray if best.value > exact.offset else None
