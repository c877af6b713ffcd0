"""A problem as one value: an environment, the constraints of a mechanism, and what to maximise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mechopt.core.errors import InputError
from mechopt.core.provided import provided
from mechopt.lp.build import compile_program, plan, require_environment
from mechopt.lp.independent.plan import Size
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.constraints import STANDARD, Asked, Constraint
from mechopt.mechanism.objective import Objective, Revenue, as_objective
from mechopt.mechanism.payments import Deterministic, PaymentConstraint, Payments, without_draws

if TYPE_CHECKING:
    from mechopt.environment.families.forever import IndependentForever
    from mechopt.environment.markov import MarkovTypes
    from mechopt.environment.process import PersistentEnvironment
    from mechopt.lp.build import AnyLayout, AnyPlan, AnyTypes
    from mechopt.lp.endless import EndlessPlan
    from mechopt.proof.certificate import Certificate
    from mechopt.solve.elsewhere.cvx import CvxModel
    from mechopt.solve.result import Optimum

ENDINGS = (".mps", ".lp", "")
ENDLESS = ("markov", "independent for ever")
"""Kinds whose optima for ever are found."""


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Problem:
    """Which mechanism is wanted: best for an objective, of all that satisfy the constraints in an environment.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon; `MarkovTypes` also with an infinite one, or `mechopt.families.IndependentForever`.
    ic, ir : Constraint, str, several or None
        Incentive and participation constraints, as values or by their names on the command line, such as
        ``"ppic+indu"``; default DIC and EPIR, and for persistent types Bayesian IC and interim IR.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments, as values or by their names on the command line, such as ``"no-subsidy+budget:3"``.
    objective : Objective or str
        Default revenue; any weighted sum, such as ``Revenue() + 0.5 * Welfare()`` or ``"revenue+0.5*welfare"``.
    form : str
        Of the program, see `mechopt.lp.independent.plan`; ``"auto"`` takes the smallest.
    relaxed : bool
        The first types alone are private (persistent types); see `mechopt.relaxed_optimum`.

    Attributes
    ----------
    ic, ir, subject_to : tuples of Constraint
    endless : EndlessPlan or None
        What is asked where the horizon is infinite; there is then no `plan`.

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> problem = Problem(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3), ic="dic", ir=["epir"])
    >>> problem
    Problem(revenue under dic and epir, IndependentTypes(1 buyer, 3 periods, 2 types, first best 4.5))
    >>> problem.size.rows, round(problem.solve().value, 9)
    (21, 3.5)

    Raises
    ------
    InputError
        If something is not an environment, a constraint or an objective, or the form cannot express the constraints.
    """

    environment: AnyTypes
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    subject_to: tuple[PaymentConstraint, ...]
    objective: Objective
    form: str
    relaxed: bool
    endless: EndlessPlan | None
    _plan: AnyPlan | None

    def __init__(
        self,
        environment: AnyTypes | IndependentForever,
        ic: Asked = STANDARD,
        ir: Asked = STANDARD,
        subject_to: Payments = (),
        objective: Objective | str = Revenue(),
        *,
        form: str = "auto",
        relaxed: bool = False,
    ) -> None:
        goal = as_objective(objective)
        require_environment(environment)
        endless: EndlessPlan | None = None
        chosen: AnyPlan | None = None
        if relaxed:
            if environment.kind.startswith("independent"):
                raise InputError(
                    "types are independent across periods: first types alone are private in no problem of this kind; "
                    "relaxed_optimum is for MarkovTypes, SeparableTypes or InterdependentTypes, of this one mo.optimum"
                )
            from mechopt.lp.persistent.plan import persistent_plan

            chosen = persistent_plan(cast("PersistentEnvironment", environment), None, ir, goal, True, subject_to)
        elif environment.horizon == "infinite" and environment.kind in ENDLESS:
            from mechopt.lp.endless import endless_plan

            endless = endless_plan(cast("MarkovTypes | IndependentForever", environment), ic, ir, goal, subject_to)
        else:
            chosen = plan(cast("AnyTypes", environment), ic, ir, goal, form, subject_to=subject_to)
        asked = endless or chosen
        assert asked is not None
        for name, value in (
            ("environment", cast("AnyTypes", environment)),
            ("ic", asked.ic),
            ("ir", asked.ir),
            ("subject_to", asked.subject_to),
            ("objective", goal),
            ("form", form),
            ("relaxed", relaxed),
            ("endless", endless),
            ("_plan", chosen),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        ic, ir = (
            "+".join(constraint.name for constraint in constraints) or "none" for constraints in (self.ic, self.ir)
        )
        paid = "".join(f", {constraint.name}" for constraint in self.subject_to)
        return f"Problem({self.objective} under {ic} and {ir}{paid}, {self.environment!r})"

    @property
    def plan(self) -> AnyPlan:
        """Form and row families of its program, made once.

        Raises
        ------
        InputError
            If the horizon is infinite: there is no program over histories.
        """
        if self._plan is None:
            raise InputError(
                'horizon "infinite": there is no program over histories; solve it (method "infinite"), or give a '
                "number of periods"
            )
        return self._plan

    @cached_property
    def size(self) -> Size:
        """Rows, columns, non-zeros, histories and bytes of the program, before anything is built."""
        return self.plan.size

    def program(self) -> tuple[LinearProgram, AnyLayout]:
        """Build the program; it maximises in units of the layout's ``unit``, which takes solutions to mechanisms."""
        return compile_program(self.plan)

    def solve(
        self,
        method: str = "auto",
        exact: bool = False,
        deterministic: bool = False,
        time_limit: float | None = None,
        progress: Callable[[int, float], None] | None = None,
        max_bytes: float | None = None,
        accept_range: bool = False,
        bracket: Callable[[float, float, float], None] | None = None,
        gap: float = 0.0,
    ) -> Optimum:
        """Find the best mechanism.

        Parameters
        ----------
        method : str
            A name of `mechopt.solve.methods.METHODS`, or ``"auto"``: the cheapest of those that apply.
        exact : bool
            Prove the optimum in exact rationals as well; needs exact numbers.
        deterministic : bool
            Draw nothing: the same as ``subject_to=mo.Deterministic()``, by branch and bound, see
            `mechopt.solve.mip.optimum` for what its bracket rests on.
        time_limit : float, optional
            Seconds for the solver, the exact proof included.
        progress : callable, optional
            Called with iterations and seconds.
        max_bytes : float, optional
            Refuse programs predicted to need more memory; default 60% of what is available.
        accept_range : bool
            Solve, without a warning, even where values or probabilities differ by a factor above 1e9.
        bracket : callable, optional
            Called by methods that narrow a bracket with the lower and upper bound so far, and seconds.
        gap : float
            Share of the optimum by which the bracket of a deterministic optimum may stay open.

        Raises
        ------
        LimitError
            If the program would be too large.
        InputError
            If the method does not apply, or values or probabilities lie too far apart.
        """
        options = method, exact, deterministic, time_limit, progress, max_bytes, accept_range, bracket, gap
        best: Optimum = provided(self, "solve")(self, *options)
        return best

    def without_lotteries(self) -> Problem:
        """The same problem in which nothing may be drawn."""
        limits = without_draws(self.subject_to)
        return Problem(self.environment, self.ic, self.ir, limits, self.objective, form=self.form, relaxed=self.relaxed)

    def to_cvxpy(self) -> CvxModel:
        """The program as a cvxpy model with named variables, for constraints of one's own; see
        `mechopt.formats.to_cvxpy`.

        It has the payment form, in which payments of every period are variables, unless the problem names another.
        """
        from mechopt.solve.elsewhere.cvx import to_cvxpy

        own = self.form == "auto" and not self.relaxed and self.plan.form in ("promise", "utility")
        chosen = plan(self.environment, self.ic, self.ir, self.objective, "payment") if own else self.plan
        return to_cvxpy(chosen, Deterministic() in self.subject_to)

    def to_highs(self) -> Any:
        """The program, its objective in money, in a ``highspy.Highs``; see `mechopt.formats.to_highs`."""
        from mechopt.solve.highs_program import to_highs

        program, layout = self.program()
        return to_highs(program.scaled(layout.unit))

    def write(self, path: str | Path, max_bytes: float | None = None) -> None:
        """Write the program, its objective in money, as an MPS (``.mps``, or no ending) or LP file (``.lp``).

        Raises
        ------
        LimitError
            If the program would be too large.
        InputError
            If the ending is another, or the file cannot be written.
        """
        from mechopt.solve.highs_program import write_program
        from mechopt.solve.program import require_memory

        if Path(path).suffix.lower() not in ENDINGS:
            raise InputError(f"{path}: programs are written to files that end in .mps or .lp")
        require_memory(self.plan, max_bytes)
        program, layout = self.program()
        write_program(program.scaled(layout.unit), path)

    def read_solution(self, path: str | Path) -> Optimum:
        """Read a solution of the program that `write` wrote, from another solver, and judge it by our own matrix.

        Parameters
        ----------
        path : str or Path
            A solution file of HiGHS, CPLEX (with multipliers), Gurobi or SCIP (without).

        Returns
        -------
        Optimum
            Optimal where the bracket, recomputed from our matrix and the file's multipliers, closes; ``"unproved"``
            where it does not, as without multipliers.

        Raises
        ------
        InputError
            If the file cannot be read, is of another program, or its point is none of this one.
        """
        found: Optimum = provided(self, "read_solution")(self, path)
        return found

    def certify(self) -> Certificate:
        """Solve exactly, with a proof that `mechopt.formats.check_certificate` checks; see
        `mechopt.formats.certify`.
        """
        if Deterministic() in self.subject_to:
            raise InputError("deterministic: branch and bound has no exact proof of its optimum; leave it out")
        from mechopt.solve.exact.certify import certify_plan
        from mechopt.solve.program import require_memory

        require_memory(self.plan)
        return certify_plan(self.plan)
