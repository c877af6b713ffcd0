"""From the plan of a program over scenarios to its arrays, and from its solutions back to mechanisms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from mechopt.core.numbers import FloatArray, readonly
from mechopt.lp.independent.compile import column_bounds
from mechopt.lp.program import LinearProgram, assemble
from mechopt.lp.scenarios.plan import ScenarioPlan
from mechopt.mechanism.constraints import DIC, INDU, PPIC, Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_values


@dataclass(frozen=True, eq=False)
class ScenarioLayout:
    """The way back from a vector of columns to the mechanisms of the scenarios.

    Attributes
    ----------
    plan : ScenarioPlan
    """

    plan: ScenarioPlan

    def mechanism(self, x: FloatArray, s: int) -> Mechanism:
        """The mechanism in scenario number s; the same for two scenarios as long as they are at the same nodes.

        In the utility form, where no scenario ends, the buyers' realised utility follows the lifetime utility of the
        first one through the node: no prefix of reports is then worth less than 0 where no path is, and with one buyer
        every period is incentive compatible by itself.

        Parameters
        ----------
        x : float array ``(columns,)``
        s : int
        """
        plan, tree, columns = self.plan, self.plan.trees[s], self.plan.columns
        env, path = tree.environment, plan.scenarios.paths[s]
        realised = [np.zeros((env.agents, 1))]
        for t, node in enumerate(path[1:], start=1):
            told = columns[s].realised if plan.terms.form == "payment" else columns[plan.tellers[node]].lifetime
            realised.append(x[told[t]] * plan.unit)
        allocation, payment = [], []
        for t in range(tree.horizon):
            sold = np.clip(x[columns[s].allocation[t]], 0.0, 1.0) + 0.0  # + 0.0: no negative zeros
            gain = realised[t + 1].reshape(sold.shape) - realised[t].reshape(*realised[t].shape, *[1] * env.agents)
            allocation.append(readonly(sold))
            payment.append(readonly(own_values(tree, t) * sold - gain / env.present_value[t] + 0.0))
        words = f"best non-clairvoyant {plan.goal}, scenario {plan.scenarios.names[s]}"
        terms = plan.terms
        claims: tuple[Constraint, ...] = (DIC(), PPIC(), INDU()) if terms.constant else terms.ic
        return Mechanism(env, tuple(allocation), tuple(payment), (*claims, *terms.ir, *terms.subject_to), words)


def compile_scenarios(plan: ScenarioPlan, optima: Sequence[float]) -> tuple[LinearProgram, ScenarioLayout]:
    """Build the program of the best guarantee.

    Parameters
    ----------
    plan : ScenarioPlan
    optima : sequence of float
        By scenario, what its revenue is measured by: the clairvoyant optimum.

    Returns
    -------
    program : LinearProgram
        Maximises the guarantee (or the weighted one, or less the regret in units of ``plan.unit``).
    layout : ScenarioLayout
        Takes its solutions back to mechanisms.

    Examples
    --------
    >>> from mechopt import Scenarios
    >>> coin = {"name": "F", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> program, layout = compile_scenarios(ScenarioPlan(Scenarios([coin], [["F"], ["F", "F"]])), [2, 4.5])
    >>> program.size, layout.plan.size.nonzeros, program.describe_row(5)
    ((18, 21, 56), 56, "scenario 'F, F', promise, buyer 0, period 0, at the start")
    """
    families, blocks = plan.families(optima), tuple(plan.blocks.values())
    cost, goal = np.zeros(plan.count), plan.numbers("goal", 0, 0)
    lower, upper = np.full(plan.count, -np.inf), np.full(plan.count, np.inf)
    for part, columns in zip(plan.parts, plan.columns, strict=True):
        low, high = column_bounds(part, columns)
        lower, upper = np.maximum(lower, low), np.minimum(upper, high)
    for (kind, s, _), block in plan.blocks.items():
        if kind == "welfare to come" and not plan.scenarios.environments[s].cost.any():
            lower[block.first : block.first + prod(block.shape)] = 0.0
    lower[goal] = 0.0
    if plan.terms.objective == "regret":
        cost[goal] = -1.0
    else:
        cost[goal] = upper[goal] = 1.0
    start, index, value, row_lower, row_upper = assemble([family.build(plan.columns[0]) for family in families])
    firsts = np.cumsum([0, *(family.rows for family in families)])[:-1]
    program = LinearProgram(
        readonly(cost),
        0.0,
        readonly(lower),
        readonly(upper),
        start,
        index,
        value,
        row_lower,
        row_upper,
        tuple((int(first), family) for first, family in zip(firsts, families, strict=True)),
        blocks,
        plan.trees[0],
        max(tree.horizon for tree in plan.trees),
    )
    return program, ScenarioLayout(plan)
