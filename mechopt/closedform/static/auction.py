"""One item, one period, buyers with independent private types: the buyers, and a mechanism as arrays over profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.static.virtual_values import Distribution, exact_distribution
from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.reading import check
from mechopt.environment.supply import excess, weights_faults

Buyers = Sequence[tuple[Any, Any]]
"""One pair (values, probabilities) a buyer; supports may differ."""

ALLOCATION_SLACK = 1e-9
"""How far rounding may take an allocation out of bounds."""
MAX_ENTRIES = 10**8
"""Largest number of entries of an allocation: buyers times profiles."""


@dataclass(frozen=True, eq=False, repr=False)
class StaticMechanism:
    """Who gets one item and who pays what, by profile of reports.

    Parameters
    ----------
    buyers : sequence over i of pairs (values, probabilities)
        Types of each buyer; kept as read-only float arrays ``(K_i,)``.
    allocation : array ``allocation[i, k_0, ..., k_(n-1)]``
        Probability that buyer i gets the item at the reports k; at most 1 in sum over i.
    payment : array, shaped alike
        Expected payment from buyer i to the seller, over the mechanism's own coin.
    cost : number
        The seller's cost of a sale.
    slots : sequence of numbers, optional
        Weights of what is sold, the largest first, of which each buyer gets one or none; default one item.

    Raises
    ------
    InputError
        With every fault of the buyers; on wrong shapes, numbers that are not finite, or allocations out of bounds.

    Examples
    --------
    >>> sale = StaticMechanism([([1, 2], ["1/2", "1/2"])], np.array([[0, 1]]), np.array([[0, 2]]), cost=0.5)
    >>> sale
    StaticMechanism(1 buyer, 2 profiles; revenue 0.75, welfare 0.75, utilities (0))
    >>> sale.interim_utility
    (array([0., 0.]),)
    """

    buyers: tuple[tuple[FloatArray, FloatArray], ...]
    allocation: FloatArray
    payment: FloatArray
    cost: float = 0.0
    slots: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        faults: list[Fault] = []
        exact, cost = exact_buyers(self.buyers, faults), amount(self.cost, "cost", faults)
        slots = None if self.slots is None else slot_weights(self.slots, faults)
        if faults:
            raise InputError(faults)
        shape = (len(exact), *(len(buyer.values) for buyer in exact))
        arrays = {name: readonly(getattr(self, name)) for name in ("allocation", "payment")}
        for name, array in arrays.items():
            if array.shape != shape:
                faults.append(Fault(name, f"has shape {array.shape}", f"it must be {shape}"))
            elif not np.isfinite(array).all():
                faults.append(Fault(name, "holds numbers that are not finite", "give finite numbers"))
        x = arrays["allocation"]
        if not faults and slots is not None:
            if x.min() < -ALLOCATION_SLACK or excess(x, slots) > ALLOCATION_SLACK:
                what = f"goes down to {x.min():.6g}, and up to {excess(x, slots):.6g} above what there is"
                faults.append(Fault("allocation", what, "each buyer gets at most one slot"))
        elif not faults and (x.min() < -ALLOCATION_SLACK or x.sum(axis=0).max() > 1 + ALLOCATION_SLACK):
            what = f"goes from {x.min():.6g} to {x.sum(axis=0).max():.6g} in sum over buyers"
            faults.append(Fault("allocation", what, "probabilities, at most one item"))
        if faults:
            raise InputError(faults)
        for name, value in {"buyers": float_buyers(exact), "cost": cost, "slots": slots, **arrays}.items():
            object.__setattr__(self, name, value)

    @property
    def types(self) -> tuple[int, ...]:
        """Number of types of each buyer."""
        return tuple(values.size for values, _ in self.buyers)

    @cached_property
    def distribution(self) -> FloatArray:
        """Probability of each type profile; one axis a buyer."""
        return readonly(product_distribution([probabilities for _, probabilities in self.buyers]))

    @cached_property
    def ex_post_utility(self) -> FloatArray:
        """Truthful utility of each buyer at each profile; shape ``(n, *types)``."""
        return readonly(by_own_type([values for values, _ in self.buyers]) * self.allocation - self.payment)

    @cached_property
    def interim_utility(self) -> tuple[FloatArray, ...]:
        """``interim_utility[i][k]``: expected utility of buyer i of type k, over the others' types."""
        return self._interim(self.ex_post_utility)

    @cached_property
    def interim_allocation(self) -> tuple[FloatArray, ...]:
        """``interim_allocation[i][k]``: probability that buyer i gets the item with the report k."""
        return self._interim(self.allocation)

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility of each buyer."""
        pairs = zip(self.interim_utility, self.buyers, strict=True)
        return tuple(float(utility @ probabilities) for utility, (_, probabilities) in pairs)

    @cached_property
    def revenue(self) -> float:
        """Expected payments net of the cost of what is sold."""
        return float(np.sum(self.distribution * (self.payment - self.cost * self.allocation)))

    @property
    def welfare(self) -> float:
        """Expected value of what is sold net of its cost: revenue plus utilities."""
        return self.revenue + sum(self.utilities)

    def _interim(self, numbers: FloatArray) -> tuple[FloatArray, ...]:
        interim = []
        for i in range(len(self.buyers)):
            own = numbers[i]
            for j in reversed(range(len(self.buyers))):
                own = own if j == i else np.tensordot(own, self.buyers[j][1], axes=(j, 0))
            interim.append(readonly(own))
        return tuple(interim)

    def __repr__(self) -> str:
        count, profiles = len(self.buyers), prod(self.types)
        utilities = ", ".join(f"{utility:.6g}" for utility in self.utilities)
        return (
            f"{type(self).__name__}({count} buyer{'s' * (count > 1)}, {profiles} profile{'s' * (profiles > 1)}; "
            f"revenue {self.revenue:.6g}, welfare {self.welfare:.6g}, utilities ({utilities}))"
        )


def slot_weights(slots: Any, faults: list[Fault]) -> tuple[float, ...]:
    """Check the weights of slots; appends their faults."""
    weights = check.exact_list(slots, "slots", faults) or []
    faults += weights_faults(weights, "slots") if check.is_list(slots) else []
    return tuple(map(float, weights))


def by_rank(slots: tuple[float, ...], scores: FloatArray) -> FloatArray:
    """Weight of the slot that each buyer gets where the highest scores get the largest; ties to the lowest index.

    Parameters
    ----------
    slots : tuple of float
    scores : array ``(n, *types)``
    """
    weights = np.zeros(max(len(scores), len(slots)))
    weights[: len(slots)] = slots
    order = np.argsort(-scores, axis=0, kind="stable")
    given: FloatArray = weights[np.argsort(order, axis=0, kind="stable")]
    return given


def by_own_type(numbers: Sequence[FloatArray]) -> FloatArray:
    """Spread each buyer's numbers ``(K_i,)`` over the profiles; shape ``(n, *types)``."""
    return np.stack(np.broadcast_arrays(*np.ix_(*numbers)))


