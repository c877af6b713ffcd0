"""A mechanism of current reports alone, checked in fractions by plain loops over type profiles.

With an infinite horizon the truthful continuation values solve linear equations, here by elimination. Gains are in
present value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import prod
from typing import NamedTuple

from mechopt.mechanism.constraints import PPIR, Constraint, Interim, PeriodicExPostIR, PeriodicIR
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.exact import ExactProcess, Profile, fixed_point, fractions, require_few
from mechopt.verification.rounding import Answer, ExactVerdict


class Place(NamedTuple):
    """Where a gain is; fields of `mechopt.verification.stationary.replay.MarkovCounterexample`."""

    agent: int
    period: int
    true_type: int
    report: int
    others: Profile | None
    before: Profile | None


def exact_gains(
    mechanism: MarkovMechanism, constraints: Iterable[Constraint], tolerance: float
) -> dict[Constraint, tuple[Answer, Place | None]]:
    """Largest violation of each constraint, and where it is.

    Raises
    ------
    LimitError
        If there are too many profiles.
    """
    asked, env = list(constraints), mechanism.environment
    if not asked:
        return {}
    profiles = [prod(shape) for shape in env.shape]
    each = profiles[0] ** 3 if env.infinite else 0
    reports = max(max(shape) for shape in env.shape)
    each += sum(profiles[mechanism.stage(t)] * reports * profiles[mechanism.stage(t)] for t in range(mechanism.periods))
    require_few(env.agents * each, f"the check of {asked[0].name}")
    agents = [_Agent(mechanism, i) for i in range(env.agents)]
    found = dict[Constraint, tuple[Answer, Place | None]]()
    for constraint in asked:
        verdict, place = ExactVerdict(tolerance), None
        for agent in agents:
            for gain, at in agent.gains(constraint):
                place = at if gain > verdict.gain else place
                verdict.add(gain, ())
        found[constraint] = verdict.answer, place
    return found


def exact_values(mechanism: MarkovMechanism, i: int) -> list[Fraction]:
    """Values of truth to an agent from period 0 on, by type profile in C order.

    Raises
    ------
    LimitError
        If there are too many profiles.
    """
    require_few(sum(prod(shape) for shape in mechanism.environment.shape) ** 3, "a check")
    return _Agent(mechanism, i).value[0]


class _Agent:
    """Values of one agent at every period and profile."""

    def __init__(self, mechanism: MarkovMechanism, i: int) -> None:
        self.m, self.i, self.process = mechanism, i, ExactProcess(mechanism.environment)
        self.paid = [fractions(part) for part in mechanism.transfer[i]]
        self.last = mechanism.periods - 1
        flow = [self._now(self.last, m, m) for m in range(len(self.paid[self.last]))]
        self.value = [self._for_ever(flow) if self.process.infinite else flow]
        for t in reversed(range(self.last)):
            after = self.value[0]
            self.value.insert(0, [self._report(t, m, m, after) for m in range(len(self.paid[t]))])
        self.likely = self._likely_profiles()

    def action(self, t: int, profile: int) -> int:
        return int(self.m.policy[self.m.stage(t)].ravel()[profile])

    def _now(self, t: int, true: int, told: int) -> Fraction:
        return self.process.worth(t, self.i, self.action(t, told))[true] - self.paid[t][told]

    def _report(self, t: int, true: int, told: int, after: list[Fraction] | None) -> Fraction:
        now = self._now(t, true, told)
        if after is None:
            return now
        moves = self.process.likely(t, self.action(t, told), true)
        return now + self.process.discount * sum((p * after[n] for n, p in moves), Fraction(0))

    def _for_ever(self, flow: list[Fraction]) -> list[Fraction]:
        chances = [self.process.moves(self.last, self.action(self.last, m), m) for m in range(len(flow))]
        return fixed_point(chances, flow, self.process.discount)

    def _likely_profiles(self) -> list[set[int]]:
        """Profiles that truth leads to, by listed period; the last is for all later ones where there is no end."""
        likely = [{m for m, p in enumerate(self.process.initial) if p}]
        for t in range(self.last):
            likely.append(self._reached(t, likely[-1]))
        while self.process.infinite and (more := self._reached(self.last, likely[-1]) - likely[-1]):
            likely[-1] |= more
        return likely

    def _reached(self, t: int, profiles: set[int]) -> set[int]:
        return {n for m in profiles for n, _ in self.process.likely(t, self.action(t, m), m)}

    def after(self, t: int) -> list[Fraction] | None:
        if self.process.infinite:
            return self.value[min(t + 1, self.last)]
        return self.value[t + 1] if t + 1 < self.m.periods else None

    def gains(self, constraint: Constraint) -> Iterator[tuple[Fraction, Place]]:
        """Gains as of period 0, and where they are."""
        periods = (
            1 if constraint == Interim() else self.m.periods + (constraint == PeriodicIR() and self.process.infinite)
        )
        for t in range(periods):
            weight = self.process.discount**t
            for gain, place in self._in_period(constraint, t):
                yield weight * gain, place

    def _in_period(self, constraint: Constraint, t: int) -> Iterator[tuple[Fraction, Place]]:
        if constraint in (Interim(), PeriodicIR()):
            yield from self._expected(t)
            return
        for m, profile in enumerate(self.process.numbers(t)):
            own, others = profile[self.i], (*profile[: self.i], *profile[self.i + 1 :])
            if constraint.role == "ic":
                for r in range(self.process.shape[self.process.at(t)][self.i]):
                    told = self.process.number(t, (*profile[: self.i], r, *profile[self.i + 1 :]))
                    yield (
                        self._report(t, m, told, self.after(t)) - self.value[t][m],
                        Place(self.i, t, own, r, others, None),
                    )
            elif m in self.likely[t]:
                assert constraint in (PPIR(), PeriodicExPostIR())
                value = self._now(t, m, m) if constraint == PPIR() else self.value[t][m]
                yield -value, Place(self.i, t, own, own, others, None)

    def _expected(self, t: int) -> Iterator[tuple[Fraction, Place]]:
        """Expected over the others' types, given those before; own types of positive probability."""
        value, profiles = self.value[min(t, self.last)], self.process.numbers(t)
        starts: list[tuple[Profile | None, list[Fraction]]] = [(None, self.process.initial)]
        if t:
            before, names = self.likely[t - 1], self.process.numbers(t - 1)
            starts = [(names[m], self.process.moves(t - 1, self.action(t - 1, m), m)) for m in sorted(before)]
        for start, chances in starts:
            for k in range(self.process.shape[self.process.at(t)][self.i]):
                mine = [m for m, profile in enumerate(profiles) if profile[self.i] == k]
                if whole := sum((chances[m] for m in mine), Fraction(0)):
                    total = sum((chances[m] * value[m] for m in mine), Fraction(0))
                    yield -total / whole, Place(self.i, t, k, k, None, start)
