"""Stacked transfers in fractions: the same stacks, targets and closed forms."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import Place
from mechopt.closedform.contingent.gain import by_report
from mechopt.closedform.contingent.program.closed_exact import (
    efficient_surplus,
    exact_target,
    last_payments,
    least,
    separated_exactly,
    spanned_exactly,
    truthful_exactly,
)
from mechopt.closedform.contingent.program.numbers import Numbers, exact_numbers, others_of, own_of
from mechopt.closedform.contingent.program.possible import require_exact
from mechopt.closedform.contingent.result import ContingentTransfers, ExactTransfers
from mechopt.closedform.contingent.setting import ConditionError, Setting
from mechopt.closedform.contingent.stacked.by_history import ByHistory
from mechopt.closedform.contingent.stacked.joint import marginal_columns, path_columns
from mechopt.closedform.contingent.stacked.stack import ahead, stack_of
from mechopt.closedform.contingent.targets import by_own_signal
from mechopt.core.numbers import Array
from mechopt.environment.interdependent import InterdependentTypes


def exact_stacked(
    environment: InterdependentTypes,
    setting: Setting,
    found: ContingentTransfers,
    steps: int,
    joint: bool,
    smallest: bool = False,
) -> ExactTransfers:
    """Fractions of stacked transfers, as the floats were found.

    Parameters
    ----------
    environment : InterdependentTypes
    setting : Setting
    found : ContingentTransfers
        By all reports where actions move the signals.
    steps : int
    joint : bool
    smallest : bool
        Whether each transfer is to have the smallest largest entry; not where actions move the signals.

    Raises
    ------
    ConditionError
        If a target cannot be met in exact numbers.
    """
    require_exact(environment)
    numbers = exact_numbers(environment)
    policy = tuple(stage.reshape(-1) for stage in setting.policy)
    surplus = None if setting.targeted is None else efficient_surplus(numbers, policy)
    own = "Proposition 5.3" in found.theorem
    parts: list[list[list[Array]]] = []
    values, ends = [], []
    for i in range(environment.agents):
        end = None
        if not numbers.infinite and not setting.constant:
            end = last_payments(numbers, policy[-1], i)
        worth = truthful_exactly(numbers, policy, i, surplus, end)
        aims = [exact_target(numbers, t, i, worth, surplus) for t in range(len(numbers.kernel))]
        values.append(tuple(table.reshape(environment.shape[t]) for t, table in enumerate(worth)))
        ends.append(end)
        if found.history:
            agent = _Exactly(environment, setting, i, steps, joint, own)
            agent.numbers, agent.aims = numbers, aims
            parts.append([[table] for table in agent.payments()])
        else:
            asked = steps, joint, own, smallest
            parts.append([_period(environment, setting, numbers, i, t, *asked, aims[t]) for t in range(len(aims))])
    periods, agents = range(len(numbers.kernel)), range(environment.agents)
    payments = tuple(tuple(_like(parts[i][t][0], found.payments[t][i]) for i in agents) for t in periods)
    later: Any = ()
    if found.later:
        later = tuple(
            tuple(tuple(_like(part, found.later[t][i][k]) for k, part in enumerate(parts[i][t][1:])) for i in agents)
            for t in periods
        )
    zero = np.full(environment.shape[-1], Fraction(0), dtype=object)
    last = None
    if not environment.infinite:
        last = tuple(zero if end is None else end.reshape(environment.shape[-1]) for end in ends)
    return ExactTransfers(payments, last, (Fraction(0),) * environment.agents, tuple(values), later)


def _like(exact: Array, floats: Array) -> Array:
    return exact.reshape(floats.shape)


def _period(
    environment: InterdependentTypes,
    setting: Setting,
    numbers: Numbers,
    i: int,
    t: int,
    steps: int,
    joint: bool,
    own: bool,
    smallest: bool,
    aim: Array,
) -> list[Array]:
    """Transfers about a period by the period that they are due in: ``(action, others, [report,] row)``."""
    policy = tuple(stage.reshape(-1) for stage in setting.policy)
    length, d = ahead(environment, t, steps), numbers.discount
    if joint:
        columns, total = path_columns(numbers, policy, t, i, length, one=True), d**length
        sizes = [columns.shape[2]]
    else:
        distributions = marginal_columns(numbers, policy, t, i, length, one=True)
        columns, total = stack_of(distributions, d)
        sizes = [distribution.shape[2] for distribution in distributions]
    wanted = by_own_signal(aim.reshape(len(aim), *environment.shape[t]), i) / total
    solved = _solved(environment, setting, i, t, columns, wanted, own, smallest)
    return np.split(solved, np.cumsum(sizes)[:-1], axis=-1)


def _solved(
    environment: InterdependentTypes,
    setting: Setting,
    i: int,
    t: int,
    columns: Array,
    wanted: Array,
    own: bool,
    smallest: bool = False,
) -> Array:
    """Closed forms, or smallest transfers, at actions that a report leads to; ``(action, others, [report,] row)``."""
    told, all_met = (least, least) if smallest else (separated_exactly, spanned_exactly)
    actions = by_report(setting.policy[t], i)
    count, reports = actions.shape
    shape = (len(wanted), count, *([reports] if own else []), columns.shape[2])
    found = np.full(shape, Fraction(0), dtype=object)
    for b in range(count):
        for a in sorted(set(actions[b].tolist())):
            distribution = columns[a % len(columns), b]
            vectors, aim = [list(distribution[:, k]) for k in range(reports)], list(wanted[a, b])
            if not own:
                found[a, b] = _required(environment, i, t, a, b, None, all_met(vectors, aim))
                continue
            for r in np.flatnonzero(actions[b] == a).tolist():
                found[a, b, r] = _required(environment, i, t, a, b, r, told(vectors, aim, r))
    return found


def _required(
    environment: InterdependentTypes, i: int, t: int, action: int, others: int, own: int | None, paid: Any
) -> Any:
    if paid is None:
        sizes = [size for j, size in enumerate(environment.shape[t]) if j != i]
        place = Place(i, t, action, tuple(int(k) for k in np.unravel_index(others, sizes)), own)
        condition = "spanning" if own is None else "convex independence"
        message = f"{condition} of the stack fails at {place.named(environment)}, in exact numbers; try method='any'"
        raise ConditionError(condition, message, place)
    return paid


class _Exactly(ByHistory):
    """The same in fractions."""

    aims: list[Array]

    def _target(self, t: int) -> Array:
        return self.aims[t].reshape(len(self.aims[t]), *self.env.shape[t])

    def _promises(self, t: int, histories: int) -> Array:
        shape = self.env.shape[t]
        columns, _, wanted, _ = self._system(t, histories)
        place: Any = (self.policy[t], others_of(shape, self.i))
        place = (*place, own_of(shape, self.i)) if self.own else place
        solved = [_solved(self.env, self.setting, self.i, t, columns, aim, self.own)[place] for aim in wanted]
        assert len(solved[0]) == prod(shape)
        return np.stack(solved)
