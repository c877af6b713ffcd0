"""Contingent transfers checked in fractions, by plain loops from what is paid when.

One report of agent i after truthful play, or after the reports that payments still due depend on, is followed by the
truth. Where all histories can be listed (finite horizon) each is taken as it is; else, promise by promise, what a
report saves of promises still due is taken at the worst history of each, as `mechopt.verification.contingent.promises`
does. Nothing is shared with the checks in floats but the tolerance and the way that profiles are numbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray
from mechopt.verification.contingent.stage import OneMisreport, Place, Transfers, length_of
from mechopt.verification.exact import ExactProcess, Profile, require_few
from mechopt.verification.rounding import ExactVerdict, Status, as_float

Past = tuple[Profile, ...]


def exact_places(transfers: Transfers, tolerances: FloatArray) -> list[Place]:
    """Largest gain of a misreport at each agent and period, and where it is.

    Parameters
    ----------
    transfers : ContingentTransfers, or anything with its arrays
    tolerances : float array ``(agent, period)``

    Raises
    ------
    LimitError
        If there are too many histories.
    """
    env = transfers.environment
    counts = [prod(shape) for shape in env.shape]
    by_history = not env.infinite and bool(transfers.history or transfers.later or transfers.together)
    widths = [prod(counts[:t]) if by_history else 1 for t in range(env.stages)]
    terms = sum(w * count * max(shape) * max(counts) for w, count, shape in zip(widths, counts, env.shape, strict=True))
    longest = 1 + max((len(own) for row in transfers.later for own in row), default=0)
    if env.infinite and transfers.together:
        if any(map(env.controlled, range(env.stages))):
            raise LimitError("exact: payments by several periods together are checked where actions move no signals")
        longest = max(counts) ** transfers.together
    terms *= env.agents * (1 if by_history else longest * longest)
    require_few(terms + (env.agents * counts[-1] ** 3 if env.infinite else 0), "the check of contingent transfers")
    places = list[Place]()
    for i in range(env.agents):
        verdicts = [ExactVerdict(float(tolerance)) for tolerance in tolerances[i]]
        worst: list[OneMisreport | None] = [None] * env.stages
        for gain, t, past, signals, report in _Agent(transfers, i, by_history).gains():
            if gain > verdicts[t].gain:
                worst[t] = OneMisreport(i, t, signals, report, as_float(gain), past)
            verdicts[t].add(gain, ())
        for t in reversed(range(env.stages)):
            answer = verdicts[t].answer
            shown = worst[t] if answer.status is Status.VIOLATED else None
            places.append(Place(answer, float(tolerances[i, t]), answer.gain, shown))
    return places


class _Agent:
    def __init__(self, transfers: Transfers, i: int, by_history: bool) -> None:
        self.given, self.i, self.by_history = transfers, i, by_history
        self.process = ExactProcess(transfers.environment)
        self.stages = transfers.environment.stages
        self.infinite = transfers.environment.infinite
        self._truth: dict[tuple[int, Past], list[Fraction]] = {}

    def profiles(self, t: int) -> list[Profile]:
        return self.process.numbers(t)

    def others(self, profile: Profile) -> Profile:
        return (*profile[: self.i], *profile[self.i + 1 :])

    def told(self, profile: Profile, report: int) -> Profile:
        return (*profile[: self.i], report, *profile[self.i + 1 :])

    def action(self, t: int, reports: Profile) -> int:
        return int(self.given.policy[self.process.at(t)][reports])

    def last(self, t: int) -> bool:
        return not self.infinite and t == self.stages - 1

    def promises(self, t: int) -> list[np.ndarray]:
        t = self.process.at(t)
        return [self.given.payments[t][self.i], *(self.given.later[t][self.i] if self.given.later else ())]

    def promised(self, t: int, k: int, reports: Profile, then: Profile) -> Fraction:
        """Amount due k + 1 periods after the reports of period t, at the others' signals ``then``."""
        table, others = self.promises(t)[k], self.others(reports)
        own = (reports[self.i],) if table.ndim == 2 + len(others) + len(then) else ()
        return Fraction(float(table[(self.action(t, reports), *others, *own, *then)]))

    def due(self, t: int, past: Past, then: Profile) -> Fraction:
        """All that is paid in period t + 1 after these reports of periods 0, ..., t."""
        if self.given.history and self.given.reports:
            every = tuple(signal for reports in past for signal in reports)
            return Fraction(float(self.given.payments[t][self.i][(*every, *then)]))
        if self.given.together:
            return self.due_together(t, past, then)
        if self.given.history:
            place: tuple[int, ...] = ()
            for s, reports in enumerate(past):
                place += (self.action(s, reports), *self.others(reports))
            return Fraction(float(self.given.payments[t][self.i][(*place, *then)]))
        total = Fraction(0)
        for s, reports in enumerate(past):
            if t - s < len(self.promises(s)):
                total += self.promised(s, t - s, reports, then)
        return total

    def due_together(self, t: int, past: Past, then: Profile) -> Fraction:
        """The same where a payment depends on the others' signals of several periods."""
        total = Fraction(0)
        for s, reports in enumerate(past):
            if s + length_of(self.given, s) == t + 1:
                path = [*(self.others(after) for after in past[s + 1 :]), then]
                total += self.promised_path(s, reports, path)
        return total

    def promised_path(self, t: int, reports: Profile, path: list[Profile]) -> Fraction:
        """Amount due after this path of the others' signals by the reports of period t."""
        table, others = self.given.payments[self.process.at(t)][self.i], self.others(reports)
        after = tuple(signal for profile in path for signal in profile)
        own = (reports[self.i],) if table.ndim == 2 + len(others) + len(after) else ()
        return Fraction(float(table[(self.action(t, reports), *others, *own, *after)]))

    def paths(self, t: int, length: int, action: int, true: int) -> Iterator[tuple[list[Profile], Fraction]]:
        """Paths of the others' signals and their probabilities, the truth being told from the next period on."""
        for n, chance in self.process.likely(t, action, true):
            profile = self.profiles(t + 1)[n]
            if length == 1:
                yield [self.others(profile)], chance
                continue
            for path, later in self.paths(t + 1, length - 1, self.action(t + 1, profile), n):
                yield [self.others(profile), *path], chance * later

    def now(self, t: int, true: int, reports: Profile) -> Fraction:
        worth = self.process.worth(t, self.i, self.action(t, reports))[true]
        if not self.last(t):
            return worth
        assert self.given.last_payments is not None
        return worth - Fraction(float(self.given.last_payments[self.i][reports]))

    def report(self, t: int, past: Past, true: int, reports: Profile) -> Fraction:
        """Value of reports in a period at a true profile, the truth being told afterwards; as of the period."""
        total, d = self.now(t, true, reports), self.process.discount
        if self.last(t):
            return total
        if self.by_history:
            after, names = (*past, reports), self.profiles(t + 1)
            truth = self.truth(t + 1, after)
            for n, chance in self.process.likely(t, self.action(t, reports), true):
                total += d * chance * (truth[n] - self.due(t, after, self.others(names[n])))
            return total
        total += self.paid(t, true, reports)
        following = self.truth(t + 1, ())
        return total + d * sum(
            (p * following[n] for n, p in self.process.likely(t, self.action(t, reports), true)), Fraction(0)
        )

    def paid(self, t: int, true: int, reports: Profile) -> Fraction:
        """Minus the expectation of all that reports promise, truth being told afterwards."""
        total = Fraction(0)
        if self.given.together:
            length = length_of(self.given, t)
            for path, chance in self.paths(t, length, self.action(t, reports), true):
                total -= self.process.discount**length * chance * self.promised_path(t, reports, path)
            return total
        for k in range(len(self.promises(t))):
            for n, chance in self.steps(t, k, self.action(t, reports), true):
                then = self.others(self.profiles(t + k + 1)[n])
                total -= self.process.discount ** (k + 1) * chance * self.promised(t, k, reports, then)
        return total

    def steps(self, t: int, k: int, action: int, true: int) -> Iterator[tuple[int, Fraction]]:
        """Profiles k + 1 periods later and their probabilities, the truth being told from the next period on."""
        chances = dict(self.process.likely(t, action, true))
        for s in range(t + 1, t + k + 1):
            after: dict[int, Fraction] = {}
            for m, p in chances.items():
                for n, q in self.process.likely(s, self.action(s, self.profiles(s)[m]), m):
                    after[n] = after.get(n, Fraction(0)) + p * q
            chances = after
        return iter(chances.items())

    def truth(self, t: int, past: Past) -> list[Fraction]:
        """Value of truth at each profile of a period, as of the period."""
        t = self.process.at(t)
        if (t, past) not in self._truth:
            if self.infinite and t == self.stages - 1:
                self._truth[t, past] = self._for_ever()
            else:
                self._truth[t, past] = [self.report(t, past, m, p) for m, p in enumerate(self.profiles(t))]
        return self._truth[t, past]

    def _for_ever(self) -> list[Fraction]:
        """Solve V = r + d P V by elimination; with d < 1 no pivot is 0."""
        t = self.stages - 1
        rows, names, d = list[list[Fraction]](), self.profiles(t), self.process.discount
        for m, profile in enumerate(names):
            chances = self.process.moves(t, self.action(t, profile), m)
            flow = self.now(t, m, profile) + self.paid(t, m, profile)
            rows.append([*((n == m) - d * p for n, p in enumerate(chances)), flow])
        for at in range(len(rows)):
            rows[at] = [entry / rows[at][at] for entry in rows[at]]
            for other in range(len(rows)):
                if other != at and (factor := rows[other][at]):
                    rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
        return [row[-1] for row in rows]

    def gains(self) -> Iterator[tuple[Fraction, int, Past, Profile, int]]:
        """Gains as of period 0, with period, past reports, true signals and report."""
        for t in range(self.stages):
            pasts = product(*(self.profiles(s) for s in range(t))) if self.by_history else [()]
            weight = self.process.discount**t
            for past in pasts:
                for m, profile in enumerate(self.profiles(t)):
                    honest = self.report(t, past, m, profile)
                    for r in range(self.process.shape[t][self.i]):
                        told = self.told(profile, r)
                        saved = Fraction(0) if self.by_history else self.saved(t, m, profile, told)
                        yield weight * (self.report(t, past, m, told) - honest + saved), t, past, profile, r

    def saved(self, t: int, true: int, profile: Profile, told: Profile) -> Fraction:
        """Saving by a report on earlier promises that are still due, each at its worst history."""
        total = Fraction(0)
        if not self.given.later:
            return total
        for ago in range(1, max(len(own) for row in self.given.later for own in row) + 1):
            earlier = [t - ago]
            if self.infinite and t == self.stages - 1:
                earlier = list(range(max(0, t - ago), t + 1))
            saved = [self.kept(t, made, ago, true, profile, told) for made in earlier if made >= 0]
            total += max(saved, default=Fraction(0))
        return total

    def kept(self, t: int, made: int, ago: int, true: int, profile: Profile, told: Profile) -> Fraction:
        """Saving by a report on the promises of one earlier period, each at its worst history."""
        total = Fraction(0)
        for k in range(ago, len(self.promises(made))):
            savings = []
            for reports in self.profiles(made):
                honest, misreporting = (
                    sum(
                        (
                            p * self.promised(made, k, reports, self.others(self.profiles(t + k - ago + 1)[n]))
                            for n, p in self.steps(t, k - ago, self.action(t, said), true)
                        ),
                        Fraction(0),
                    )
                    for said in (profile, told)
                )
                savings.append(honest - misreporting)
            total += self.process.discount ** (k + 1 - ago) * max(savings)
        return total
