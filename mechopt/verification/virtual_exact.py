r"""A virtual pivot for ever, checked in fractions by plain loops over contracts and profiles of signals.

The mechanism is the one that the formulas give with the environment's exact numbers, at the policy and with the agents
included that the pivot has: W_-i, prices and values are solved for anew, by policy iteration with elimination, so that
every gain is a fraction and the proof is a finite list of inequalities. See `mechopt.verification.virtual` for what is
checked; gains are present values as of contracting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE
from mechopt.mechanism.constraints import (
    BayesianIC,
    Constraint,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.verification.exact import fixed_point, require_few
from mechopt.verification.rounding import Answer, Status, as_float
from mechopt.verification.virtual_values import require_same

ZERO = Fraction(0)
Values = list[Fraction]
Place = tuple[int, int, int, int, tuple[int, ...] | None]
"""Agent, period (0 at contracting, 1 later), true type, report, others' initial types."""


class _Contract(NamedTuple):
    """One agent's problem after initial reports; values by profile of the members' signals, hers first.

    ``best`` is by her true initial type, of strategies that may report it again, ``direct`` of those that may not,
    ``plain`` of true signals; ``blind`` before signals, of strategies that may not and do not know the others' current
    ones; ``expected`` what truth is worth at her signals, over the others'.
    """

    truth: Values
    best: list[Values]
    direct: list[Values]
    plain: list[Values]
    blind: Values
    first: Values
    reached: set[int]
    expected: Values


def exact_gains(
    pivot: Any, constraints: Iterable[Constraint], tolerance: float
) -> dict[Constraint, tuple[Answer, Place | None]]:
    """Largest violation of each constraint, and where it is.

    Raises
    ------
    LimitError
        If there are too many contracts, types or profiles of signals.
    """
    asked, env = list(constraints), pivot.environment
    systems = prod(env.initial_shape) * env.agents * max(env.initial_shape)
    require_few(systems * (len(env.cost) * prod(env.signal_shape)) ** 3, "the check of a virtual pivot")
    exact = _Exact(pivot)
    exact.require_upfront(tolerance)
    return {constraint: _answer(exact, constraint, Fraction(tolerance)) for constraint in asked}


def _answer(exact: _Exact, constraint: Constraint, tolerance: Fraction) -> tuple[Answer, Place | None]:
    """Violated where a lower end is above the tolerance, satisfied where no upper end is."""
    low, high, at, at_high = ZERO, ZERO, None, None
    for lower, upper, place in exact.gains(constraint):
        low, at = (lower, place) if lower > low else (low, at)
        high, at_high = (upper, place) if upper > high else (high, at_high)
    if low > tolerance:
        return Answer(Status.VIOLATED, as_float(low), 0.0, None, low), at
    if high <= tolerance:
        return Answer(Status.SATISFIED, as_float(high), 0.0, None, high), None
    return Answer(Status.UNDECIDED, as_float((low + high) / 2), as_float((high - low) / 2), None), at_high


def everywhere(env: Any, i: int) -> bool:
    """Whether no report of a signal is ever ruled out by those before."""
    return bool((env.signal_initial[i] > 0).all() and (env.signal_kernel[i] > 0).all())


