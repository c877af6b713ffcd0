r"""Revenue of a menu of contracts from one buyer, in exact numbers of any ordered field, for finite horizons.

The menus are the published one of the virtual pivot and, of one item whose sale moves no signals, that of the highest
prices that stay the same and keep every other type away (`mechopt.closedform.virtual.menu`). The buyer takes what is
best for her and buys what is best for her; ties go the seller's way. Where neither menu attains the bound the optimal
contract has prices that a linear program finds, and no function here.

Source: Kakade, Lobel and Nazerzadeh (2013), section 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from mechopt.closedform.static.functions import Number
from mechopt.closedform.virtual.functions import Pivot, Separable, virtual_bound, virtual_pivot_of
from mechopt.core.errors import InputError


class Offer(NamedTuple):
    """A contract: prices of the actions, the same in all periods, and what is paid at contracting."""

    prices: tuple[Number, ...]
    upfront: Number


class Taken(NamedTuple):
    """Worth of a contract to a type and to the seller, present values; the second breaks ties of the first."""

    utility: Number
    profit: Number

    def beats(self, other: Taken) -> bool:
        """Whether the buyer prefers it, or the seller does where the buyer does not mind."""
        return self.utility > other.utility or (not self.utility < other.utility and self.profit > other.profit)


def contract_profit(model: Separable) -> Number:
    """Profit of `optimal_contract` where it attains the bound without a program.

    Raises
    ------
    InputError
        If there are several agents, or the prices come from a program.
    """
    if model.agents > 1:
        raise InputError(f"optimal-contract is for one agent, not {model.agents}")
    pivot, bound = virtual_pivot_of(model), virtual_bound(model)
    best = menu_profit(model, published(pivot))
    if best < bound and (menu := constant_menu(pivot)) is not None:
        other = menu_profit(model, menu)
        best = other if other > best else best
    if best < bound:
        raise InputError(
            "optimal-contract: neither the published prices nor others that stay the same attain the bound, and those "
            "of a linear program are known at points only: mo.optimal_contract"
        )
    return best


def published(pivot: Pivot) -> list[Offer]:
    """Prices ``(c(a) - min c - beta_k(a)) / alpha_k`` and upfront payments, by included type."""
    model, least = pivot.model, _least(pivot.model.exact.cost)
    offers = []
    for k in range(len(model.levels[0])):
        if not pivot.members[k,]:
            continue
        low, level = model.virtual[0][k], model.levels[0][k]
        if model.multiplicative[0]:
            prices = [(cost - least) * level / low for cost in model.exact.cost]
        else:
            rates = model.exact.rate[0] or ()
            prices = [cost - least - (low - level) * r for cost, r in zip(model.exact.cost, rates, strict=True)]
        offers.append(_offer(pivot, k, prices))
    return offers


def _offer(pivot: Pivot, k: int, prices: Sequence[Number]) -> Offer:
    """Prices with the upfront payment that leaves a type her U under the policy."""
    model = pivot.model
    net = [[v - price for v in row] for row, price in zip(model.values(0, model.levels[0][k]), prices, strict=True)]
    return Offer(tuple(prices), model.total((0,), pivot.policy[k,], 0, net) - pivot.utility[0][k,])


def _least(numbers: Sequence[Number]) -> Number:
    best = numbers[0]
    for number in numbers:
        best = number if number < best else best
    return best


def menu_profit(model: Separable, menu: Sequence[Offer]) -> Number:
    """Expected profit of a menu."""
    idle = Fraction(0) - _least(model.exact.cost) * _periods(model)
    total: Number = Fraction(0)
    for k, chance in enumerate(model.exact.initial_probabilities[0]):
        best = Taken(Fraction(0), idle)
        for offer in menu:
            taken = _used(model, k, offer)
            best = taken if taken.beats(best) else best
        total = total + chance * best.profit
    return total


def _periods(model: Separable) -> Number:
    """Discounted number of allocation periods."""
    return sum((model.exact.discount ** (t + 1) for t in range(model.horizon)), start=Fraction(0))


def _used(model: Separable, k: int, offer: Offer) -> Taken:
    """Use that a type makes of a contract."""
    values, states = model.values(0, model.levels[0][k]), model.states((0,))
    later: dict[tuple[int, ...], Taken] = {}
    for _ in range(model.horizon):
        now: dict[tuple[int, ...], Taken] = {}
        for z in states:
            for a, (price, cost) in enumerate(zip(offer.prices, model.exact.cost, strict=True)):
                ahead = [
                    model.ahead((0,), a, z, {to: part[side] for to, part in later.items()}) if later else Fraction(0)
                    for side in (0, 1)
                ]
                taken = Taken(values[a][z[0]] - price + ahead[0], price - cost + ahead[1])
                if z not in now or taken.beats(now[z]):
                    now[z] = taken
        later = now
    gained, earned = (model.first((0,), {z: part[side] for z, part in later.items()}) for side in (0, 1))
    return Taken(gained - offer.upfront, earned + offer.upfront)


def constant_menu(pivot: Pivot) -> list[Offer] | None:
    """The highest prices of one item that sell alike and keep every other type away; None where there are none."""
    model, item = pivot.model, _item(pivot.model)
    kernel = model.exact.signal_kernel[0]
    if item is None or (model.horizon > 1 and any(matrix != kernel[0] for matrix in kernel)):
        return None
    times, offers = _times(model), []
    likely = [s for s, number in enumerate(times) if number > 0]
    values = [[model.values(0, level)[item][s] for s in likely] for level in model.levels[0]]
    often = [times[s] for s in likely]
    points = _sorted([v for row in values for v in row])
    for k in range(len(values)):
        if not pivot.members[k,]:
            continue
        sold = [pivot.policy[k,][0][s,] == item for s in likely]
        price: Number | None = points[-1] + 1
        if any(sold):
            price = _deterring(values, often, points, sold, k, [pivot.utility[0][j,] for j in range(len(values))])
        if price is None:
            return None
        offers.append(_offer(pivot, k, [price if a == item else Fraction(0) for a in range(2)]))
    return offers


def _item(model: Separable) -> int | None:
    """The action that sells, where the only other one is worth nothing and costs least."""
    for null in (0, 1) if len(model.exact.cost) == 2 else ():
        worthless = not any(x for x in (model.exact.base[0] or ())[null])
        unpriced = model.multiplicative[0] or not (model.exact.rate[0] or ())[null]
        if worthless and unpriced and model.exact.cost[null] <= model.exact.cost[1 - null]:
            return 1 - null
    return None


def _times(model: Separable) -> list[Number]:
    """Expected discounted number of periods at each signal, where no action moves it."""
    d, kernel = model.exact.discount, model.exact.signal_kernel[0][0]
    first: Any = model.exact.signal_initial[0]
    now: list[Number] = [d * p for p in first]
    total = [Fraction(0) * p for p in now]
    for _ in range(model.horizon):
        total = [a + b for a, b in zip(total, now, strict=True)]
        now = [
            d * sum((p * row[to] for p, row in zip(now, kernel, strict=True)), start=Fraction(0))
            for to in range(len(now))
        ]
    return total


def _sorted(numbers: Sequence[Number]) -> list[Number]:
    """Distinct numbers from below."""
    found: list[Number] = []
    for number in numbers:
        if number not in found:
            found.insert(sum(1 for known in found if known < number), number)
    return found


def _deterring(
    values: Sequence[Sequence[Number]],
    times: Sequence[Number],
    points: Sequence[Number],
    sold: Sequence[bool],
    k: int,
    utility: Sequence[Number],
) -> Number | None:
    """The highest price after a report that sells alike to its type and tempts no other."""

    def surplus(j: int, price: Number) -> Number:
        gains = [(v - price) * often for v, often in zip(values[j], times, strict=True) if v > price]
        return sum(gains, start=Fraction(0))

    def excess(price: Number) -> list[Number]:
        own = utility[k] - surplus(k, price)
        return [surplus(j, price) + own - utility[j] for j in range(len(values))]

    low, high = points[0], points[-1]
    for v, bought in zip(values[k], sold, strict=True):
        if bought:
            high = v if v < high else high
        else:
            low = v if v > low else low
    grid = [low, *(x for x in points if low < x and x < high), *([high] if low < high else [])]
    refined = [(price, excess(price)) for price in grid]
    for (left, at_left), (right, at_right) in pairwise(refined):
        for a, b in zip(at_left, at_right, strict=True):
            if a * b < 0:
                grid.append(left + a / (a - b) * (right - left))
    best: Number | None = None
    for price in grid:
        if all(number <= 0 for number in excess(price)) and (best is None or price > best):
            best = price
    return best
