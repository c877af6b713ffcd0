r"""The virtual pivot in exact numbers of any ordered field, for finite horizons.

With the weighted flows ``L_k X + Y`` of `mechopt.closedform.virtual.weights` backward induction gives the policy, W and
Xbar after every profile of reports; from these

- `virtual_bound`: (8), the profit of the virtual pivot where everybody is truthful, which no mechanism exceeds where
  virtual levels do not fall;
- `contracting_gains`: what each type gains by each misreport at contracting, whatever the others' types; (16) holds
  where none is above 0, and then the published payments attain the bound (regime a).

Source: Kakade, Lobel and Nazerzadeh (2013), Theorem 4.1 and section 5.1; equation numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, pairwise, product
from math import prod
from typing import Any

from mechopt.closedform.static.functions import Number, pooled
from mechopt.core.errors import InputError
from mechopt.environment.separable import ExactSeparable

Table = list[list[Number]]
"""By action and signal."""
Joint = tuple[int, ...]
"""Signals of the included agents."""


@dataclass(frozen=True, eq=False)
class Separable:
    """A separable environment in numbers of any ordered field.

    Attributes
    ----------
    exact : ExactSeparable
        Of multiplicative and additive agents whose signals do not depend on their initial types.
    multiplicative : tuple of bool
        By agent.
    horizon : int
        Number of allocation periods.
    ironed : bool
        Whether virtual levels that fall are ironed.
    """

    exact: ExactSeparable
    multiplicative: tuple[bool, ...]
    horizon: int
    ironed: bool = False

    @property
    def agents(self) -> int:
        """Number of agents."""
        return len(self.multiplicative)

    @cached_property
    def levels(self) -> list[list[Number]]:
        """A, by agent and type.

        Raises
        ------
        InputError
            If the theorem does not apply: levels that fall, or negative levels, values or rates.
        """
        found = []
        for i, mult in enumerate(self.multiplicative):
            level: Any = self.exact.level[i]
            base: Any = self.exact.base[i] if mult else ()
            numbers = [*level, *(x for row in base for x in row)] if mult else list(self.exact.rate[i] or ())
            falls = any(above < below for below, above in pairwise(level))
            if falls or any(number < 0 for number in numbers):
                raise InputError("the virtual pivot needs levels that do not fall, and no negative values or rates")
            found.append(list(level))
        return found

    @cached_property
    def virtual(self) -> list[list[Number]]:
        """L, by agent and type."""
        found = []
        for i, level in enumerate(self.levels):
            distribution: Any = self.exact.initial_probabilities[i]
            tail: Number = Fraction(1)
            raw = list[Number]()
            for k, (a, f) in enumerate(zip(level, distribution, strict=True)):
                tail = tail - f
                raw.append(a - tail / f * (level[k + 1] - a) if k + 1 < len(level) else a)
            found.append(pooled(raw, list(zip(level, distribution, strict=True))) if self.ironed else raw)
        return found

    def values(self, i: int, level: Number) -> Table:
        """Values of an agent at a level: A X + Y."""
        base: Any = self.exact.base[i]
        if self.multiplicative[i]:
            return [[level * b for b in row] for row in base]
        rate: Any = self.exact.rate[i]
        return [[level * r + b for b in row] for r, row in zip(rate, base, strict=True)]

    def slope(self, i: int) -> Table:
        """X, by action and signal."""
        base: Any = self.exact.base[i]
        if self.multiplicative[i]:
            return [list(row) for row in base]
        rate: Any = self.exact.rate[i]
        return [[r] * len(row) for r, row in zip(rate, base, strict=True)]

    def weighted(self, i: int, report: int, true: int) -> tuple[Table, Number]:
        """``alpha v + beta`` with the weights of an included report, at the values of a type; and alpha."""
        low, level = self.virtual[i][report], self.levels[i]
        if self.multiplicative[i]:
            return self.values(i, low * level[true] / level[report]), low / level[report]
        return self.values(i, level[true] + low - level[report]), Fraction(1)

    @cached_property
    def profiles(self) -> list[Joint]:
        """Of initial types."""
        return list(product(*(range(len(row)) for row in self.levels)))

    def chance(self, profile: Joint) -> Number:
        """Probability of a profile of initial types."""
        distributions: Any = self.exact.initial_probabilities
        return prod((distributions[i][k] for i, k in enumerate(profile)), start=Fraction(1))

    def first(self, members: Sequence[int], worth: dict[Joint, Number]) -> Number:
        """Mean over first signals, discounted to contracting."""
        distributions: Any = self.exact.signal_initial
        total: Number = Fraction(0)
        for z, number in worth.items():
            total = (
                total + prod((distributions[i][s] for i, s in zip(members, z, strict=True)), start=Fraction(1)) * number
            )
        return self.exact.discount * total

    @cached_property
    def signals(self) -> list[int]:
        """Number of signals by agent."""
        return [len(row) for row in self.exact.signal_initial]

    def states(self, members: Sequence[int]) -> list[Joint]:
        """Joint signals of some agents."""
        return list(product(*(range(self.signals[i]) for i in members)))

    def ahead(self, members: Sequence[int], action: int, z: Joint, later: dict[Joint, Number]) -> Number:
        """Discounted mean of what comes in the next period."""
        kernel: Any = self.exact.signal_kernel
        total: Number = Fraction(0)
        for to, number in later.items():
            moves = (kernel[i][action][a][b] for i, a, b in zip(members, z, to, strict=True))
            chance = prod(moves, start=Fraction(1))
            total = total + chance * number if chance else total
        return self.exact.discount * total

    def solve(self, members: Sequence[int], tables: Sequence[Table]) -> tuple[Number, list[dict[Joint, int]]]:
        """Largest expected weighted welfare net of costs, and the policy by period; of tied actions the lowest."""
        worth = dict.fromkeys(self.states(members), Fraction(0))
        policy = list[dict[Joint, int]]()
        for t in reversed(range(self.horizon)):
            now, chosen = dict[Joint, Number](), dict[Joint, int]()
            for z in worth:
                for a, cost in enumerate(self.exact.cost):
                    flow = sum((table[a][s] for table, s in zip(tables, z, strict=True)), start=Fraction(0)) - cost
                    number = flow + self.ahead(members, a, z, worth) if t + 1 < self.horizon else flow
                    if not a or number > now[z]:
                        now[z], chosen[z] = number, a
            worth = now
            policy.insert(0, chosen)
        return self.first(members, worth), policy

    def total(self, members: Sequence[int], policy: Sequence[dict[Joint, int]], i: int, table: Table) -> Number:
        """Expected discounted sum under a policy of a table of one member."""
        place, worth = list(members).index(i), dict[Joint, Number]()
        for chosen in reversed(policy):
            worth = {
                z: table[a][z[place]] + (self.ahead(members, a, z, worth) if worth else 0) for z, a in chosen.items()
            }
        return self.first(members, worth)


@dataclass(frozen=True, eq=False)
class Pivot:
    """The virtual pivot after each profile of reports.

    Attributes
    ----------
    model : Separable
    members : dict from profile to tuple of int
    policy : dict from profile to policy by period
    honest : dict from profile to number
        Expected weighted welfare.
    utility : list over agents of dicts from profile to number
        U of (24).
    """

    model: Separable
    members: dict[Joint, tuple[int, ...]]
    policy: dict[Joint, list[dict[Joint, int]]]
    honest: dict[Joint, Number]
    utility: list[dict[Joint, Number]]


def virtual_pivot_of(model: Separable) -> Pivot:
    """Solve every profile of reports."""
    found = Pivot(model, {}, {}, {}, [{} for _ in range(model.agents)])
    for profile in model.profiles:
        tables = [model.values(i, model.virtual[i][k]) for i, k in enumerate(profile)]
        certain = [i for i, k in enumerate(profile) if model.multiplicative[i] and model.virtual[i][k] > 0]
        free = [i for i in range(model.agents) if not model.multiplicative[i]]
        for size in range(len(free) + 1):
            for chosen in combinations(free, size):
                members = tuple(sorted([*certain, *chosen]))
                worth, policy = model.solve(members, [tables[i] for i in members])
                if profile not in found.honest or worth > found.honest[profile]:
                    found.members[profile], found.policy[profile] = members, policy
                    found.honest[profile] = worth
    for i in range(model.agents):
        for profile in model.profiles:
            k = profile[i]
            below = (*profile[:i], k - 1, *profile[i + 1 :])
            rent: Number = Fraction(0)
            if k:
                gap = model.levels[i][k] - model.levels[i][k - 1]
                rent = found.utility[i][below] + gap * _slope_of(found, i, below)
            found.utility[i][profile] = rent
    return found


def _slope_of(pivot: Pivot, i: int, profile: Joint) -> Number:
    """Xbar of an agent at a profile, 0 where she is excluded."""
    members = pivot.members[profile]
    if i not in members:
        return Fraction(0)
    return pivot.model.total(members, pivot.policy[profile], i, pivot.model.slope(i))


def virtual_bound(model: Separable) -> Number:
    """(8): the profit of the virtual pivot where all are truthful."""
    pivot = virtual_pivot_of(model)
    return sum((model.chance(profile) * worth for profile, worth in pivot.honest.items()), start=Fraction(0))


def contracting_gains(pivot: Pivot) -> list[Number]:
    """Gains of each type of each agent by each other report, at every profile of the others' initial types."""
    return [
        _gain(pivot, i, report, true)
        for i, level in enumerate(pivot.model.levels)
        for report in pivot.model.profiles
        for true in range(len(level))
        if true != report[i]
    ]


def _gain(pivot: Pivot, i: int, report: Joint, true: int) -> Number:
    """Right side of (16) less the left one, at the others' types in the report."""
    model, members = pivot.model, pivot.members[report]
    honest = (*report[:i], true, *report[i + 1 :])
    gain = pivot.utility[i][report] - pivot.utility[i][honest]
    if i not in members:
        return gain
    tables = [model.values(j, model.virtual[j][report[j]]) for j in members]
    own, alpha = model.weighted(i, report[i], true)
    tables[members.index(i)] = own
    worth, _ = model.solve(members, tables)
    return gain + (worth - pivot.honest[report]) / alpha


def interval_dominance(model: Separable) -> bool:
    """Whether (16) holds, so that the published payments attain the bound: regime a."""
    return all(gain <= 0 for gain in contracting_gains(virtual_pivot_of(model)))


def virtual_profit(model: Separable) -> Number:
    """Profit of the virtual pivot where (16) holds.

    Raises
    ------
    InputError
        If it does not, so that nobody need be truthful.
    """
    if not interval_dominance(model):
        raise InputError("virtual-pivot: a type gains by misreporting at contracting: (16) fails; see virtual-bound")
    return virtual_bound(model)
