"""The smallest transfers that are right for every kernel of a set: `robust_transfers`."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import Place, matrices
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.exactly import exactly
from mechopt.closedform.contingent.program.infeasible import Farkas, farkas
from mechopt.closedform.contingent.program.numbers import Numbers, exact_numbers, float_numbers, marginal
from mechopt.closedform.contingent.program.possible import (
    by_action,
    exact_transfers,
    require_exact,
    worth_of_flows,
)
from mechopt.closedform.contingent.result import ContingentTransfers, finished
from mechopt.closedform.contingent.robust.program import (
    Asked,
    Block,
    Contradiction,
    Solved,
    blocks,
    cut,
    cut_rows,
    distributions,
    exact_violated,
    require_progress,
)
from mechopt.closedform.contingent.setting import ConditionError, LastRule, Setting, prepare, require_transferable
from mechopt.closedform.contingent.targets import values_under
from mechopt.closedform.pivot.efficient_joint import expected_next
from mechopt.core.numbers import Array, FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.sets import KernelSet, kernel_set

Bounds = tuple[tuple[Array, ...], ...]


class Robustness(NamedTuple):
    """For which kernels transfers are right, and what proves it.

    Attributes
    ----------
    kernels : KernelSet
    controlled : tuple over periods of bool
        Whether transitions, or their sets, depend on actions.
    lower, upper : tuples over agents of tuples over periods of object arrays ``(profile,)``, or None
        Bounds on what the truth is worth, as fractions; None without exact transfers, or where no transitions depend on
        actions, so that none are needed.
    """

    kernels: KernelSet
    controlled: tuple[bool, ...]
    lower: Bounds | None = None
    upper: Bounds | None = None


class NoRobustTransfersError(ConditionError):
    """No transfers of the class are right for every kernel.

    Attributes
    ----------
    farkas : Farkas or None
        Inequalities whose combination is a contradiction; None where distributions are those of a solver.
    distributions : tuple of tuples of Fraction, or of None
        The distribution of the next profile of each of its inequalities; None for the last period's.
    robustness : Robustness
    policy : tuple over periods of int arrays ``(*signals,)``
    constant : bool
        Whether the last action was to be one whatever the reports.
    """

    def __init__(
        self,
        message: str,
        place: Place | None,
        proof: Farkas | None,
        distributions: tuple[Any, ...],
        asked: tuple[Robustness, Any, bool],
    ) -> None:
        super().__init__("robustness", message, place)
        self.farkas, self.distributions = proof, distributions
        self.robustness, self.policy, self.constant = asked


def robust_transfers(
    environment: InterdependentTypes,
    kernels: Any,
    last_period: LastRule = "efficient",
    rule: Any = None,
    last_action: int | None = None,
    exact: bool = False,
) -> ContingentTransfers:
    """Find the smallest transfers that make the truth best for every kernel of a set.

    Parameters
    ----------
    environment : InterdependentTypes
    kernels : number, KernelBall, KernelBox, KernelHull or KernelRows
        A number is the radius of a ball around each distribution of the next signals: the sum of the sizes of all
        differences, twice the total variation distance. 0 for the given kernel alone, 2 for all.
    last_period, rule, last_action
        As in `contingent_transfers`. The rule is kept, whatever the kernel: it is efficient for the given one.
    exact : bool
        Whether to find the transfers in fractions too; not for `KernelRows`.

    Returns
    -------
    ContingentTransfers
        Of method "any"; gain, utilities and welfare are those of the given kernel. `robust` says for which kernels they
        are right.

    Raises
    ------
    NoRobustTransfersError
        If there are none. Where transitions depend on actions: none for kernels that change with the history.
    InputError
        If an argument does not fit.

    Examples
    --------
    >>> from mechopt import modelfile
    >>> env = modelfile.load("liu-2025/winner-pay")
    >>> [round(robust_transfers(env, radius).max_abs, 4) for radius in (0, 0.1, 0.2)]
    [3.3333, 3.4188, 4.8765]
    """
    require_transferable(environment, "robust_transfers")
    chosen = kernel_set(kernels)
    chosen.require(environment)
    if exact:
        require_exact(environment)
    setting = prepare(environment, rule, last_period, last_action)
    policy = tuple(stage.ravel() for stage in setting.policy)
    periods = range(len(environment.kernel))
    controlled = tuple(chosen.controlled(environment, t) for t in periods)
    asked = Asked(environment, chosen, policy, setting.constant, controlled)
    numbers = float_numbers(environment)
    scale = max(1e-300, *(float(np.abs(array).max()) for array in environment.profile_values))
    agents = range(environment.agents)
    near = [[_solved(asked, numbers, setting, block, scale) for block in blocks(asked, numbers, i)] for i in agents]
    robustness = Robustness(chosen, controlled)
    if not exact:
        found = _floats(asked, setting, numbers, [[part.x for part in row] for row in near])
        return replace(found, robust=robustness)
    twin = exact_numbers(environment)
    precise = [
        [_exactly(asked, twin, block, part, scale) for block, part in zip(blocks(asked, twin, i), near[i], strict=True)]
        for i in agents
    ]
    rounded = [[np.array([float(entry) for entry in part]) for part in row] for row in precise]
    done = _floats(asked, setting, numbers, rounded).with_exact(_fractions(asked, twin, precise))
    if any(controlled):
        one = [blocks(asked, twin, i)[0] for i in agents]
        lower = tuple(tuple(_valued(worth, precise[i][0]) for worth in one[i].lower) for i in agents)
        upper = tuple(tuple(_valued(worth, precise[i][0]) for worth in one[i].layout.worth) for i in agents)
        robustness = Robustness(chosen, controlled, lower, upper)
    return replace(done, robust=robustness)


def _agents(environment: InterdependentTypes) -> range:
    return range(environment.agents)


def _solved(asked: Asked, numbers: Numbers, setting: Setting, block: Block, scale: float) -> Solved:
    found = cut(block, asked.kernels, float(numbers.discount), scale)
    if isinstance(found, Contradiction):
        raise _refused(asked, setting, block, found)
    return found


def _refused(asked: Asked, setting: Setting, block: Block, found: Contradiction) -> NoRobustTransfersError:
    """Say for whom there are none, with the proof where the distributions are known exactly."""
    env = asked.environment
    when = f" in period {block.periods[0]}" if len(block.periods) == 1 else ""
    message = (
        f"no transfers make the rule truthful for agent {env.names[block.agent]!r}{when} at every kernel of the set "
        f"({asked.kernels}); try a smaller one"
    )
    robustness = Robustness(asked.kernels, asked.controlled)
    claim = robustness, setting.policy, asked.constant
    if env.exact is None or not asked.kernels.exact:
        return NoRobustTransfersError(message, None, None, (), claim)
    twin = exact_numbers(env)
    own = next(other for other in blocks(asked, twin, block.agent) if other.periods == block.periods)
    rows = cut_rows(own, found.cuts, asked.kernels, twin.discount, exact=True)
    proof = farkas(env, setting.policy, rows, own.count, found.multipliers)
    used = distributions(own, found.cuts, asked.kernels)
    worst = proof.misreports[0] if proof.misreports else None
    place = worst and Place(worst.agent, worst.period, worst.action, worst.others, worst.signal)
    message += f"; together these inequalities say 0 >= {float(proof.contradiction):.4g}: {proof}"
    return NoRobustTransfersError(message, place, proof, tuple(used[k] for k in proof.rows.tolist()), claim)


def _exactly(asked: Asked, numbers: Numbers, block: Block, near: Solved, scale: float) -> list[Fraction]:
    """The solution in fractions: that of the cuts, with what it still violates added."""
    cuts = list(near.cuts)
    if not block.families and not block.plain:
        return [Fraction(0)] * block.count
    for rounds in range(10**6):
        require_progress(rounds)
        rows = cut_rows(block, cuts, asked.kernels, numbers.discount, exact=True)
        found = exactly(rows, near.x, block.layout.paid, scale)
        added = exact_violated(block, asked.kernels, found, numbers.discount)
        if not added:
            return found
        cuts += added
    raise AssertionError


def _split(asked: Asked, numbers: Numbers, i: int, solutions: list[Any]) -> tuple[list[Any], Any]:
    """Transfers by period ``(reported profile, others' next)`` and the last period's payments of an agent."""
    tables: list[Any] = [None] * len(numbers.kernel)
    last = None
    for block, x in zip(blocks(asked, numbers, i), solutions, strict=True):
        vector: Any = np.array(x, dtype=object) if numbers.exact else x
        for t in block.periods:
            tables[t] = vector[block.layout.transfers[t]]
        last = last if block.layout.last is None else vector[block.layout.last]
    return tables, last


def _floats(asked: Asked, setting: Setting, numbers: Numbers, solutions: list[list[FloatArray]]) -> ContingentTransfers:
    env = asked.environment
    tables, ends = zip(*(_split(asked, numbers, i, solutions[i]) for i in _agents(env)), strict=True)
    payments = tuple(
        tuple(readonly(by_action(env, setting.policy[t], t, i, tables[i][t])) for i in _agents(env))
        for t in range(len(env.kernel))
    )
    last = None
    if not env.infinite:
        last = tuple(readonly(np.zeros(env.shape[-1]) if end is None else end.reshape(env.shape[-1])) for end in ends)
    gained, values = list[FloatArray](), list[tuple[FloatArray, ...]]()
    for i in _agents(env):
        paid = [_paid(env, setting, payments, t, i) for t in range(len(payments))]
        values.append(values_under(env, i, setting.policy, paid, None if last is None else last[i]))
        for t, table in enumerate(paid):
            later = expected_next(env, values[i][numbers.following(t)], t)
            gained.append(gains(env, i, t, setting.policy[t], later, env.discount * table))
    sizes = [float(np.abs(array).max()) for row in payments for array in row]
    own = replace(setting, values=tuple(values), last_payments=last)
    theorem = f"robust linear program, {asked.kernels}" + (", one last action" if asked.constant else "")
    return finished(env, "any", theorem, own, payments, (), gained, sizes)


def _paid(environment: InterdependentTypes, setting: Setting, payments: Any, t: int, i: int) -> FloatArray:
    columns = matrices(environment, t, i)
    columns = columns.reshape(len(columns), -1, *columns.shape[-2:])
    table = payments[t][i].reshape(*columns.shape[:2], columns.shape[3], columns.shape[2])
    return expected_payment(table, columns, by_report(setting.policy[t], i))


def _fractions(asked: Asked, numbers: Numbers, solutions: list[list[list[Fraction]]]) -> Any:
    """Exact payments, and what the truth is worth under the given kernel."""
    env = asked.environment
    tables, ends, values = [], [], []
    for i in _agents(env):
        own, last = _split(asked, numbers, i, solutions[i])
        tables.append(own)
        ends.append(last)
        flows = []
        for t, policy in enumerate(asked.policy):
            here = np.arange(len(policy))
            flow = numbers.values[t][i][policy, here]
            if t < len(numbers.kernel):
                distribution = marginal(numbers.kernel[t][policy, here], numbers.shape[numbers.following(t)], i)
                flow = flow - numbers.discount * (distribution * own[t]).sum(axis=1)
            elif last is not None:
                flow = flow - last
            flows.append(flow)
        values.append(worth_of_flows(numbers, asked.policy, flows))
    return exact_transfers(env, asked.policy, tables, values, ends, [Fraction(0)] * env.agents)


def _valued(worth: Any, x: list[Fraction]) -> Array:
    padded = np.array([*x, Fraction(0)], dtype=object)  # column -1 takes the 0
    return np.asarray(worth.constant + worth.sign * padded[worth.column])
