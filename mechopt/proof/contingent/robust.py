"""Prove that transfers are right for every kernel of a set, in plain loops over fractions.

Nature picks a distribution of the next profile out of the set of the action and the profile, at every history anew. A
row reads ``outside + d q.inside >= side`` for all q of a set; the smallest value of q.inside is attained at an extreme
point, which is written down directly: a ball moves mass from the best outcomes to the worst one, a box fills the worst
outcomes first, a hull takes its worst vertex. With L <= what the truth is worth <= U:

- ``u(a(s), s) + d q.(L' - p_s) >= L(s)`` and ``U(s) >= u(a(s), s) + d q.(U' - p_s)``;
- a report that leads to the same action: ``q.(p_m - p_s) >= 0``;
- one that leads to another one: where no transitions of the period depend on actions
  ``u(a(s), s) - u(a(m), s) + d q.(L' - U' + p_m - p_s) >= 0``, without L' - U' where none depend on actions later
  either; else ``L(s) >= u(a(m), s) + d q.(U' - p_m)`` for the set of a(m).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.file import TransferProof, TransferProofError, Weighted
from mechopt.proof.contingent.inequalities import Checker, Key, Profile, reporting, without

Distribution = list[Fraction]
Linear = tuple[dict[Key, Fraction], Fraction]
"""Coefficients of unknowns, and a constant."""


class Robust(NamedTuple):
    """``outside + d q.inside(next profile) >= side`` for every q of the set of an action and a profile."""

    period: int
    action: int
    profile: Profile
    outside: dict[Key, Fraction]
    inside: Callable[[Profile], Linear]
    side: Fraction


class RobustChecker(Checker):
    """The inequalities for every kernel of a set."""

    def __init__(self, environment: InterdependentTypes, proof: TransferProof) -> None:
        """Read the set; one that does not fit raises."""
        super().__init__(environment, proof)
        self.kind, given = proof.kernels["kind"], proof.kernels
        self.radius = Fraction(given["radius"]) if self.kind == "ball" else Fraction(0)
        names = {"ball": (), "box": ("lower", "upper"), "hull": ()}
        if self.kind not in names or not 0 <= self.radius <= 2:
            raise TransferProofError(f"kernels: {self.kind!r} is none of ball, box, hull, or the radius is wrong")
        self.sides = [_fractions(given[name]) for name in names[self.kind]]
        self.vertices = [_fractions(kernel) for kernel in given["kernels"]] if self.kind == "hull" else []
        self.controlled = [self._differs(t) for t in range(len(environment.kernel))]
        self.together = any(self.controlled)

    def checked(self) -> Fraction:
        """All that is claimed."""
        self._check_set()
        self.refuse_demands()
        if not self.proof.refusal:
            super().checked()
            return self._check_robust()
        self.check_rule()
        return self._check_contradiction()

    # the set

    def _given(self, t: int, action: int, s: Profile) -> Distribution:
        distribution = self.exact.kernel[t][(action, *s)]
        return [distribution[n] for n in self.profiles[self.following(t)]]

    def _at(self, table: Any, t: int, action: int, s: Profile) -> Distribution:
        distribution = list(table[t][action][self.profiles[t].index(s)])
        if len(distribution) != len(self.profiles[self.following(t)]):
            raise TransferProofError(f"kernels, period {t}: not a probability for every next profile")
        return distribution

    def _differs(self, t: int) -> bool:
        tables = [*self.sides, *self.vertices]
        for s in self.profiles[t]:
            for action in range(1, self.env.action_counts[t]):
                if self._given(t, action, s) != self._given(t, 0, s):
                    return True
                if any(self._at(table, t, action, s) != self._at(table, t, 0, s) for table in tables):
                    return True
        return False

    def _places(self) -> Iterator[tuple[int, int, Profile]]:
        for t in range(len(self.env.kernel)):
            for action in range(self.env.action_counts[t]):
                for s in self.profiles[t]:
                    yield t, action, s

    def _check_set(self) -> None:
        """The model's kernel belongs to it, and it is one of distributions."""
        for t, action, s in self._places():
            for table in self.vertices:
                distribution = self._at(table, t, action, s)
                if min(distribution) < 0 or sum(distribution) != 1:
                    raise TransferProofError(f"kernels, period {t}: a vertex is not a distribution")
            if not self._inside(t, action, s, self._given(t, action, s)):
                raise TransferProofError(f"kernels, period {t}, {list(s)}: the model's kernel is not in the set")

    def _inside(self, t: int, action: int, s: Profile, distribution: Distribution) -> bool:
        if (
            len(distribution) != len(self.profiles[self.following(t)])
            or min(distribution) < 0
            or sum(distribution) != 1
        ):
            return False
        own = self._given(t, action, s)
        if self.kind == "ball":
            return sum((abs(x - y) for x, y in zip(distribution, own, strict=True)), Fraction(0)) <= self.radius
        if self.kind == "box":
            low, high = (self._at(table, t, action, s) for table in self.sides)
            return all(a <= x <= b for a, x, b in zip(low, distribution, high, strict=True))
        return distribution == own or any(distribution == self._at(table, t, action, s) for table in self.vertices)

    def _smallest(self, t: int, action: int, s: Profile, worth: Distribution) -> Fraction:
        """Smallest expectation over the set."""
        own, order = self._given(t, action, s), sorted(range(len(worth)), key=lambda n: worth[n])
        if self.kind == "hull":
            every = [own, *(self._at(table, t, action, s) for table in self.vertices)]
            return min(_mean(distribution, worth) for distribution in every)
        if self.kind == "ball":
            distribution, left = list(own), self.radius / 2
            distribution[order[0]] += left
            for n in reversed(order):  # the worst one last: what no other had to give
                taken = min(left, distribution[n])
                distribution[n], left = distribution[n] - taken, left - taken
            return _mean(distribution, worth)
        low, high = (self._at(table, t, action, s) for table in self.sides)
        distribution, left = list(low), 1 - sum(low, Fraction(0))
        for n in order:
            added = min(left, high[n] - low[n])
            distribution[n], left = distribution[n] + added, left - added
        return _mean(distribution, worth)

    # the inequalities

    def _bound(self, which: str, i: int, t: int, s: Profile, sign: int) -> Linear:
        """L or U of a period as unknowns and a constant, times a sign."""
        if t != self.final:
            return {(which, i, t, s): Fraction(sign)}, Fraction(0)
        unknown: dict[Key, Fraction] = {} if self.constant else {("q", i, s): Fraction(-sign)}
        return unknown, sign * self.exact.values[i][t][(self.policy[t][s], *s)]

    def _expected(self, i: int, t: int, *parts: tuple[Any, int]) -> Callable[[Profile], Linear]:
        """Terms inside an expectation: the next bounds by name, payments by reported profile, with signs."""
        following = self.following(t)

        def inside(then: Profile) -> Linear:
            total, constant = dict[Key, Fraction](), Fraction(0)
            for part, sign in parts:
                if part in ("L", "U"):
                    unknown, fixed = self._bound(part, i, following, then, sign)
                else:
                    unknown, fixed = {("p", i, t, part, without(then, i)): Fraction(sign)}, Fraction(0)
                constant += fixed
                for key, value in unknown.items():
                    total[key] = total.get(key, Fraction(0)) + value
            return total, constant

        return inside

    def bound_row(self, which: str, i: int, t: int, s: Profile) -> Robust:
        """Row that bounds the value of the truth, from below or above."""
        flow = self.exact.values[i][t][(self.policy[t][s], *s)]
        sign = 1 if which == "U" else -1
        inside = self._expected(i, t, (which, -sign), (s, sign))
        return Robust(t, self.policy[t][s], s, {(which, i, t, s): Fraction(sign)}, inside, sign * flow)

    def misreport_row(self, i: int, t: int, s: Profile, report: int) -> Robust:
        """That a report is worth no more than the truth."""
        told = reporting(s, i, report)
        own, action, other = self.exact.values[i][t], self.policy[t][s], self.policy[t][told]
        if action == other:
            return Robust(t, action, s, {}, self._expected(i, t, (told, 1), (s, -1)), Fraction(0))
        if self.controlled[t]:
            inside = self._expected(i, t, (told, 1), ("U", -1))
            return Robust(t, other, s, {("L", i, t, s): Fraction(1)}, inside, own[(other, *s)])
        later = self.controlled[self.following(t) :]
        between: list[tuple[Any, int]] = [("L", 1), ("U", -1)] if any(later) else []
        side = own[(other, *s)] - own[(action, *s)]
        return Robust(t, action, s, {}, self._expected(i, t, (told, 1), (s, -1), *between), side)

    # transfers

    def _check_robust(self) -> Fraction:
        known = self._known()
        for i in self.agents:
            tables = {"L": self.proof.lower, "U": self.proof.upper} if self.together else {}
            for which, table in tables.items():
                for t, values in enumerate(table[i]):
                    known |= {(which, i, t, s): value for s, value in zip(self.profiles[t], values, strict=True)}
            for t in range(len(self.env.kernel)):
                for s in self.profiles[t]:
                    rows = [self.bound_row(which, i, t, s) for which in tables]
                    rows += [self.misreport_row(i, t, s, r) for r in range(self.env.shape[t][i]) if r != s[i]]
                    for row in rows:
                        self._holds(row, known, f"agent {i}, period {t}, signals {list(s)}")
        return max((abs(known[key]) for i in self.agents for key in self.paid(i)), default=Fraction(0))

    def _holds(self, row: Robust, known: dict[Key, Fraction], what: str) -> None:
        worth = []
        for then in self.profiles[self.following(row.period)]:
            coefficients, constant = row.inside(then)
            worth.append(sum((x * known[key] for key, x in coefficients.items()), constant))
        left = sum((x * known[key] for key, x in row.outside.items()), Fraction(0)) - row.side
        left += self.discount * self._smallest(row.period, row.action, row.profile, worth)
        if left < 0:
            raise TransferProofError(f"{what}: violated by {float(-left):.3g} at a kernel of the set")

    # refusals

    def _check_contradiction(self) -> Fraction:
        total, left = Fraction(0), dict[Key, Fraction]()
        if len(self.proof.distributions) != len(self.proof.shares):
            raise TransferProofError("distributions: not one for every share")
        for share, distribution in zip(self.proof.shares, self.proof.distributions, strict=True):
            if share.multiplier < 0:
                raise TransferProofError("shares: a multiplier is negative")
            coefficients, side = self._combined(share, distribution)
            total += share.multiplier * side
            for key, x in coefficients.items():
                left[key] = left.get(key, Fraction(0)) + share.multiplier * x
        for key, x in left.items():
            if x:
                raise TransferProofError(f"shares: the unknown {key} is left, times {x}")
        if total <= 0:
            raise TransferProofError(f"shares: they say 0 >= {total}, which is not a contradiction")
        return total

    def _combined(self, share: Weighted, distribution: Distribution) -> Linear:
        """Coefficients and side of an inequality at its distribution."""
        i, t = share.agent, share.period
        if not 0 <= i < len(self.agents) or not 0 <= t < self.env.stages or share.profile < 0 or share.report < 0:
            raise TransferProofError("shares: an agent, a period, a profile or a report does not exist")
        s = self.profiles[t][share.profile]
        if share.kind == "last" and share.report < self.env.shape[t][i]:
            plain = self.incentive(i, t, s, share.report)
            return plain.coefficients, plain.side
        before = t != self.final
        if share.kind == "misreport" and before and share.report < self.env.shape[t][i] and share.report != s[i]:
            row = self.misreport_row(i, t, s, share.report)
        elif share.kind == "bound" and before and self.together and share.report in (0, 1):
            row = self.bound_row("LU"[share.report], i, t, s)
        else:
            raise TransferProofError(f"shares: {share.kind!r}, report {share.report}, is not an inequality")
        if not self._inside(t, row.action, s, distribution):
            raise TransferProofError("distributions: a distribution is not in the set")
        total, side = dict(row.outside), row.side
        for then, probability in zip(self.profiles[self.following(t)], distribution, strict=True):
            coefficients, constant = row.inside(then)
            side -= self.discount * probability * constant
            for key, x in coefficients.items():
                total[key] = total.get(key, Fraction(0)) + self.discount * probability * x
        return total, side


def _mean(distribution: Distribution, worth: Distribution) -> Fraction:
    return sum((p * x for p, x in zip(distribution, worth, strict=True)), Fraction(0))


def _fractions(given: Any) -> Any:
    return [_fractions(entry) for entry in given] if isinstance(given, list) else Fraction(given)
