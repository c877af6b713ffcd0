"""Repeated sale to buyers whose types are independent across periods and buyers.

Each period t = 0, ..., T-1 the seller has one item, or several units or slots (see `mechopt.environment.supply`);
buyer i draws type k with probability ``probabilities[i][t][k]`` and then values the item at ``values[i][t][k]``. A sale
at t costs the seller ``cost[t]``, and where it goes to buyer i of type k is worth ``seller_values[i][t][k]`` to her.
Everybody discounts period t by ``discount**t``. This is the setting of Mirrokni, Paes Leme, Tang and Zuo (2020), who
count periods from 1 and where nothing is worth anything to the seller.

Types of probability zero are types all the same: constraints hold for them and after their reports. For the
constraints of this library this changes no optimum, because such a type can be given an option that it may refuse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly, to_exact
from mechopt.environment.base import EnvironmentBase, counted, named_parts, periods
from mechopt.environment.reading import check
from mechopt.environment.reading.independent import ExactIndependent, ExactNested, read_independent
from mechopt.environment.reading.nested import plain, unrounded
from mechopt.environment.reading.order import in_order
from mechopt.environment.supply import expected_best


@dataclass(frozen=True, eq=False, repr=False, init=False)
class IndependentTypes(EnvironmentBase):
    """Types independent across periods: one or many buyers, one item a period, or several.

    Parameters
    ----------
    values : nested sequences, ``values[i][t][k]``
        Value of the item to buyer i of type k in period t, at least 0 and increasing in k. Supports may differ in
        size and content by buyer and period.
    probabilities : nested sequences, ``probabilities[i][t][k]``
        At least 0, sum to 1 over k.
    cost : number or sequence over t
        The seller's cost of a sale, money of its own period, of any sign; default 0.
    discount : number
        In (0, 1]; default 1.
    seller_values : nested sequences, ``seller_values[i][t][k]``, optional
        What a sale to buyer i of type k is worth to the seller besides the payment and the cost, of any sign; None for
        a buyer of whom this is 0.
    slots : sequence of numbers, or a sequence of these over periods, optional
        Weights of the slots of a period, above 0, at most 1, the largest first: each buyer gets one or none.
    supply : int, or sequence of int over periods
        Instead: units of the item, of which each buyer wants one; default 1.
    outside : sequence over buyers, optional
        What a buyer has who does not take part: a number or one by initial type, at contracting alone; or a list by
        period of either, present value as of the period. None for a buyer who has nothing. See `ExAnteIR`, `Interim`.
    discounts : sequence over buyers, optional
        Buyers' own, where they differ from ``discount``, which is then the seller's; None where hers does not.
    exact : ExactIndependent, optional
        The numbers that float arguments are the rounding of; ``dataclasses.replace`` passes it on.

    Attributes
    ----------
    values, probabilities : tuples over buyers of tuples over periods of read-only float arrays ``(K,)``
    cost : read-only float array ``(T,)``
    discount : float
    seller_values : like values, or None where they are all 0
    slots : tuple over periods of read-only float arrays ``(S_t,)``, or None
        Weights of the slots, those of units 1, of each at most as many as buyers; None: one item a period.
    outside : ``outside[i][t]``: read-only float arrays ``(type,)``, or None where all are 0
    discounts : tuple of float, or None where all are `discount`
    exact : ExactIndependent or None
        The same as fractions; None where float probabilities sum to 1 only within rounding.

    Raises
    ------
    InputError
        With every fault of the input.

    Examples
    --------
    >>> env = IndependentTypes(values=[[[1, 2], [1, 4, 9]]], probabilities=[[["1/2", "1/2"], [0.5, 0.25, 0.25]]])
    >>> env
    IndependentTypes(1 buyer, 2 periods, types 2-3, first best 5.25)
    >>> env.exact.probabilities[0][1]
    (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4))
    """

    values: tuple[tuple[FloatArray, ...], ...]
    probabilities: tuple[tuple[FloatArray, ...], ...]
    cost: FloatArray
    discount: float
    seller_values: tuple[tuple[FloatArray, ...], ...] | None
    slots: tuple[FloatArray, ...] | None
    outside: tuple[tuple[FloatArray, ...], ...] | None
    discounts: tuple[float, ...] | None
    exact: ExactIndependent | None

    kind = "independent"

    def __init__(
        self,
        values: Any,
        probabilities: Any,
        cost: Any = 0,
        discount: Any = 1,
        seller_values: Any = None,
        slots: Any = None,
        outside: Any = None,
        discounts: Any = None,
        exact: ExactIndependent | None = None,
        supply: Any = 1,
    ) -> None:
        if exact is not None:
            values, probabilities = unrounded(values, exact.values), unrounded(probabilities, exact.probabilities)
            cost, discount = unrounded(cost, exact.cost), unrounded(discount, exact.discount)
            seller_values, slots = unrounded(seller_values, exact.seller_values), unrounded(slots, exact.slots)
            outside, discounts = unrounded(outside, exact.outside), unrounded(discounts, exact.discounts)
        given = {"values": values, "probabilities": probabilities, "cost": cost, "discount": discount}
        given |= {"seller_values": seller_values, "supply": supply, "slots": slots}
        given |= {"outside": outside, "discounts": discounts}
        numbers, is_exact, faults = read_independent(**given)
        if faults or numbers is None:
            layouts = {key: f"{key}[i][t]" for key in ("values", "probabilities", "seller_values")}
            raise InputError(in_order(given, layouts, lambda parts: read_independent(**parts)[-1]))
        floats = _shared_arrays()
        set_field = object.__setattr__
        set_field(self, "values", tuple(tuple(map(floats, row)) for row in numbers.values))
        set_field(self, "probabilities", tuple(tuple(map(floats, row)) for row in numbers.probabilities))
        set_field(self, "cost", readonly([float(c) for c in numbers.cost]))
        set_field(self, "discount", float(numbers.discount))
        for name in ("seller_values", "outside"):
            rows = getattr(numbers, name)
            set_field(self, name, None if rows is None else tuple(tuple(map(floats, row)) for row in rows))
        set_field(self, "discounts", None if numbers.discounts is None else tuple(map(float, numbers.discounts)))
        set_field(self, "slots", None if numbers.slots is None else tuple(map(floats, numbers.slots)))
        set_field(self, "exact", numbers if is_exact else None)

    @classmethod
    def iid(
        cls,
        values: Sequence[Any],
        probabilities: Sequence[Any],
        horizon: int,
        agents: int = 1,
        cost: Any = 0,
        discount: Any = 1,
        seller_values: Any = None,
        slots: Any = None,
        supply: Any = 1,
    ) -> Self:
        """Build the environment in which every buyer draws from one distribution in every period.

        Parameters
        ----------
        values, probabilities : sequences over k
            The distribution.
        horizon, agents : int
            Numbers of periods and of buyers, at least 1.
        cost, discount : numbers
            As for the class.
        seller_values : sequence over k, optional
            What a sale to each type is worth to the seller.
        slots, supply
            As for the class.

        Examples
        --------
        >>> IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], horizon=3)
        IndependentTypes(1 buyer, 3 periods, 2 types, first best 4.5)
        """
        faults = check.horizon_faults(horizon)
        if isinstance(agents, bool) or not isinstance(agents, (int, np.integer)):
            faults.append(Fault("agents", f"is {agents!r}", "write a whole number such as 2"))
        elif agents < 1:
            faults.append(Fault("agents", f"is {agents}", "there must be at least one buyer"))
        if faults:
            raise InputError(faults)
        gains = None if seller_values is None else ((seller_values,) * horizon,) * agents
        rows = ((values,) * horizon,) * agents, ((probabilities,) * horizon,) * agents
        return cls(*rows, cost, discount, gains, slots, supply=supply)

    @property
    def agents(self) -> int:
        """Number of buyers n."""
        return len(self.values)

    @property
    def horizon(self) -> int:
        """Number of periods T."""
        return len(self.values[0])

    @cached_property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types of buyer i in period t."""
        return tuple(tuple(row[t].size for row in self.values) for t in range(self.horizon))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the buyers: their numbers."""
        return tuple(map(str, range(self.agents)))

    @cached_property
    def types(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """``types[i][t][k]``: names of the types, which are their values as text."""
        source: Any = self.exact.values if self.exact is not None else self.values
        return tuple(tuple(tuple(check.shown(to_exact(v)) for v in stage) for stage in row) for row in source)

    @property
    def initial(self) -> tuple[FloatArray, ...]:
        """``initial[i]``: distribution of buyer i's first type, ``(type,)``."""
        return tuple(row[0] for row in self.probabilities)

    @property
    def kernel(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``kernel[i][t]``: distribution of the next type, ``(1, type, next)``, whatever is sold; rows are equal.

        Of length T - 1 over periods, as for persistent types; the leading axis is that of actions.
        """
        return tuple(
            tuple(np.broadcast_to(after, (1, now.size, after.size)) for now, after in pairwise(row))
            for row in self.probabilities
        )

    @cached_property
    def present_value(self) -> FloatArray:
        """``present_value[t] = discount**t``: of money of period t."""
        return readonly(self.discount ** np.arange(self.horizon))

    @property
    def plain(self) -> bool:
        """Whether nothing is worth anything to the seller, nobody has anything outside, and all discount alike."""
        return self.seller_values is None and self.outside is None and self.discounts is None

    @cached_property
    def own_present_value(self) -> tuple[FloatArray, ...]:
        """``own_present_value[i][t]``: what money of period t is worth to agent i at first, by her own discount."""
        if self.discounts is None:
            return (self.present_value,) * self.agents
        return tuple(readonly(own ** np.arange(len(self.present_value))) for own in self.discounts)

    def distribution(self, t: int) -> FloatArray:
        """Probability of each type profile of period t; axes: type of buyer 0, ..., type of buyer n-1."""
        profiles: FloatArray = np.ones(())
        for row in self.probabilities:
            profiles = np.multiply.outer(profiles, row[t])
        return profiles

    @cached_property
    def money_scale(self) -> float:
        """Largest present value that one agent can get from all items, or 1 if nothing has value."""
        worth = zip(self.own_present_value, self.values, strict=True)
        best = max(float(sum(weights * [v[-1] for v in row])) for weights, row in worth)
        return best or 1.0

    @cached_property
    def exact_surplus(self) -> ExactNested | None:
        """``exact_surplus[i][t][k]``: value less cost plus what a sale is worth to the seller; None without `exact`."""
        if self.exact is None:
            return None
        rows, gains = self.exact.values, self.exact.seller_values
        return tuple(
            tuple(
                tuple(v - self.exact.cost[t] + (gains[i][t][k] if gains else 0) for k, v in enumerate(values))
                for t, values in enumerate(row)
            )
            for i, row in enumerate(rows)
        )

    @cached_property
    def surplus(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``surplus[i][t]``: the same as floats, rounded once where numbers are exact; money of period t."""
        if self.exact_surplus is not None:
            return tuple(tuple(readonly(list(map(float, k))) for k in row) for row in self.exact_surplus)
        return tuple(
            tuple(readonly(values - self.net_cost[i][t]) for t, values in enumerate(row))
            for i, row in enumerate(self.values)
        )

    @cached_property
    def net_cost(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``net_cost[i][t]``: cost of a sale less what it is worth to the seller, by type; money of period t."""
        gains = self.seller_values
        return tuple(
            tuple(
                readonly(np.full(values.size, self.cost[t]) - (gains[i][t] if gains else 0.0))
                for t, values in enumerate(row)
            )
            for i, row in enumerate(self.values)
        )

    @cached_property
    def first_best(self) -> float:
        """Expected surplus of the efficient rule, present value: no mechanism has a higher welfare.

        Computed period by period from the distribution of the largest value, without profiles.
        """
        return float(sum(self.present_value[t] * self._expected_surplus(t) for t in range(self.horizon)))

    def _expected_surplus(self, t: int) -> float:
        """E max(largest value - cost, 0) of period t: integrate 1 - P(largest value <= v) from the cost upwards."""
        rows, cost = [row[t] for row in self.values], float(self.cost[t])
        if self.discounts is not None:
            share = [own[t] / self.present_value[t] for own in self.own_present_value]
            pairs = zip(self.values, self.net_cost, share, strict=True)
            rows, cost = [s * values[t] - costs[t] for values, costs, s in pairs], 0.0
        elif self.slots is not None or self.seller_values is not None:
            rows, cost = [row[t] for row in self.surplus], 0.0
        if self.slots is not None:
            return expected_best(rows, [row[t] for row in self.probabilities], self.slots[t].tolist())
        points = np.unique(np.concatenate(rows))
        below = np.ones(points.size)  # P(every buyer's value <= point)
        for values, probabilities in zip(rows, self.probabilities, strict=True):
            order = np.argsort(values, kind="stable")
            cumulative = np.concatenate([[0.0], np.cumsum(probabilities[t][order])])
            below *= cumulative[np.searchsorted(values[order], points, side="right")]
        largest = np.diff(below, prepend=0.0)
        return float(largest @ np.maximum(points - cost, 0.0))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers; equal instances have equal fingerprints."""
        if self.exact is not None:
            numbers: Any = [[[[str(v) for v in k] for k in row] for row in part] for part in self.exact[:2]]
            numbers += [[str(c) for c in self.exact.cost], str(self.exact.discount)]
        else:
            numbers = [[[v.tolist() for v in row] for row in part] for part in (self.values, self.probabilities)]
            numbers += [self.cost.tolist(), self.discount]
        if self.seller_values is not None or self.outside is not None or self.discounts is not None:
            numbers += named_parts(self.exact or self)
        if self.slots is not None:
            numbers.append({"slots": plain((self.exact or self).slots)})
        return hashlib.sha256(json.dumps([self.kind, numbers]).encode()).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        source = self.exact or self
        numbers = source.values, source.probabilities, source.cost, source.discount
        return type(self), (*numbers, source.seller_values, source.slots, source.outside, source.discounts)

    def __repr__(self) -> str:
        counts = sorted({k for sizes in self.shape for k in sizes})
        spread = counted(counts[0], "type") if len(counts) == 1 else f"types {counts[0]}-{counts[-1]}"
        parts = [counted(self.agents, "buyer"), periods(self.horizon), spread]
        if self.slots is not None:
            sizes = sorted({len(row) for row in self.slots})
            most = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            parts.append(f"{most} {'units' if all((row == 1).all() for row in self.slots) else 'slots'}")
        parts.append(f"first best {self.first_best:.6g}")
        return f"IndependentTypes({', '.join(parts)})"


def _shared_arrays() -> Any:
    """Read-only float arrays, one for all equal tuples (a thousand equal periods share one)."""
    cache: dict[tuple[Fraction, ...], FloatArray] = {}

    def floats(numbers: tuple[Fraction, ...]) -> FloatArray:
        if numbers not in cache:
            cache[numbers] = readonly([float(v) for v in numbers])
        return cache[numbers]

    return floats
