"""A direct mechanism: who gets the item and who pays what, at every history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.supply import excess
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.outcome import Outcome, outcome, own_values, realised_utilities

ALLOCATION_SLACK = 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class Mechanism(MechanismMethods):
    """Allocation and payment of every buyer at every history of reports.

    Parameters
    ----------
    environment : IndependentTypes
    allocation : sequence over t of arrays ``allocation[t][i, h, k_0, ..., k_(n-1)]``
        Probability that buyer i gets the item of period t after history h (numbered as in `HistoryTree`) and the
        reports k of period t; in [0, 1], and at most 1 in sum over i (of slots, the weight that she gets). Shape
        ``(n, count[t], *types[t])``.
    payment : sequence over t, shaped alike
        Expected payment from buyer i to the seller, money of period t, undiscounted.
    claims : tuple of Constraint
        What the mechanism was made to satisfy; `mechopt.verify` checks these unless told otherwise.
    source : str
        How it came about.
    guarantee : Fraction or None
        Proved share of the largest revenue that DIC and EPIR allow.

    Raises
    ------
    InputError
        On wrong shapes, numbers that are not finite, or allocations out of bounds.

    Examples
    --------
    Sell one item at price 2 to a buyer who values it at 1 or 2:

    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> Mechanism(env, [np.array([[[0, 1]]])], [np.array([[[0, 2]]])])
    Mechanism(1 buyer, 1 period, 2 histories; revenue 1, welfare 1, utilities (0))

    Change payments with ``dataclasses.replace(mechanism, payment=...)``.
    """

    environment: IndependentTypes
    allocation: tuple[FloatArray, ...]
    payment: tuple[FloatArray, ...]
    claims: tuple[Constraint, ...] = ()
    source: str = ""
    guarantee: Fraction | None = None

    def __post_init__(self) -> None:
        require_type(
            self.environment, "IndependentTypes", "Mechanism", "its tables are by reports of independent types"
        )
        object.__setattr__(self, "claims", tuple(self.claims))
        faults: list[Fault] = []
        for name in ("allocation", "payment"):
            object.__setattr__(self, name, self._checked(name, getattr(self, name), faults))
        if not faults:
            for t, x in enumerate(self.allocation):
                slots, sold = self.environment.slots, x.sum(axis=0)
                if slots is not None:
                    over = excess(x, slots[t].tolist())
                    if x.min() < -ALLOCATION_SLACK or over > ALLOCATION_SLACK:
                        what = f"goes down to {x.min():.6g}, and up to {over:.6g} above what there is to sell"
                        faults.append(Fault(f"allocation[{t}]", what, "each buyer gets at most one unit or slot"))
                elif x.min() < -ALLOCATION_SLACK or sold.max() > 1 + ALLOCATION_SLACK:
                    what = f"goes from {x.min():.6g} to {sold.max():.6g} in sum over buyers"
                    faults.append(Fault(f"allocation[{t}]", what, "probabilities, at most one item a period"))
        if faults:
            raise InputError(faults)

    def _checked(self, name: str, given: Sequence[FloatArray], faults: list[Fault]) -> tuple[FloatArray, ...]:
        tree = HistoryTree(self.environment)
        if not isinstance(given, (tuple, list, np.ndarray)):
            faults.append(Fault(name, f"is {type(given).__name__}", "give a list of arrays, one a period"))
            return ()
        if len(given) != tree.horizon:
            faults.append(
                Fault(name, f"has {len(given)} periods, the environment {tree.horizon}", "give one array each")
            )
            return ()
        arrays = []
        for t, entry in enumerate(given):
            try:
                array = readonly(entry) if np.asarray(entry).flags.writeable else np.asarray(entry, dtype=np.float64)
            except (TypeError, ValueError):
                faults.append(Fault(f"{name}[{t}]", "is not an array of numbers", "give one"))
                continue
            shape = (self.environment.agents, *tree.children(t))
            if array.shape != shape:
                faults.append(Fault(f"{name}[{t}]", f"has shape {array.shape}", f"it must be {shape}"))
            elif not np.isfinite(array).all():
                faults.append(Fault(f"{name}[{t}]", "holds numbers that are not finite", "give finite numbers"))
            arrays.append(array)
        return tuple(arrays)

    @cached_property
    def tree(self) -> HistoryTree:
        """The histories."""
        return HistoryTree(self.environment)

    @cached_property
    def outcome(self) -> Outcome:
        """Expected payments, utilities and cost at truthful reports."""
        return outcome(self.tree, self.allocation, self.payment)

    @cached_property
    def realised(self) -> tuple[FloatArray, ...]:
        """Present value of each buyer's utility on each history, by its length t = 0, ..., T; shapes ``(n, count[t])``.

        In an optimum with bank timing of payments this is the buyer's balance.
        """
        return realised_utilities(self.tree, self.allocation, self.payment)

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs."""
        return self.outcome.revenue

    @property
    def welfare(self) -> float:
        """Expected present value of what is sold, net of costs."""
        return self.outcome.welfare

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each buyer's utility."""
        return self.outcome.utilities

    def values(self, t: int) -> FloatArray:
        """Each buyer's value at each profile of period t, broadcastable to ``allocation[t]``."""
        return own_values(self.tree, t)

    def __repr__(self) -> str:
        env = self.environment
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return (
            f"Mechanism({env.agents} buyer{'s' * (env.agents > 1)}, {env.horizon} period{'s' * (env.horizon > 1)}, "
            f"{sum(self.tree.count[1:])} histories; revenue {self.revenue:.6g}, welfare {self.welfare:.6g}, "
            f"utilities ({utilities}))"
        )
