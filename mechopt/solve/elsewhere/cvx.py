"""A program as a cvxpy problem with named variables, for constraints of one's own; the only module that imports cvxpy.

A budget, a fairness rule, a mixed-integer choice: add it, solve with any solver that cvxpy knows, and get a
`Mechanism` back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError, NoOptimumError, SolverError
from mechopt.lp.independent.compile import Layout, allocation_maps, compile_program
from mechopt.lp.independent.plan import Plan
from mechopt.lp.persistent.compile import compile_persistent
from mechopt.lp.persistent.plan import PersistentPlan
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_values
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve import runtime

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout, AnyPlan

INFEASIBLE = ("infeasible", "infeasible_inaccurate", "infeasible_or_unbounded")
MOST_TRIED = 100
"""Constraints of one's own up to which those in conflict are looked for."""
LONGEST_NAME = 90
"""Characters of a constraint without a label."""


@dataclass(frozen=True, eq=False)
class CvxModel:
    """The variables and constraints of a program, in money of the environment.

    Attributes
    ----------
    objective : cvxpy.Maximize
    constraints : list of cvxpy constraints
    allocation : list over t of cvxpy expressions ``(n, count[t+1])``
        Who gets the item, by history at the end of period t (numbered as in `HistoryTree`); where types persist
        ``(nodes, A_t)``, realisation weights (see `SequenceMechanism`).
    payment : list over t of cvxpy expressions ``(n, count[t+1])``
        Money of period t, affine in the variables; in forms without payments by period the library's own timing.
        Where types persist ``(n, nodes)``, times the realisation weight.
    lifetime : list over t = 0, ..., T of cvxpy expressions ``(n, count[t])``
        Lifetime utilities, present value; empty where types persist.
    """

    objective: Any
    constraints: list[Any]
    allocation: list[Any]
    payment: list[Any]
    lifetime: list[Any]
    program: LinearProgram
    layout: AnyLayout
    blocks: list[Any]

    def __repr__(self) -> str:
        rows, columns, _ = self.program.size
        return f"CvxModel({columns:,} variables, {rows:,} rows, {len(self.allocation)} periods)"

    def solve(self, extra: Sequence[Any] = (), **options: Any) -> Mechanism | SequenceMechanism:
        """Solve with further constraints and read the mechanism back.

        The solver runs in a thread of its own, and prints only where ``verbose=True`` asks for it.

        Parameters
        ----------
        extra : sequence of cvxpy constraints
        **options
            For ``cvxpy.Problem.solve``, such as ``solver="CLARABEL"``.

        Raises
        ------
        NoOptimumError
            If the problem has no solution or no bound; names which of the further constraints conflict, by their
            ``label`` where they have one.
        SolverError
            If the solver fails, is not installed or does not take the problem or an option.
        """
        import cvxpy

        problem = cvxpy.Problem(self.objective, [*self.constraints, *extra])
        try:
            runtime.apart_once(lambda: problem.solve(**options), silent=not options.get("verbose"))
        except (cvxpy.error.SolverError, ValueError) as error:
            raise SolverError(f"cvxpy: {error}{_hint(options)}") from error
        if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
            blamed = self._conflict(extra, options) if problem.status in INFEASIBLE else []
            words = [f"in conflict: {name}" for name in blamed]
            raise NoOptimumError(
                "\n  ".join([f"{problem.status}: check the constraints that were added", *words]), keep="\n"
            )
        return self.mechanism()

    def _conflict(self, extra: Sequence[Any], options: Mapping[str, Any]) -> list[str]:
        """Of the constraints that were added, those that cannot hold together, by their labels or as cvxpy has them.

        One after the other is left out; where the rest is still infeasible, it stays out.
        """
        import cvxpy

        def infeasible(added: list[Any]) -> bool:
            problem = cvxpy.Problem(cvxpy.Maximize(0), [*self.constraints, *added])
            runtime.apart_once(lambda: problem.solve(**options), silent=not options.get("verbose"))
            return problem.status in INFEASIBLE

        kept = list(extra)
        try:
            if len(kept) > MOST_TRIED or not infeasible(kept):
                return []
            for constraint in extra:
                rest = [other for other in kept if other is not constraint]
                kept = rest if infeasible(rest) else kept
        except (cvxpy.error.SolverError, ValueError):
            return []
        return [_named(constraint) for constraint in kept]

    def mechanism(self) -> Mechanism | SequenceMechanism:
        """The mechanism at the variables' present values.

        Raises
        ------
        NoOptimumError
            If the variables have no values yet.
        """
        values = [block.value for block in self.blocks]
        if any(value is None for value in values):
            raise NoOptimumError("the problem has not been solved")
        return self.layout.mechanism(np.concatenate([np.ravel(value) for value in values]))


def _named(constraint: Any) -> str:
    """A constraint by its label, or as cvxpy writes it."""
    label = getattr(constraint, "label", None)
    text = " ".join(str(label or constraint).split())
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def _hint(options: Mapping[str, Any]) -> str:
    """Advice to install a package where HiPO was asked for."""
    asked = [*options.values(), *dict(options.get("highs_options") or {}).values()]
    return f"; {runtime.HIPO}" if "hipo" in asked else "; try another solver, or without that option"


