"""Transfers wherever there are any, or the proof that there are none: `contingent_transfers` with method="any"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import Place, matrices
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.exactly import exactly
from mechopt.closedform.contingent.program.infeasible import Farkas, farkas
from mechopt.closedform.contingent.program.nearby import exact_near
from mechopt.closedform.contingent.program.numbers import Numbers, exact_numbers, float_numbers, others_of
from mechopt.closedform.contingent.program.optimum import Goal, Infeasible, Program, solve
from mechopt.closedform.contingent.program.requirements import (
    Requirements,
    agent_requirements,
    balance_rows,
    expected_worth,
)
from mechopt.closedform.contingent.program.rows import Layout, Rows, incentive_rows, layout, stacked_rows
from mechopt.closedform.contingent.result import ContingentTransfers, ExactTransfers, finished
from mechopt.closedform.contingent.setting import ConditionError, LastRule, Setting, expected_surplus, rule_of
from mechopt.closedform.contingent.targets import values_under
from mechopt.closedform.pivot.efficient_joint import expected_next
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

THEOREM = "linear program of all transfers"


class NoTransfersError(ConditionError):
    """No transfers of the class exist.

    Attributes
    ----------
    farkas : Farkas
        The proof.
    policy : tuple over periods of int arrays ``(*signals,)``
        The rule that they were to make truthful.
    asked : Requirements
        What they were to satisfy besides.
    constant : bool
        Whether the last action was to be one whatever the reports.
    """

    def __init__(
        self,
        message: str,
        proof: Farkas,
        place: Place | None,
        policy: tuple[IntArray, ...],
        asked: Requirements,
        constant: bool,
    ) -> None:
        super().__init__("any", message, place)
        self.farkas, self.policy, self.asked, self.constant = proof, policy, asked, constant


@dataclass(frozen=True)
class Group:
    """Agents that are solved for together, and where their unknowns are."""

    layouts: tuple[Layout, ...]
    rows: Rows
    count: int

    @property
    def paid(self) -> IntArray:
        """Columns of payments."""
        offsets = np.cumsum([0, *(where.count for where in self.layouts)])
        return np.concatenate([where.paid + offset for where, offset in zip(self.layouts, offsets, strict=False)])


def any_transfers(
    environment: InterdependentTypes,
    last: LastRule,
    rule: Any,
    last_action: int | None,
    asked: Requirements,
    exact: bool = False,
) -> ContingentTransfers:
    """Solve the program; see `contingent_transfers`.

    Raises
    ------
    NoTransfersError
        If there are no such transfers.
    InputError
        If an argument does not fit.
    """
    if exact:
        require_exact(environment)
    if asked.form != "free" and rule is not None:
        raise InputError(f"form: {asked.form!r} is about the efficient rule; leave rule out, or take form='free'")
    policy, welfare, constant = rule_of(environment, rule, last, last_action)
    flat = tuple(stage.reshape(-1) for stage in policy)
    numbers = float_numbers(environment)
    groups = _groups(numbers, flat, asked, constant)
    scale = max(1e-300, *(float(np.abs(array).max()) for array in environment.profile_values), _money(asked))
    solutions = [_solved(environment, numbers, policy, flat, group, asked, constant, scale) for group in groups]
    precise = None
    if exact:
        twins = _groups(exact_numbers(environment), flat, asked, constant)
        precise = [exactly(twin.rows, near, twin.paid, scale) for twin, near in zip(twins, solutions, strict=True)]
        solutions = [np.array([float(entry) for entry in found]) for found in precise]
    found = _transfers(environment, policy, welfare, constant, groups, solutions, asked)
    return found if precise is None else found.with_exact(_exact_tables(environment, flat, twins, precise))


def require_exact(environment: InterdependentTypes) -> None:
    """Refuse an environment without exact numbers."""
    if environment.exact is None:
        raise InputError(
            'exact: the probabilities are floats that do not sum to 1 exactly; write fractions such as "1/3"'
        )


def _money(asked: Requirements) -> float:
    return max([0.0, *(abs(float(entry)) for entry in asked.outside)])


def _groups(numbers: Numbers, policy: tuple[IntArray, ...], asked: Requirements, constant: bool) -> list[Group]:
    """All agents together where something joins them, else each alone."""
    needs_welfare = asked.form != "free" or asked.joint
    worth = rule_surplus(numbers, policy) if needs_welfare else None
    layouts = [layout(numbers, i, policy, worth, asked.form, constant, asked.fee) for i in range(numbers.agents)]
    own = [[*incentive_rows(numbers, where, policy), *agent_requirements(numbers, where, asked)] for where in layouts]
    if not asked.joint:
        return [
            Group((where,), stacked_rows([(rows, 0) for rows in parts]) if parts else _none(numbers), where.count)
            for where, parts in zip(layouts, own, strict=True)
        ]
    offsets = np.cumsum([0, *(where.count for where in layouts)]).tolist()
    parts = [(rows, offset) for every, offset in zip(own, offsets, strict=False) for rows in every]
    if asked.balance is not None:
        assert worth is not None
        parts.append((balance_rows(numbers, layouts, policy, asked, (numbers.initial * worth[0]).sum()), 0))
    return [Group(tuple(layouts), stacked_rows(parts) if parts else _none(numbers), offsets[-1])]


def _none(numbers: Numbers) -> Rows:
    empty = np.zeros(0, np.int64)
    return Rows(empty, empty, numbers.zeros(0), numbers.zeros(0), np.zeros(0, bool), np.zeros((0, 5), np.int64))


def rule_surplus(numbers: Numbers, policy: tuple[IntArray, ...]) -> tuple[Array, ...]:
    """Surplus of the rule from each period on; axes: profile."""
    here = [np.arange(len(stage)) for stage in policy]
    flow = [numbers.surplus(t)[policy[t], here[t]] for t in range(numbers.stages)]
    return tuple(worth_of_flows(numbers, policy, flow))


def worth_of_flows(numbers: Numbers, policy: tuple[IntArray, ...], flows: Sequence[Array]) -> list[Array]:
    """Present values of flows under a policy, from each period on; axes: profile."""
    values = [worth_for_ever(numbers, policy[-1], flows[-1]) if numbers.infinite else flows[-1]]
    for t in reversed(range(numbers.stages - 1)):
        distribution = numbers.kernel[t][policy[t], np.arange(len(policy[t]))]
        values.insert(0, flows[t] + numbers.discount * (distribution * values[0]).sum(axis=1))
    return values


def worth_for_ever(numbers: Numbers, policy: IntArray, flow: Array) -> Array:
    """Present value of a flow for ever under a policy, from the period on that is for ever; axes: profile."""
    chain = numbers.kernel[-1][policy, np.arange(len(policy))]
    system = np.eye(len(chain)) - float(numbers.discount) * chain.astype(np.float64)
    near = np.asarray(np.linalg.solve(system, flow.astype(np.float64)), dtype=np.float64)
    if not numbers.exact:
        return near
    rows = [
        {j: entry for j in range(len(chain)) if (entry := Fraction(i == j) - numbers.discount * chain[i, j])}
        for i in range(len(chain))
    ]
    found = exact_near(rows, list(flow), near, np.arange(len(chain)))
    assert found is not None  # the matrix is diagonally dominant
    return np.array(found, dtype=object)


def _solved(
    environment: InterdependentTypes,
    numbers: Numbers,
    policy: tuple[IntArray, ...],
    flat: tuple[IntArray, ...],
    group: Group,
    asked: Requirements,
    constant: bool,
    scale: float,
) -> FloatArray:
    goal = None
    if asked.objective != "smallest":
        offsets = np.cumsum([0, *(where.count for where in group.layouts)])
        parts = [expected_worth(numbers, where) for where in group.layouts]
        columns = np.concatenate([c + offset for (c, _, _), offset in zip(parts, offsets, strict=False)])
        values = -np.concatenate([v for _, v, _ in parts])
        cap = None
        if asked.objective == "deficit":  # welfare - sum of worth >= 0, so -x.v <= welfare - constants is not a deficit
            worth = rule_surplus(numbers, flat)
            cap = sum(float(c) for _, _, c in parts) - float((numbers.initial * worth[0]).sum())
        goal = Goal(columns, values, cap)
    program = Program(group.rows, group.count, group.paid, scale)
    if not len(group.rows.side):
        return np.zeros(group.count)
    found = solve(program, goal)
    if isinstance(found, Infeasible):
        raise _refused(environment, policy, flat, group, asked, constant, found)
    return found


def _refused(
    environment: InterdependentTypes,
    policy: tuple[IntArray, ...],
    flat: tuple[IntArray, ...],
    group: Group,
    asked: Requirements,
    constant: bool,
    found: Infeasible,
) -> NoTransfersError:
    agents = [where.agent for where in group.layouts]
    twins = _groups(exact_numbers(environment), flat, asked, constant)
    twin = next(other for other in twins if [where.agent for where in other.layouts] == agents)
    proof = farkas(environment, policy, twin.rows, twin.count, found.multipliers)
    worst = proof.misreports[0] if proof.misreports else None
    place = worst and Place(worst.agent, worst.period, worst.action, worst.others, worst.signal)
    what = "no transfers make the rule truthful" if not _extra(asked) else "no transfers satisfy all that is asked"
    fix = ""
    if _extra(asked):
        fix = "; ask for less: participation, cap, balance or form"
    elif any(share.kind == "last" for share in proof.shares):
        fix = "; take one action in the last period whatever the signals, last_period='constant' (Corollary 3.3)"
    message = f"{what}: together these inequalities say 0 >= {float(proof.contradiction):.4g}: {proof}{fix}"
    return NoTransfersError(message, proof, place, policy, asked, constant)


def _extra(asked: Requirements) -> bool:
    return bool(asked.participation or asked.balance or asked.cap is not None or asked.form != "free")


def _transfers(
    environment: InterdependentTypes,
    policy: tuple[IntArray, ...],
    welfare: tuple[FloatArray, ...] | None,
    constant: bool,
    groups: list[Group],
    solutions: list[FloatArray],
    asked: Requirements,
) -> ContingentTransfers:
    """The payments as arrays, what the truth is then worth, and what a misreport gains."""
    tables: dict[tuple[int, int], FloatArray] = {}
    last, fees = [np.zeros(0)] * environment.agents, [0.0] * environment.agents
    for where, own in _split(groups, solutions):
        i = where.agent
        for t, columns in enumerate(where.transfers):
            tables[t, i] = readonly(by_action(environment, policy[t], t, i, own[columns]))
        if not environment.infinite:
            final = np.zeros(environment.shape[-1]) if where.last is None else own[where.last]
            last[i] = readonly(final.reshape(environment.shape[-1]))
        fees[i] = 0.0 if where.fee is None else float(own[where.fee])
    payments = tuple(tuple(tables[t, i] for i in range(environment.agents)) for t in range(len(environment.kernel)))
    values, gained = [], list[FloatArray]()
    for i in range(environment.agents):
        paid = [_paid(environment, policy, payments, t, i) for t in range(len(environment.kernel))]
        worth = values_under(environment, i, policy, paid, None if environment.infinite else last[i])
        values.append(worth)
        for t, table in enumerate(paid):
            later = expected_next(environment, worth[environment.following(t)], t)
            gained.append(gains(environment, i, t, policy[t], later, environment.discount * table))
    final = None if environment.infinite else tuple(last)
    surplus = expected_surplus(environment, policy)
    setting = Setting(policy, welfare, tuple(values), final, surplus, constant)
    sizes = [float(np.abs(array).max()) for row in payments for array in row]
    theorem = THEOREM if not constant else f"{THEOREM}, one last action"
    return finished(environment, "any", theorem, setting, payments, (), gained, sizes, fees=tuple(fees), asked=asked)


def _split(groups: list[Group], solutions: list[Any]) -> list[tuple[Layout, Any]]:
    found = []
    for group, solution in zip(groups, solutions, strict=True):
        offsets = np.cumsum([0, *(where.count for where in group.layouts)])
        found += [
            (where, solution[start : start + where.count])
            for where, start in zip(group.layouts, offsets.tolist(), strict=False)
        ]
    return found


def by_action(environment: InterdependentTypes, policy: IntArray, t: int, agent: int, table: Array) -> Array:
    """Transfers ``(reported profile, others' next)`` by action, others' signals, own report, others' next signals."""
    now, then = environment.shape[t], environment.shape[environment.following(t)]
    following = tuple(size for j, size in enumerate(then) if j != agent)
    others, own = others_of(now, agent), np.indices(now)[agent].ravel()
    shape = environment.action_counts[t], prod(now) // now[agent], now[agent], prod(following)
    found = np.zeros(shape) if table.dtype != object else np.full(shape, Fraction(0), dtype=object)
    found[policy.ravel(), others, own] = table
    around = tuple(size for j, size in enumerate(now) if j != agent)
    return found.reshape(shape[0], *around, now[agent], *following)


def _paid(environment: InterdependentTypes, policy: Any, payments: Any, t: int, i: int) -> FloatArray:
    """Expected transfers; axes: others' profile, report, own signal."""
    columns = matrices(environment, t, i)
    columns = columns.reshape(len(columns), -1, *columns.shape[-2:])
    table = payments[t][i].reshape(*columns.shape[:2], columns.shape[3], columns.shape[2])
    return expected_payment(table, columns, by_report(policy[t], i))


def _exact_tables(
    environment: InterdependentTypes,
    policy: tuple[IntArray, ...],
    groups: list[Group],
    solutions: list[list[Fraction]],
) -> ExactTransfers:
    agents = environment.agents
    tables: list[list[Array]] = [[] for _ in range(agents)]
    values: list[list[Array]] = [[] for _ in range(agents)]
    last: list[Any] = [None] * agents
    fees = [Fraction(0)] * agents
    for where, own in _split(groups, [np.array(found, dtype=object) for found in solutions]):
        i = where.agent
        tables[i] = [own[columns] for columns in where.transfers]
        padded: Array = np.concatenate([own, np.array([Fraction(0)], dtype=object)])  # column -1 takes the 0
        values[i] = [worth.constant + worth.sign * padded[worth.column] for worth in where.worth]
        last[i] = None if where.last is None else own[where.last]
        fees[i] = Fraction(0) if where.fee is None else own[where.fee]
    return exact_transfers(environment, policy, tables, values, last, fees)


def exact_transfers(
    environment: InterdependentTypes,
    policy: tuple[IntArray, ...],
    tables: list[list[Array]],
    values: list[list[Array]],
    last: list[Any],
    fees: list[Fraction],
) -> ExactTransfers:
    """Fractions in the layout of `ContingentTransfers`; tables by agent and period, ``(reported profile, next)``."""
    shape, agents = environment.shape, range(environment.agents)
    payments = tuple(
        tuple(by_action(environment, policy[t], t, i, tables[i][t]) for i in agents)
        for t in range(len(environment.kernel))
    )
    zero = np.full(shape[-1], Fraction(0), dtype=object)
    ends = tuple(zero if last[i] is None else last[i].reshape(shape[-1]) for i in agents)
    worth = tuple(tuple(table.reshape(shape[t]) for t, table in enumerate(values[i])) for i in agents)
    return ExactTransfers(payments, None if environment.infinite else ends, tuple(fees), worth)
