"""An agent's best response to a mechanism: truthful continuation values and best reporting strategies.

Everything is in present value. For buyer i after the history h of length t, with everybody truthful from then on,

    V_t(h) = E[ delta^t (theta x(h, theta) - p(h, theta)) + V_{t+1}(h, theta) ],   V_T = 0,

the expectation over all buyers' types of period t. If buyer i may report as she likes, now and later, while the others
are truthful, backward induction gives

    B_t(h) = E_k max_j E_others[ delta^t (v_k x(h, j, .) - p(h, j, .)) + B_{t+1}(h, j, .) ],   B_T = 0.

Types are independent across periods, so the public history is all that her future depends on, and B is the best over
all strategies. `Sizes` are the same sums of absolute values, from which the rounding of the payoffs is bounded
(`mechopt.verification.rounding`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.mechanism.direct import Mechanism
from mechopt.verification.rounding import Precision


@dataclass(frozen=True, eq=False)
class Payoffs:
    """Payoffs of one buyer in a mechanism.

    Parameters
    ----------
    mechanism : Mechanism
    buyer : int
    """

    mechanism: Mechanism
    buyer: int

    def value(self, t: int) -> FloatArray:
        """Present value of the item by own type, ``(K,)``."""
        env = self.mechanism.environment
        value: FloatArray = env.own_present_value[self.buyer][t] * env.values[self.buyer][t]
        return value

    def option(self, t: int) -> FloatArray:
        """Present value of the outside option by own type, ``(K,)``."""
        env = self.mechanism.environment
        if env.outside is None:
            return np.zeros_like(env.values[self.buyer][t])
        option: FloatArray = env.own_present_value[self.buyer][t] * env.outside[self.buyer][t]
        return option

    def allocation(self, t: int) -> FloatArray:
        """``(count[t], *types[t])``."""
        allocation: FloatArray = self.mechanism.allocation[t][self.buyer]
        return allocation

    def payment(self, t: int) -> FloatArray:
        """Present value, ``(count[t], *types[t])``."""
        weight = self.mechanism.environment.own_present_value[self.buyer][t]
        payment: FloatArray = weight * self.mechanism.payment[t][self.buyer]
        return payment

    def utility(self, t: int) -> FloatArray:
        """Truthful utility of period t, present value; ``(count[t], *types[t])``."""
        axes = [1] * (self.mechanism.environment.agents + 1)
        axes[1 + self.buyer] = -1
        utility: FloatArray = self.value(t).reshape(axes) * self.allocation(t) - self.payment(t)
        return utility

    def interim(self, array: FloatArray, t: int) -> FloatArray:
        """Average over the others' current types: ``(histories, *types[t])`` to ``(histories, own types)``."""
        for j in reversed(range(self.mechanism.environment.agents)):
            if j != self.buyer:
                distribution = self.mechanism.environment.probabilities[j][t]
                array = np.asarray(np.tensordot(array, distribution, axes=(1 + j, 0)), dtype=np.float64)
        return array

    def expected(self, array: FloatArray, t: int) -> FloatArray:
        """Average over everybody's current types: ``(histories, *types[t])`` to ``(histories,)``."""
        average: FloatArray = self.interim(array, t) @ self.mechanism.environment.probabilities[self.buyer][t]
        return average

    @cached_property
    def continuation(self) -> list[FloatArray]:
        """``continuation[t]``: truthful V after each history of length t = 0, ..., T; ``(count[t],)``."""
        tree = self.mechanism.tree
        values = [np.zeros(tree.count[-1])]
        for t in reversed(range(tree.horizon)):
            values.append(self.expected(self.utility(t) + values[-1].reshape(tree.children(t)), t))
        return values[::-1]

    @cached_property
    def realised(self) -> list[FloatArray]:
        """``realised[t]``: sum of utilities on each history of length t = 0, ..., T; ``(count[t],)``."""
        sums = [np.zeros(1)]
        for t in range(self.mechanism.tree.horizon):
            before = sums[-1].reshape(-1, *[1] * self.mechanism.environment.agents)
            sums.append((before + self.utility(t)).ravel())
        return sums

    def report_payoffs(self, t: int, continuation: FloatArray, part: slice = slice(None)) -> FloatArray:
        """Expected payoff from period t on of each true type and report.

        Parameters
        ----------
        t : int
        continuation : array ``(count[t+1],)``
            Value of what follows each history of length t+1.
        part : slice
            Of the histories of length t.

        Returns
        -------
        array ``(histories, true type, report)``
        """
        after = continuation.reshape(self.mechanism.tree.children(t))[part]
        fixed = self.interim(after - self.payment(t)[part], t)
        sold = self.interim(self.allocation(t)[part], t)
        return self.value(t)[:, None] * sold[:, None, :] + fixed[:, None, :]

    @cached_property
    def best_strategy_gain(self) -> float:
        """Largest gain, over histories and types, of any strategy of present and later misreports over truth."""
        tree, env = self.mechanism.tree, self.mechanism.environment
        best, worst = np.zeros(tree.count[-1]), 0.0
        for t in reversed(range(tree.horizon)):
            probabilities = env.probabilities[self.buyer][t]
            found = np.empty(tree.count[t])
            for part in parts(tree.count[t], probabilities.size**2):
                attained = self.report_payoffs(t, best, part).max(axis=2)
                truth = self.interim(
                    self.utility(t)[part] + self.continuation[t + 1].reshape(tree.children(t))[part], t
                )
                worst = max(worst, float((attained - truth).max()))
                found[part] = attained @ probabilities
            best = found
        return worst


class Sizes(Payoffs):
    """Sums of the absolute values of what the payoffs are sums of."""

    def value(self, t: int) -> FloatArray:
        """Absolute values."""
        return np.abs(super().value(t))

    def option(self, t: int) -> FloatArray:
        """Absolute values."""
        return np.abs(super().option(t))

    def allocation(self, t: int) -> FloatArray:
        """Absolute values."""
        return np.abs(super().allocation(t))

    def payment(self, t: int) -> FloatArray:
        """Less the absolute value, so that what is subtracted adds up."""
        return -np.abs(super().payment(t))


def precision(mechanism: Mechanism) -> Precision:
    """Rounding of the payoffs of a mechanism.

    A term meets, a period: the roundings of its value, discount and product with the allocation (5), the addition of
    what follows (1), and for each buyer the input, product and sum of an average over her types (K + 2); ``discount^t``
    itself rounds t + 2 times, and three differences come last.
    """
    env = mechanism.environment
    depth = sum(6 + sum(types) + 2 * len(types) for types in env.shape) + env.horizon + 8
    largest = max(
        *(float(np.abs(values).max()) for row in env.values for values in row),
        *(float(np.abs(paid).max()) for paid in mechanism.payment),
        *(float(np.abs(part).max()) for row in env.outside or () for part in row),
    )
    return Precision.of(depth, largest)


PART_ENTRIES = 4_000_000


def parts(histories: int, entries_each: int) -> list[slice]:
    """Cut the histories into slices whose arrays stay below ``PART_ENTRIES`` entries where they can."""
    step = max(1, PART_ENTRIES // entries_each)
    return [slice(first, min(first + step, histories)) for first in range(0, histories, step)]