def to_cvxpy(plan: AnyPlan, deterministic: bool = False) -> CvxModel:
    """Write a program as a cvxpy model.

    Parameters
    ----------
    plan : Plan or PersistentPlan
        From ``mechopt.formats.plan(environment, ic, ir, objective, form="payment")``; the payment form is the one in
        which payments by period are free to be constrained. Where types persist there is one form, in which they are.
    deterministic : bool
        Make allocations 0 or 1; needs a mixed-integer solver.

    Returns
    -------
    CvxModel

    Examples
    --------
    Sell to types 1 and 2 for two periods, but let nobody ever pay more than 1.3 at a time:

    >>> from mechopt import IndependentTypes
    >>> from mechopt.formats import plan
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> model = to_cvxpy(plan(env, form="payment"))
    >>> capped = model.solve([p <= 1.3 for p in model.payment], solver="HIGHS")
    >>> round(capped.revenue, 9), round(model.solve(solver="HIGHS").revenue, 9)
    (2.2, 2.25)
    """
    import cvxpy

    if isinstance(plan, PersistentPlan):
        return _moving(plan, deterministic)
    if not isinstance(plan, Plan):
        raise InputError(
            f"to_cvxpy takes a plan and not {type(plan).__name__}; write problem.to_cvxpy(), or "
            'mo.formats.to_cvxpy(mo.formats.plan(environment, ic, ir, form="payment"))'
        )
    program, layout = compile_program(plan)
    tree, unit = plan.tree, plan.unit
    buyers, periods = tree.environment.agents, tree.horizon
    blocks = []
    for block in program.column_blocks:
        boolean = deterministic and block.kind == ("slot" if plan.has_slots else "allocation")
        blocks.append(cvxpy.Variable((buyers, prod(block.shape) // buyers), name=block.name, boolean=boolean))
    z, constraints = _constraints(program, blocks)
    lifetime = [unit * block for block in blocks[: periods + 1]]
    allocation = blocks[periods + 1 : 2 * periods + 1] or _slopes(layout, blocks)
    if plan.timing == "own":
        realised = [*(unit * block for block in blocks[2 * periods + 1 : 3 * periods + 1]), lifetime[-1]]
    else:
        moves = plan.timing == "bank"
        realised = [u if t == periods or (moves and t) else np.zeros(u.shape) for t, u in enumerate(lifetime)]
    payment = []
    for t in range(periods):
        shape = (buyers, *tree.children(t))
        values = np.broadcast_to(own_values(tree, t), shape).reshape(buyers, -1)
        parent = np.repeat(np.arange(tree.count[t]), tree.count[t + 1] // tree.count[t])
        own = np.array([weights[t] for weights in tree.environment.own_present_value])
        gain = realised[t + 1] - realised[t][:, parent]
        payment.append(cvxpy.multiply(values, allocation[t]) - gain / own[:, None])
    objective = cvxpy.Maximize(unit * (program.cost @ z + program.offset))
    return CvxModel(objective, constraints, allocation, payment, lifetime, program, layout, blocks)


def _constraints(program: LinearProgram, blocks: list[Any]) -> tuple[Any, list[Any]]:
    """All variables in one vector, and the rows and bounds as constraints on it."""
    import cvxpy

    z = cvxpy.hstack([cvxpy.vec(block, order="C") for block in blocks])
    activity = program.matrix @ z
    constraints = []
    equal = program.row_lower == program.row_upper
    for chosen, side, sign in (
        (equal, program.row_lower, 0),
        (~equal & np.isfinite(program.row_lower), program.row_lower, 1),
        (~equal & np.isfinite(program.row_upper), program.row_upper, -1),
    ):
        if chosen.any():
            left, right = activity[np.flatnonzero(chosen)], side[chosen]
            constraints.append(left == right if sign == 0 else sign * left >= sign * right)
    for finite, bound, sign in (
        (np.isfinite(program.lower), program.lower, 1),
        (np.isfinite(program.upper), program.upper, -1),
    ):
        if finite.any():
            constraints.append(sign * z[np.flatnonzero(finite)] >= sign * bound[finite])
    return z, constraints


def _moving(plan: PersistentPlan, deterministic: bool) -> CvxModel:
    """Model of a program where types persist: realisation weights, and payments times them."""
    import cvxpy

    program, layout = compile_persistent(plan)
    blocks = [
        cvxpy.Variable(
            block.shape if len(block.shape) < 3 else (block.shape[0], prod(block.shape[1:])), name=block.name
        )
        if not (deterministic and block.kind == "allocation")
        else cvxpy.Variable(block.shape, name=block.name, boolean=True)
        for block in program.column_blocks
    ]
    z, constraints = _constraints(program, blocks)
    by_kind: dict[str, list[Any]] = {"allocation": [], "payment": []}
    for block, variable in zip(program.column_blocks, blocks, strict=True):
        if block.kind in by_kind:
            by_kind[block.kind].append(variable)
    units = [
        np.array([layout.unit / own[t] for own in plan.process.own_present_value]) for t in range(plan.tree.horizon)
    ]
    payment = [cvxpy.multiply(unit[:, None], part) for part, unit in zip(by_kind["payment"], units, strict=True)]
    objective = cvxpy.Maximize(layout.unit * (program.cost @ z + program.offset))
    return CvxModel(objective, constraints, by_kind["allocation"], payment, [], program, layout, blocks)


def _slopes(layout: Layout, blocks: list[Any]) -> list[Any]:
    """Allocation of the promise form as expressions in the lifetime utilities."""
    from scipy.sparse import eye_array, kron

    expressions = []
    for t, (matrix, constant) in enumerate(allocation_maps(layout.plan)):
        count = layout.plan.tree.count[t]
        big = kron(eye_array(count), matrix, format="csr")
        expressions.append((big @ blocks[t + 1][0] + np.tile(constant, count))[None, :])
    return expressions