class _Exact:
    """Contracts of a virtual pivot in fractions, each solved once."""

    def __init__(self, pivot: Any) -> None:
        env = pivot.environment
        self.pivot, self.env = pivot, env
        self.source: Any = env.exact if env.exact is not None else env
        self.discount = Fraction(self.source.discount)
        self.distribution = [[Fraction(p) for p in row] for row in self.source.initial_probabilities]
        self.first = [[Fraction(p) for p in row] for row in self.source.signal_initial]
        self.kernel = [
            [[[Fraction(p) for p in row] for row in matrix] for matrix in kernel]
            for kernel in self.source.signal_kernel
        ]
        self.cost = [Fraction(c) for c in self.source.cost]
        self.level = [[Fraction(a) for a in row] for row in self.source.level]
        self.contracts = {
            (i, profile): self._contract(i, profile)
            for i in range(env.agents)
            for profile in product(*map(range, env.initial_shape))
            if i in pivot.phase(profile).members
        }

    def worth(self, i: int, k: int, a: int, z: int) -> Fraction:
        return Fraction(self.env.exact_value_tables[i][a][k][z])

    def _slope(self, i: int, a: int, z: int) -> Fraction:
        """X: what a unit of the level is worth."""
        if self.pivot.virtual[i].multiplicative:
            return Fraction(self.source.base[i][a][z])
        return Fraction(self.source.rate[i][a])

    def _shift(self, i: int, k: int, a: int) -> Fraction:
        """Beta."""
        share: Fraction = self.pivot.virtual[i].exact[k][1]
        return share * Fraction(self.source.rate[i][a]) if share else ZERO

    def _weighted(self, i: int, k: int, a: int, z: int) -> Fraction:
        alpha: Fraction = self.pivot.virtual[i].exact[k][0]
        return alpha * self.worth(i, k, a, z) + self._shift(i, k, a)

    def require_upfront(self, tolerance: float) -> None:
        """Refuse a pivot whose upfront payments are not those of (25)."""
        for i in range(self.env.agents):
            for others in product(*(range(n) for j, n in enumerate(self.env.initial_shape) if j != i)):
                for k, utility in enumerate(self.utilities(i, others)):
                    profile = (*others[:i], k, *others[i:])
                    found = self.contracts.get((i, profile))
                    worth = ZERO if found is None else self.discount * _mean(found.first, found.truth)
                    formula, paid = np.asarray(float(worth - utility)), np.asarray(self.pivot.upfront[i][profile])
                    require_same(f"upfront payments of agent {i} at types {list(profile)}", paid, formula, tolerance)

    def _moves(self, members: Sequence[int], states: Sequence[tuple[int, ...]]) -> list[list[Values]]:
        """Probability of each next profile, by action and profile."""
        return [
            [
                [
                    prod((self.kernel[j][a][x][y] for j, x, y in zip(members, s, n, strict=True)), start=Fraction(1))
                    for n in states
                ]
                for s in states
            ]
            for a in range(len(self.cost))
        ]

    def _contract(self, i: int, profile: tuple[int, ...]) -> _Contract:
        here, actions, d = self.pivot.phase(profile), range(len(self.cost)), self.discount
        others = [j for j in here.members if j != i]
        members = [i, *others]
        rest = list(product(*(range(self.env.signal_shape[j]) for j in others)))
        states = [(own, *s) for own in range(self.env.signal_shape[i]) for s in rest]
        brought = [
            [
                sum((self._weighted(j, profile[j], a, z) for j, z in zip(others, s, strict=True)), -self.cost[a])
                for s in rest
            ]
            for a in actions
        ]
        calm = self._moves(others, rest)
        without = _optimal(brought, calm, d, [0] * len(rest))
        alpha = self.pivot.virtual[i].exact[profile[i]][0]
        price = [
            [
                (without[n] - brought[a][n] - self._shift(i, profile[i], a) - d * _mean(calm[a][n], without)) / alpha
                for n in range(len(rest))
            ]
            for a in actions
        ]
        moves = self._moves(members, states)
        policy = np.moveaxis(here.policy[0], here.members.index(i), 0)
        chosen = [int(policy[s]) for s in states]
        paid = np.moveaxis(self.pivot.payment(i, profile)[0], here.members.index(i), 0)
        formula = np.array([float(price[a][n % len(rest)]) for n, a in enumerate(chosen)]).reshape(paid.shape)
        shifts = (self._shift(i, profile[i], a) for a in actions)
        size = max(map(abs, chain(without, shifts, *brought))) / alpha
        about = f"payments of agent {i} after reports {list(profile)}"
        require_same(about, paid, formula, VERIFY_TOLERANCE * float(size))
        asked = [[bool((policy[(slice(None), *s)] == a).any()) for s in rest] for a in actions]
        best, direct, plain, blind = list[Values](), list[Values](), list[Values](), list[Fraction]()
        for k in range(self.env.initial_shape[i]):
            flow: list[list[Fraction | None]] = [
                [self.worth(i, k, a, s[0]) - price[a][n % len(rest)] for n, s in enumerate(states)] for a in actions
            ]
            kept = [[v if asked[a][n % len(rest)] else None for n, v in enumerate(flow[a])] for a in actions]
            best.append(_optimal(flow, moves, d, chosen))
            direct.append(_optimal(kept, moves, d, chosen))
            plain.append(_followed(flow, moves, d, chosen))
            blind.append(self._blind(i, others, flow, policy, calm))
        first = [prod((self.first[j][z] for j, z in zip(members, s, strict=True)), start=Fraction(1)) for s in states]
        reached = _reached(first, moves, chosen)
        truth = plain[profile[i]]
        starts = [first, *(moves[chosen[n]][n] for n in sorted(reached))]
        expected = [value for start in starts for value in _by_own(start, truth, states)]
        return _Contract(truth, best, direct, plain, blind, first, reached, expected)

    def _blind(
        self, i: int, others: list[int], flow: list[list[Fraction | None]], policy: Any, calm: list[list[Values]]
    ) -> Fraction:
        """Value before the first signal of the best strategy that does not know the others' current signals."""
        rest = list(product(*(range(self.env.signal_shape[j]) for j in others)))
        signals, actions, wide = range(self.env.signal_shape[i]), range(len(self.cost)), len(rest)
        states = list(product(actions, signals, range(wide)))  # last action, own signal now, the others' last signals
        number = {state: n for n, state in enumerate(states)}
        own = self.kernel[i]

        def told(r: int, z: int, distribution: Values) -> tuple[Fraction, Values]:
            now, after = ZERO, [ZERO] * len(states)
            for n, p in enumerate(distribution):
                if p:
                    a = int(policy[(r, *rest[n])])
                    now += p * (flow[a][z * wide + n] or ZERO)
                    for y in signals:
                        after[number[a, y, n]] += p * own[a][z][y]
            return now, after

        options = [[told(r, z, calm[a][n]) for a, z, n in states] for r in signals]
        flows = [[now for now, _ in row] for row in options]
        value = _optimal(flows, [[after for _, after in row] for row in options], self.discount, [0] * len(states))
        start = [prod((self.first[j][z] for j, z in zip(others, s, strict=True)), start=Fraction(1)) for s in rest]
        total = ZERO
        for z in signals:
            found = [told(r, z, start) for r in signals]
            total += self.first[i][z] * max(now + self.discount * _mean(after, value) for now, after in found)
        return total

    def slope(self, i: int, profile: tuple[int, ...]) -> Fraction:
        """Xbar: discounted sum of X after truthful reports, as of contracting; 0 where she is left out."""
        found = self.contracts.get((i, profile))
        if found is None:
            return ZERO
        here = self.pivot.phase(profile)
        members = [i, *(j for j in here.members if j != i)]
        states = list(product(*(range(self.env.signal_shape[j]) for j in members)))
        policy = np.moveaxis(here.policy[0], here.members.index(i), 0)
        chosen = [int(policy[s]) for s in states]
        flow = [[self._slope(i, a, s[0]) for s in states] for a in range(len(self.cost))]
        value = _followed(flow, self._moves(members, states), self.discount, chosen)
        return self.discount * _mean(found.first, value)

    def utilities(self, i: int, others: tuple[int, ...]) -> Values:
        """U by own type (24): what the types below leave."""
        found = [ZERO]
        for k in range(self.env.initial_shape[i] - 1):
            rise = self.level[i][k + 1] - self.level[i][k]
            found.append(found[-1] + rise * self.slope(i, (*others[:i], k, *others[i:])))
        return found

    def gains(self, constraint: Constraint) -> Iterator[tuple[Fraction, Fraction, Place]]:
        """Lower and upper end of each gain, and where it is."""
        for i in range(self.env.agents):
            rest = [range(n) for j, n in enumerate(self.env.initial_shape) if j != i]
            distribution = [row for j, row in enumerate(self.distribution) if j != i]
            others = list(product(*rest))
            weight = [prod((p[k] for p, k in zip(distribution, o, strict=True)), start=Fraction(1)) for o in others]
            utility = [self.utilities(i, o) for o in others]
            if constraint.role == "ir":
                yield from self._participation(constraint, i, others, weight, utility)
            else:
                yield from self._misreports(constraint, i, others, weight, utility)

    def _misreports(
        self, constraint: Constraint, i: int, others: list[tuple[int, ...]], weight: Values, utility: list[Values]
    ) -> Iterator[tuple[Fraction, Fraction, Place]]:
        again = constraint == PeriodicExPostIC(rereport=True)
        bayesian = constraint == BayesianIC()
        decided = again or everywhere(self.env, i)
        types = range(self.env.initial_shape[i])
        for true, report in product(types, types):
            ends = list[tuple[Fraction, Fraction]]()
            for o, honest in zip(others, utility, strict=True):
                found = self.contracts.get((i, (*o[:i], report, *o[i:])))
                base = honest[report] - honest[true]
                if found is None:
                    ends.append((base, base))
                    continue
                true_signals = _mean(found.first, found.plain[true])
                upper = _mean(found.first, (found.best if again else found.direct)[true])
                upper = found.blind[true] if bayesian else upper
                told = [
                    base + self.discount * (value - _mean(found.first, found.truth))
                    for value in (upper if decided else true_signals, upper)
                ]
                ends.append((told[0], told[1]))
            if bayesian:
                low, high = (sum((w * end[n] for w, end in zip(weight, ends, strict=True)), ZERO) for n in (0, 1))
                yield low, high, (i, 0, true, report, None)
                continue
            for o, (low, high) in zip(others, ends, strict=True):
                yield low, high, (i, 0, true, report, o)
        for true, o in product(types, () if bayesian else others):
            found = self.contracts.get((i, (*o[:i], true, *o[i:])))
            if found is not None:
                later = (found.best if again else found.direct)[true]
                gain = self.discount * max(a - b for a, b in zip(later, found.truth, strict=True))
                yield gain, gain, (i, 1, true, true, o)

    def _participation(
        self, constraint: Constraint, i: int, others: list[tuple[int, ...]], weight: Values, utility: list[Values]
    ) -> Iterator[tuple[Fraction, Fraction, Place]]:
        assert constraint in (Interim(), PeriodicIR(), PeriodicExPostIR())
        for true in range(self.env.initial_shape[i]):
            if constraint == PeriodicExPostIR():
                losses = [(-row[true], o) for o, row in zip(others, utility, strict=True)]
            else:
                losses = [(-sum((w * row[true] for w, row in zip(weight, utility, strict=True)), ZERO), None)]  # type: ignore[list-item]
            for loss, at in losses:
                yield loss, loss, (i, 0, true, true, at)
            for o in others if constraint != Interim() else ():
                found = self.contracts.get((i, (*o[:i], true, *o[i:])))
                if found is not None:
                    values = found.expected if constraint == PeriodicIR() else [found.truth[n] for n in found.reached]
                    loss = -self.discount * min(values)
                    yield loss, loss, (i, 1, true, true, o)


