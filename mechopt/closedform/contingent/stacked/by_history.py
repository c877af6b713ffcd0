r"""Stacked transfers where actions move the signals, by all earlier reports: either condition, either way of stacking.

With a finite horizon, let l(a, th) be the expected present value of what is still due from earlier periods if action a
is taken now, the truth being told afterwards. The target of every period is raised by (l(a_t(th), th) - l(a, th))/d, so
that what is due is as if the rule's action had been taken (`stacked` has the argument for spanning). Lemma A.3 needs no
more: its inequalities are about the expected worth of transfers alone, so that transfers that depend on own reports do
as well. What is due then depends on these too, and histories are of all reports.

Source: Liu (2025), Propositions 5.3 and 5.4, corrected.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.numbers import float_numbers, others_of, own_of
from mechopt.closedform.contingent.result import ContingentTransfers, finished
from mechopt.closedform.contingent.setting import Setting
from mechopt.closedform.contingent.solve import BY_TARGET, System, separate, span
from mechopt.closedform.contingent.stacked.joint import marginal_columns, path_columns
from mechopt.closedform.contingent.stacked.stack import ahead, stack_of
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

MAX_ENTRIES = 20_000_000
"""Largest number of payments due in one period."""
MAX_SYSTEMS = 20_000
"""Histories of one period for which transfers by own report are solved."""
FIX = "try method='any', or stack more periods"


class _Made(NamedTuple):
    """Solution about one period."""

    promises: FloatArray  # history, reported profile, row
    gains: FloatArray
    bound: float
    condition: float
    by_target: bool


def by_history(
    environment: InterdependentTypes, setting: Setting, steps: int, joint: bool, own: bool
) -> ContingentTransfers:
    """Solve for stacked transfers that depend on all earlier reports.

    Parameters
    ----------
    environment : InterdependentTypes
        With a finite horizon.
    setting : Setting
    steps : int
    joint : bool
        Whether periods are stacked by their joint distribution.
    own : bool
        Whether transfers depend on the own report (convex independence), or not (spanning).

    Raises
    ------
    ConditionError
        If a target cannot be met.
    LimitError
        If there are too many histories.
    """
    payments, tables, made = [], list[FloatArray](), list[_Made]()
    for i in range(environment.agents):
        agent = ByHistory(environment, setting, i, steps, joint, own)
        payments.append(agent.payments())
        tables += [period.gains for period in agent.made]
        made += agent.made
    number = "5.3" if own else "5.4"
    theorem = (
        f"Proposition {number}{', joint distributions' if joint else ''}, corrected where actions move the signals"
    )
    theorem += BY_TARGET if any(period.by_target for period in made) else ""
    final = environment.stages - 1
    return finished(
        environment,
        "stacked",
        theorem,
        setting,
        tuple(zip(*payments, strict=True)),
        (),
        tables,
        [min(steps, final) * period.bound for period in made],  # so many promises may be due together
        history=True,
        reports=True,
        condition=max((period.condition for period in made), default=1.0),
    )


class ByHistory:
    """One agent: what is still due, by history and the period it is due in."""

    def __init__(
        self, environment: InterdependentTypes, setting: Setting, i: int, steps: int, joint: bool, own: bool
    ) -> None:
        self.env, self.setting, self.i, self.steps, self.joint, self.own = environment, setting, i, steps, joint, own
        self.numbers = float_numbers(environment)
        self.policy = tuple(stage.ravel() for stage in setting.policy)
        self.made = list[_Made]()
        self.due: dict[int, Array] = {}  # history, [others now, others next, ...,] others then

    def payments(self) -> list[Array]:
        """Payments by period: reported profiles of all periods, the others' next signals."""
        found, histories = [], 1
        for t in range(self.env.stages - 1):
            promises = self._promises(t, histories)
            histories *= prod(self.env.shape[t])
            self._promise(t, promises)
            sizes = [size for s in range(t + 1) for size in self.env.shape[s]]
            then = [size for j, size in enumerate(self.env.shape[t + 1]) if j != self.i]
            found.append(readonly(self.due.pop(t + 1).reshape(*sizes, *then), self.numbers.dtype))
        return found

    def _promises(self, t: int, histories: int) -> Array:
        """Promises about a period; axes: history, reported profile, row."""
        self.made.append(self._solve(t, histories))
        return self.made[-1].promises

    def _others(self, t: int) -> int:
        return prod(self.env.shape[t]) // self.env.shape[t][self.i]

    def _distributions(self, t: int) -> list[Array]:
        """Distributions ``(action, others, row, own)`` of the next 1, 2, ... periods to the end, or of their paths."""
        if not self.joint:
            distributions = marginal_columns(self.numbers, self.policy, t, self.i, self.env.stages - 1 - t)
        else:
            lengths = range(1, self.env.stages - t)
            distributions = [path_columns(self.numbers, self.policy, t, self.i, length) for length in lengths]
        return [
            np.broadcast_to(distribution, (self.env.action_counts[t], *distribution.shape[1:]))
            for distribution in distributions
        ]

    def _liability(self, t: int, histories: int, distributions: list[Array]) -> Array:
        """Expected present value of what is still due; axes: history, action, others, own signal."""
        shape = self.env.action_counts[t], self._others(t), self.env.shape[t][self.i]
        total = self.numbers.zeros(histories, *shape)
        for at, table in self.due.items():
            distribution = distributions[at - t - 1]
            if self.joint:
                table = table.reshape(len(table), shape[1], -1)
                parts = [np.tensordot(table[:, b], distribution[:, b], axes=([1], [1])) for b in range(shape[1])]
                worth = np.stack(parts, axis=2)
            else:
                worth = np.tensordot(table, distribution, axes=([1], [2]))
            total = total + self.numbers.discount ** (at - t) * worth
        return total

    def _system(self, t: int, histories: int) -> tuple[Array, Any, Array, Array]:
        """Columns, what they are divided by, and targets and liabilities by history, action, others and own signal."""
        env, d, distributions = self.env, self.numbers.discount, self._distributions(t)
        length = ahead(env, t, self.steps)
        columns, total = (distributions[length - 1], d**length) if self.joint else stack_of(distributions[:length], d)
        profiles, rows = prod(env.shape[t]), columns.shape[2]
        if histories * profiles * rows * self._others(t) > MAX_ENTRIES or histories > MAX_SYSTEMS:
            raise LimitError(
                f"transfers depend on {histories * profiles:,} histories by period {t}, with {rows} entries each; use "
                "fewer periods or signals"
            )
        actions: IntArray = by_report(self.setting.policy[t], self.i)
        others, reports = np.arange(len(actions))[:, np.newaxis], np.arange(actions.shape[1])
        liability = self._liability(t, histories, distributions)
        told = liability[:, actions, others, reports][:, np.newaxis]
        wanted = (by_own_signal(self._target(t), self.i) + told - liability) / total
        return columns, total, wanted, liability

    def _target(self, t: int) -> Array:
        """Discount times the target of one step; axes: action, signals."""
        setting = self.setting
        return self.env.discount * target(self.env, self.i, t, setting.values[self.i], setting.targeted)

    def _solve(self, t: int, histories: int) -> _Made:
        env, actions = self.env, by_report(self.setting.policy[t], self.i)
        columns, total, wanted, liability = self._system(t, histories)
        others = np.arange(len(actions))[:, np.newaxis]
        used = actions == np.arange(len(columns))[:, np.newaxis, np.newaxis]
        expected = self.setting.expected_value(env, self.i, t)
        action, beside, own = self.policy[t], others_of(env.shape[t], self.i), own_of(env.shape[t], self.i)
        promises, tables, bound, condition, by_target = [], [], 0.0, 1.0, False
        for h, aim in enumerate(wanted):
            system = System(env, t, self.i, columns, aim, used, FIX)
            found = separate(system) if self.own else span(system, every_target=True)
            paid = total * expected_payment(found.transfers, columns, actions) + liability[h][actions, others]
            tables.append(gains(env, self.i, t, self.setting.policy[t], expected, paid))
            place = (action, beside, own) if self.own else (action, beside)
            promises.append(found.transfers[place])
            bound, condition = max(bound, found.bound), max(condition, found.condition)
            by_target = by_target or found.by_target
        return _Made(np.stack(promises), np.stack(tables), bound, condition, by_target)

    def _promise(self, t: int, promises: Array) -> None:
        """Add what is promised about period t; histories are then those of the next period."""
        histories, profiles, _ = promises.shape
        beside, moved = others_of(self.env.shape[t], self.i), dict[int, Array]()
        for at, table in self.due.items():
            table = np.broadcast_to(table, (histories, *table.shape[1:]))
            if self.joint:
                table = table.reshape(histories, self._others(t), -1)[:, beside]
            else:
                table = np.repeat(table[:, np.newaxis], profiles, axis=1)
            moved[at] = table.reshape(histories * profiles, -1)
        length = ahead(self.env, t, self.steps)
        flat = promises.reshape(histories * profiles, -1)
        if self.joint:
            made = {t + length: flat}
        else:
            sizes = np.cumsum([self._others(t + k) for k in range(1, length + 1)])[:-1]
            made = {t + 1 + k: part for k, part in enumerate(np.split(flat, sizes, axis=1))}
        for at, part in made.items():
            moved[at] = moved[at] + part if at in moved else part
        if t + 1 not in moved:
            moved[t + 1] = self.numbers.zeros(histories * profiles, self._others(t + 1))
        self.due = moved
