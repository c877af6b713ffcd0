"""Gains of contingent transfers by loops over reports, profiles and paths, from what is paid when."""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

SWEEPS = 40
"""At a discount of 1/4 the rest is beyond floats."""


@dataclass(frozen=True, eq=False)
class Given:
    """Any payments at all, with the arrays of contingent transfers."""

    environment: object
    policy: tuple
    payments: tuple
    later: tuple = ()
    last_payments: tuple | None = None
    history: bool = False
    reports: bool = False
    together: int = 0
    method: str = "any"


class Raw:
    """An agent's gains; with ``sizes`` every term in absolute value."""

    def __init__(self, given, i, sizes=False):
        self.given, self.i, self.env, self.sizes = given, i, given.environment, sizes
        self.value = cache(self._value)
        self.for_ever = cache(self._for_ever)

    def at(self, t):
        return min(t, self.env.stages - 1) if self.env.infinite else t

    def number(self, x):
        return abs(float(x)) if self.sizes else float(x)

    def less(self, one, other):
        return one + other if self.sizes else one - other

    def profiles(self, t):
        return list(product(*map(range, self.env.shape[self.at(t)])))

    def others(self, profile):
        return tuple(k for j, k in enumerate(profile) if j != self.i)

    def action(self, t, reports):
        return int(self.given.policy[self.at(t)][reports])

    def after(self, t, true, reports):
        """Next profiles and their probabilities."""
        row = self.env.kernel[self.at(t)][(self.action(t, reports), *true)]
        return [(then, float(row[then])) for then in self.profiles(t + 1)]

    def paths(self, t, true, reports, length):
        """Profiles of the next periods, in which the truth is told."""
        for then, chance in self.after(t, true, reports):
            if length == 1:
                yield (then,), chance
            else:
                for path, further in self.paths(t + 1, then, then, length - 1):
                    yield (then, *path), chance * further

    def now(self, t, true, reports):
        worth = self.number(self.env.values[self.i][self.at(t)][(self.action(t, reports), *true)])
        if not self.env.infinite and t == self.env.stages - 1:
            return self.less_paid(worth, self.given.last_payments[self.i][reports])
        return worth

    def less_paid(self, worth, paid):
        return worth + abs(float(paid)) if self.sizes else worth - float(paid)

    def entry(self, array, t, reports, *then):
        """Of a promise: with or without the axis of the own report."""
        place = (self.action(t, reports), *self.others(reports))
        end = tuple(k for profile in then for k in self.others(profile))
        own = (reports[self.i],) if array.ndim > len(place) + len(end) else ()
        return self.number(array[(*place, *own, *end)])

    def promises(self, t):
        s = self.at(t)
        return [self.given.payments[s][self.i], *(self.given.later[s][self.i] if self.given.later else ())]

    def length(self, t):
        return self.given.together if self.env.infinite else min(self.given.together, self.env.stages - 1 - t)

    # every history

    def due(self, t, past, then):
        given = self.given
        if given.history and given.reports:
            return self.number(given.payments[t][self.i][(*(k for p in past for k in p), *self.others(then))])
        if given.history:
            place = [k for s, p in enumerate(past) for k in (self.action(s, p), *self.others(p))]
            return self.number(given.payments[t][self.i][(*place, *self.others(then))])
        if given.together:
            made = [s for s in range(t + 1) if s + self.length(s) == t + 1]
            return sum(self.entry(given.payments[s][self.i], s, past[s], *past[s + 1 :], then) for s in made)
        made = [s for s in range(t + 1) if t - s < len(self.promises(s))]
        return sum(self.entry(self.promises(s)[t - s], s, past[s], then) for s in made)

    def _value(self, t, past, true, report, follow=False):
        """Of a report after any reports; then the truth, or with ``follow`` the best report."""
        reports = (*true[: self.i], report, *true[self.i + 1 :])
        total = self.now(t, true, reports)
        if t == self.env.stages - 1:
            return total
        for then, chance in self.after(t, true, reports):
            told = range(self.env.shape[t + 1][self.i]) if follow else [then[self.i]]
            ahead = max(self.value(t + 1, (*past, reports), then, r, follow) for r in told)
            total += self.env.discount * chance * self.less_paid(ahead, self.due(t, (*past, reports), then))
        return total

    def over_histories(self, t):
        """``(history, profile, report)``, and gains of strategies ``(history, profile)``; present value."""
        gains, strategies, own = [], [], range(self.env.shape[t][self.i])
        for past in product(*(self.profiles(s) for s in range(t))):
            for true in self.profiles(t):
                honest = self.value(t, past, true, true[self.i])
                gains.append([self.less(self.value(t, past, true, r), honest) for r in own])
                strategies.append(self.less(max(self.value(t, past, true, r, True) for r in own), honest))
        shape, d = (-1, len(self.profiles(t))), self.env.discount**t
        return d * np.reshape(gains, (*shape, len(own))), d * np.reshape(strategies, shape)

    # promise by promise

    def before_truth(self, t, true, reports):
        """The action's value less all that it promises."""
        total, d = self.now(t, true, reports), self.env.discount
        if not self.env.infinite and t == self.env.stages - 1:
            return total
        if self.given.together:
            array, length = self.promises(t)[0], self.length(t)
            for path, chance in self.paths(t, true, reports, length):
                total = self.less_paid(total, d**length * chance * self.entry(array, t, reports, *path))
            return total
        for k, array in enumerate(self.promises(t)):
            for path, chance in self.paths(t, true, reports, k + 1):
                total = self.less_paid(total, d ** (k + 1) * chance * self.entry(array, t, reports, path[-1]))
        return total

    def _for_ever(self):
        """Truth from the last period on, by iteration."""
        t = self.env.stages - 1
        value = dict.fromkeys(self.profiles(t), 0.0)
        for _ in range(SWEEPS):
            value = {
                p: self.before_truth(t, p, p) + self.env.discount * sum(c * value[n] for n, c in self.after(t, p, p))
                for p in value
            }
        return value

    def truth(self, t, true):
        last = self.env.stages - 1
        if self.env.infinite and t >= last:
            return self.for_ever()[true]
        return self.reported(t, true, true)

    def reported(self, t, true, reports):
        total = self.before_truth(t, true, reports)
        if not self.env.infinite and t == self.env.stages - 1:
            return total
        return total + self.env.discount * sum(c * self.truth(t + 1, n) for n, c in self.after(t, true, reports))

    def saved(self, t, true, reports):
        """Of promises still due, each at its worst history."""
        total = 0.0
        if not self.env.infinite and t == self.env.stages - 1:
            return total
        for ago in range(1, 8):
            until = t + ago + self.env.stages if self.env.infinite and t == self.env.stages - 1 else t + 1
            made = {self.at(u - ago) for u in range(t, until) if u >= ago}
            saving = self.saved_together if self.given.together else self.saved_alone
            total += max([saving(t, m, ago, true, reports) for m in made], default=0.0)
        return total

    def saved_alone(self, t, made, ago, true, reports):
        total = 0.0
        for k, array in enumerate(self.promises(made)):
            if k >= ago:
                worst = [
                    self.less(
                        *(
                            sum(
                                c * self.entry(array, made, then, path[-1])
                                for path, c in self.paths(t, true, said, k + 1 - ago)
                            )
                            for said in (true, reports)
                        )
                    )
                    for then in self.profiles(made)
                ]
                total += self.env.discount ** (k + 1 - ago) * max(worst)
        return total

    def saved_together(self, t, made, ago, true, reports):
        left, array = self.length(made) - ago, self.promises(made)[0]
        if left <= 0:
            return 0.0
        worst = []
        for then in self.profiles(made):
            # what has been seen since, the present signals last: those of the others
            between = [self.profiles(made + k) for k in range(1, ago)]
            for seen in product(*between):
                worst.append(
                    self.less(
                        *(
                            sum(
                                c * self.entry(array, made, then, *seen, true, *path)
                                for path, c in self.paths(t, true, said, left)
                            )
                            for said in (true, reports)
                        )
                    )
                )
        return self.env.discount**left * max(worst)

    def by_promises(self, t):
        """``(profile, report)``; present value."""
        gains = []
        for true in self.profiles(t):
            told = [(*true[: self.i], r, *true[self.i + 1 :]) for r in range(self.env.shape[t][self.i])]
            honest = self.truth(t, true)
            gains.append([self.less(self.reported(t, true, p), honest) + self.saved(t, true, p) for p in told])
        return self.env.discount**t * np.array(gains)