def product_distribution(probabilities: Sequence[FloatArray]) -> FloatArray:
    """Probability of each profile of independent types; one axis a buyer."""
    return reduce(np.multiply.outer, probabilities)


def summed_prices(allocation: FloatArray, prices: Sequence[FloatArray]) -> FloatArray:
    """Payments when each rise of a buyer's allocation, up to her own type, is paid for as it comes.

    Parameters
    ----------
    allocation : array ``(n, *types)``
    prices : sequence over buyers of arrays ``(K_i,)``
        Price of a rise from type k-1 to type k; the first, of what the lowest type gets.
    """
    rises = [np.diff(share, axis=i, prepend=0.0) for i, share in enumerate(allocation)]
    return np.stack(
        [np.cumsum(rise * p, axis=i) for i, (rise, p) in enumerate(zip(rises, by_own_type(prices), strict=True))]
    )


def exact_buyers(buyers: Any, faults: list[Fault]) -> list[Distribution]:
    """Check the buyers; appends every fault, and what comes back is complete where there was none.

    Raises
    ------
    LimitError
        If an allocation by profile would have more than ``MAX_ENTRIES`` entries.
    """
    if isinstance(buyers, str) or not isinstance(buyers, Sequence) or not buyers:
        fix = 'write one pair a buyer, such as [([1, 2], ["1/2", "1/2"])]'
        raise InputError([*faults, Fault("buyers", "is not a list of pairs (values, probabilities)", fix)])
    exact = []
    for i, pair in enumerate(buyers):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            faults.append(Fault(f"buyers[{i}]", "is not a pair (values, probabilities)"))
            continue
        distribution, found = exact_distribution(*pair)
        faults += check.prefixed(found, f"buyers[{i}]")
        if distribution is not None:
            exact.append(distribution)
    entries = len(exact) * prod(len(buyer.values) for buyer in exact)
    if entries > MAX_ENTRIES:
        raise LimitError(
            f"an allocation by profile would have {entries:.3g} entries, the limit is {MAX_ENTRIES:.3g}; "
            "give fewer buyers or fewer types"
        )
    return exact


def float_buyers(exact: Sequence[Distribution]) -> tuple[tuple[FloatArray, FloatArray], ...]:
    """Checked buyers as pairs of read-only float arrays."""
    return tuple((readonly(list(map(float, v))), readonly(list(map(float, p)))) for v, p in exact)


def amount(given: Any, where: str, faults: list[Fault], infinite: bool = False) -> float:
    """Check an amount of money, at least 0; appends its fault."""
    if infinite and isinstance(given, (float, np.floating)) and given >= 0:
        return float(given)
    exact = check.exact_scalar(given, where, faults)
    if exact is not None and exact < 0:
        faults.append(Fault(where, f"is {check.shown(exact)}", "it must be at least 0"))
    return 0.0 if exact is None else float(exact)


def amounts(given: Any, where: str, buyers: int, faults: list[Fault], infinite: bool = False) -> FloatArray:
    """Check amounts of money, one a buyer or one for all; shape ``(n,)``."""
    if isinstance(given, str) or not isinstance(given, (Sequence, np.ndarray)):
        return np.full(buyers, amount(given, where, faults, infinite))
    if len(given) != buyers:
        faults.append(Fault(where, f"has {len(given)} entries for {buyers} buyers", "give one a buyer, or one number"))
    return np.array([amount(entry, f"{where}[{i}]", faults, infinite) for i, entry in enumerate(given)])
