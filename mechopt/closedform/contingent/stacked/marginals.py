"""Stacked transfers by the distribution of each future period: where nothing moves the signals, or under spanning."""

from __future__ import annotations

import numpy as np

from mechopt.closedform.contingent.conditions.systems import least_norm
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.result import ContingentTransfers, finished, shaped
from mechopt.closedform.contingent.setting import ConditionError, Setting
from mechopt.closedform.contingent.solve import BY_TARGET, System, separate, span
from mechopt.closedform.contingent.stacked.stack import ahead, future_columns, stack_of
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

MAX_ENTRIES = 20_000_000
"""Largest number of transfers about one period."""
FIX = "try method='any', or stack more periods"


def _system(
    environment: InterdependentTypes, setting: Setting, t: int, agent: int, columns: FloatArray, wanted: FloatArray
) -> System:
    used = by_report(setting.policy[t], agent) == np.arange(wanted.shape[-3])[:, np.newaxis, np.newaxis]
    return System(environment, t, agent, columns, wanted, used, FIX)


def uncontrolled(environment: InterdependentTypes, setting: Setting, steps: int, smallest: bool) -> ContingentTransfers:
    """Transitions that do not depend on actions: any horizon, spanning or else convex independence."""
    systems: dict[tuple[int, int], tuple[System, float, list[int]]] = {}
    for t in range(len(environment.kernel)):
        for i in range(environment.agents):
            distributions = future_columns(environment, setting.policy, t, i, ahead(environment, t, steps))
            columns, total = stack_of(distributions, environment.discount)
            worth = environment.discount * target(environment, i, t, setting.values[i], setting.targeted)
            system = _system(environment, setting, t, i, columns, by_own_signal(worth, i) / total)
            systems[t, i] = system, total, [distribution.shape[2] for distribution in distributions]
    try:
        solved = {key: span(system, smallest) for key, (system, _, _) in systems.items()}
        theorem = "Proposition 5.4"
    except ConditionError:
        solved = {key: separate(system, smallest) for key, (system, _, _) in systems.items()}
        theorem = "Proposition 5.3"
    payments, later, tables = [], [], []
    for t in range(len(environment.kernel)):
        parts = []
        for i in range(environment.agents):
            (system, total, rows), transfers = systems[t, i], solved[t, i].transfers
            paid = expected_payment(transfers, system.columns, by_report(setting.policy[t], i))
            expected = setting.expected_value(environment, i, t)
            tables.append(gains(environment, i, t, setting.policy[t], expected, total * paid))
            cut = np.split(transfers, np.cumsum(rows)[:-1], axis=-1)
            parts.append([shaped(environment, t, i, t + 1 + k, part) for k, part in enumerate(cut)])
        payments.append(tuple(part[0] for part in parts))
        later.append(tuple(tuple(part[1:]) for part in parts))
    bounds = [found.bound for found in solved.values()]
    theorem += BY_TARGET if any(found.by_target for found in solved.values()) else ""
    condition = max((found.condition for found in solved.values()), default=1.0)
    stages = tuple(payments), tuple(later)
    return finished(environment, "stacked", theorem, setting, *stages, tables, bounds, condition=condition)


def controlled(environment: InterdependentTypes, setting: Setting, steps: int) -> ContingentTransfers:
    """Transitions that depend on actions, a finite horizon and spanning: by actions and the others' signals so far."""
    payments, tables, bounds = [], [], []
    for i in range(environment.agents):
        own_payments, own_tables, own_bounds = _with_liabilities(environment, setting, i, steps)
        payments.append(own_payments)
        tables += own_tables
        bounds += own_bounds
    condition = max((part for _, part in bounds), default=1.0)
    by_period = tuple(zip(*payments, strict=True))
    sizes = [bound for bound, _ in bounds]
    theorem = "Proposition 5.4, corrected where actions move the signals"
    return finished(
        environment, "stacked", theorem, setting, by_period, (), tables, sizes, history=True, condition=condition
    )