def _mean(distribution: Values, value: Values) -> Fraction:
    return sum((p * v for p, v in zip(distribution, value, strict=True) if p), ZERO)


def _followed(
    flow: Sequence[Sequence[Fraction | None]], moves: list[list[Values]], d: Fraction, policy: list[int]
) -> Values:
    """Value of a policy for ever."""
    now = [flow[a][n] for n, a in enumerate(policy)]
    return fixed_point([moves[a][n] for n, a in enumerate(policy)], [v for v in now if v is not None], d)


def _optimal(
    flow: Sequence[Sequence[Fraction | None]], moves: list[list[Values]], d: Fraction, start: list[int]
) -> Values:
    """Largest values for ever, by policy iteration; actions without a flow cannot be taken."""
    policy = list(start)
    while True:
        value, better = _followed(flow, moves, d, policy), False
        for n, now in enumerate(value):
            for a, row in enumerate(flow):
                own = row[n]
                if own is not None and (found := own + d * _mean(moves[a][n], value)) > now:
                    policy[n], now, better = a, found, True
        if not better:
            return value


def _reached(first: Values, moves: list[list[Values]], policy: list[int]) -> set[int]:
    """Profiles of signals that truth leads to."""
    reached = {n for n, p in enumerate(first) if p}
    front = set(reached)
    while front:
        front = {m for n in front for m, p in enumerate(moves[policy[n]][n]) if p} - reached
        reached |= front
    return reached


def _by_own(distribution: Values, value: Values, states: list[tuple[int, ...]]) -> Values:
    """Expectation given the first agent's signal, at each that is possible."""
    found = list[Fraction]()
    for own in {s[0] for s in states}:
        inside = [n for n, s in enumerate(states) if s[0] == own]
        if whole := sum((distribution[n] for n in inside), ZERO):
            found.append(sum((distribution[n] * value[n] for n in inside), ZERO) / whole)
    return found