def _with_liabilities(
    environment: InterdependentTypes, setting: Setting, agent: int, steps: int
) -> tuple[list[FloatArray], list[FloatArray], list[tuple[float, float]]]:
    """Payments by period ``(a_0, *others_0, ..., a_t, *others_t, *others_{t+1})``, gains, bounds and conditions."""
    discount, final = environment.discount, environment.stages - 1
    outstanding: dict[int, FloatArray] = {}  # by the period it is due: (history, others' profile then)
    payments, tables, bounds, histories = [], [], [], 1
    sizes: list[int] = []
    for t in range(final):
        distributions = future_columns(environment, setting.policy, t, agent, final - t)
        distributions = [
            np.broadcast_to(distribution, (environment.action_counts[t], *distribution.shape[1:]))
            for distribution in distributions
        ]
        columns, total = stack_of(distributions[: ahead(environment, t, steps)], discount)
        actions = by_report(setting.policy[t], agent)
        others, reports = np.arange(len(actions))[:, np.newaxis], np.arange(actions.shape[1])
        count = len(distributions[0]) * len(actions)
        if histories * count * columns.shape[2] > MAX_ENTRIES:
            raise LimitError(
                f"transfers depend on {histories * count:,} histories by period {t}, with {columns.shape[2]} entries "
                f"each; at most {MAX_ENTRIES:,} together: use fewer periods, actions or signals"
            )
        liability = np.zeros(
            (1, *distributions[0].shape[:2], distributions[0].shape[3])
        )  # history, action, others, own signal
        for due, promised in outstanding.items():
            liability = liability + discount ** (due - t) * np.einsum(
                "hn,abnk->habk", promised, distributions[due - t - 1]
            )
        told = liability[:, actions, others, reports][:, np.newaxis]
        worth = by_own_signal(discount * target(environment, agent, t, setting.values[agent], setting.targeted), agent)
        wanted = (worth + told - liability) / total
        system = _system(environment, setting, t, agent, columns, worth / total)
        bound, condition = _bounded(system, wanted)
        bounds.append((min(steps, final) * bound, condition))  # so many promises may be due together
        transfers = least_norm(columns, wanted) * np.asarray(system.used.any(axis=-1))[..., np.newaxis]
        paid = total * (transfers[..., np.newaxis, :] @ columns)[..., 0, :] + liability
        expected = setting.expected_value(environment, agent, t)
        tables.append(gains(environment, agent, t, setting.policy[t], expected, paid[:, actions, others]))
        rows = [distribution.shape[2] for distribution in distributions[: ahead(environment, t, steps)]]
        made = np.split(transfers, np.cumsum(rows)[:-1], axis=-1)
        outstanding = _added(outstanding, {t + 1 + k: part for k, part in enumerate(made)}, histories)
        sizes += [environment.action_counts[t], *(n for j, n in enumerate(environment.shape[t]) if j != agent)]
        histories *= count
        then = [n for j, n in enumerate(environment.shape[t + 1]) if j != agent]
        payments.append(readonly(outstanding.pop(t + 1).reshape(*sizes, *then)))
        outstanding = {due: promised.reshape(histories, -1) for due, promised in outstanding.items()}
    return payments, tables, bounds


def _added(outstanding: dict[int, FloatArray], made: dict[int, FloatArray], histories: int) -> dict[int, FloatArray]:
    """All promises by the period they are due, ``(history, action, others, row)``; earlier ones are by history."""
    total = {}
    shape = next(iter(made.values())).shape[1:3]
    for due in sorted({*outstanding, *made}):
        rows = (made[due] if due in made else outstanding[due]).shape[-1]
        promised = np.zeros((histories, *shape, rows))
        if due in made:
            promised += made[due]
        if due in outstanding:
            promised += outstanding[due][:, np.newaxis, np.newaxis]
        total[due] = promised
    return total


def _bounded(system: System, wanted: FloatArray) -> tuple[float, float]:
    """Bound on the transfers of all histories, and the condition number; raises where spanning fails."""
    condition = span(system, every_target=True).condition
    least = np.linalg.svd(system.columns, compute_uv=False)[..., -1]
    used = np.asarray(system.used.any(axis=-1))
    size: FloatArray = np.asarray(np.linalg.norm(wanted, axis=-1).max(axis=0))
    return float((size[used] / least[used]).max()), condition
