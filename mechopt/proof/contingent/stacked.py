"""Prove that stacked transfers make the truth best, in plain loops over fractions.

Where actions move no signals (which is checked) no later report moves what is still due, so that each promise stands by
itself: with P(m; s) the present value, at signals s, of what the reported profile m promises about a period, the truth
being told afterwards,

    V(s) = u(a(s), s) + d E[V' | s] - P(s; s),      V(s) >= u(a(m), s) + d E[V' | s] - P(m; s)    for every report.

Where actions move them the horizon is finite, payments are by all earlier reports, and what the truth is worth after
every history is computed from the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.file import TransferProof, TransferProofError
from mechopt.proof.contingent.inequalities import Checker, Profile, reporting, without


class StackedChecker(Checker):
    """The inequalities of payments that are due in several periods, or depend on several."""

    def __init__(self, environment: InterdependentTypes, proof: TransferProof) -> None:
        """Read how payments are stacked; what does not fit raises."""
        super().__init__(environment, proof)
        self.how, self.steps = str(proof.stack["how"]), int(proof.stack["steps"])
        if self.how not in ("apart", "together", "histories"):
            raise TransferProofError(f"stack: {proof.stack!r} is not known")
        if proof.refusal or proof.kernels:
            raise TransferProofError("stack: only transfers are proved, and for the model's kernel")

    def checked(self) -> Fraction:
        """All that is claimed."""
        self.check_rule()
        self.refuse_demands()
        if self.proof.asked["form"] != "free":
            raise TransferProofError("form: nothing is proved of it for stacked transfers")
        self._check_last()
        if self.how == "histories":
            self._check_histories()
        else:
            self._check_promises()
        paid = [x for row in self.proof.payments for own in row for due in own for x in due]
        return max(map(abs, [Fraction(0), *paid, *(x for own in self.proof.last_payments for x in own)]))

    def _check_last(self) -> None:
        """The last period's payments, which no earlier ones matter to."""
        for i in self.agents:
            for s in self.profiles[self.final] if self.final >= 0 else ():
                for report in range(self.env.shape[self.final][i]):
                    if self._at_the_end(i, s, reporting(s, i, report)) > self._at_the_end(i, s, s):
                        raise TransferProofError(f"agent {i}, last period, signals {list(s)}: report {report} gains")

    def _at_the_end(self, i: int, s: Profile, told: Profile) -> Fraction:
        worth = self.exact.values[i][self.final][(self.policy[self.final][told], *s)]
        if self.constant:
            return Fraction(worth)
        return Fraction(worth - self.proof.last_payments[i][self.profiles[self.final].index(told)])

    # promises that stand by themselves

    def _length(self, t: int) -> int:
        return self.steps if self.env.infinite else min(self.steps, self.env.stages - 1 - t)

    def _after(self, t: int, k: int) -> int:
        for _ in range(k):
            t = self.following(t)
        return t

    def _others(self, i: int, t: int) -> list[Profile]:
        return list(product(*(range(n) for j, n in enumerate(self.env.shape[t]) if j != i)))

    def _paths(self, i: int, t: int, action: int, s: Profile, length: int) -> Iterator[tuple[list[Profile], Fraction]]:
        """Paths of the others' signals and their probabilities."""
        for then, chance in self._later(t, action, s):
            seen = without(then, i)
            if length == 1:
                yield [seen], chance
                continue
            following = self.following(t)
            for path, more in self._paths(i, following, self.policy[following][then], then, length - 1):
                yield [seen, *path], chance * more

    def _promise(self, i: int, t: int, s: Profile, told: Profile) -> Fraction:
        """Present value of what a reported profile promises about a period."""
        due, length = self.proof.payments[t][i][self.profiles[t].index(told)], self._length(t)
        others = [self._others(i, self._after(t, k)) for k in range(1, length + 1)]
        total, action = Fraction(0), self.policy[t][told]
        if self.how == "together":
            numbers = {path: n for n, path in enumerate(product(*others))}
            if len(numbers) != len(due):
                raise TransferProofError(f"payments, period {t}: not one for every path of the others' signals")
            for path, chance in self._paths(i, t, action, s, length):
                total += chance * due[numbers[tuple(path)]]
            return self.discount**length * total
        if sum(map(len, others)) != len(due):
            raise TransferProofError(f"payments, period {t}: not one for the others' signals of every period")
        start = 0
        for k, profiles in enumerate(others, start=1):
            for path, chance in self._paths(i, t, action, s, k):
                total += self.discount**k * chance * due[start + profiles.index(path[-1])]
            start += len(profiles)
        return total

    def _check_promises(self) -> None:
        for t in range(len(self.env.kernel)):
            for s in self.profiles[t]:
                for action in range(1, self.env.action_counts[t]):
                    one, other = self.exact.kernel[t][(0, *s)], self.exact.kernel[t][(action, *s)]
                    if (one != other).any():
                        raise TransferProofError("stack: actions move the signals; payments have to be by histories")
        for i in self.agents:
            values = [dict(zip(self.profiles[t], table, strict=True)) for t, table in enumerate(self.proof.values[i])]
            for s in self.profiles[self.final] if self.final >= 0 else ():
                if values[self.final][s] != self._at_the_end(i, s, s):
                    raise TransferProofError(f"values of agent {i}, last period: not what is got less what is paid")
            for t in range(len(self.env.kernel)):
                for s in self.profiles[t]:
                    later = sum(
                        (p * values[self.following(t)][n] for n, p in self._later(t, self.policy[t][s], s)), Fraction(0)
                    )
                    for report in range(self.env.shape[t][i]):
                        told = reporting(s, i, report)
                        worth = self.exact.values[i][t][(self.policy[t][told], *s)] + self.discount * later
                        worth -= self._promise(i, t, s, told)
                        if worth > values[t][s] or (told == s and worth != values[t][s]):
                            raise TransferProofError(
                                f"agent {i}, period {t}, signals {list(s)}, report {report}: violated by "
                                f"{float(abs(worth - values[t][s])):.3g}"
                            )

    # histories

    def _check_histories(self) -> None:
        if self.env.infinite:
            raise TransferProofError("stack: payments by histories are for finite horizons")
        for i in self.agents:
            after: dict[tuple[Profile, ...], dict[Profile, Fraction]] = {}
            for past in product(*self.profiles[: self.final]):
                after[past] = {s: self._at_the_end(i, s, s) for s in self.profiles[self.final]}
            for t in reversed(range(self.final)):
                others, before = self._others(i, t + 1), dict[tuple[Profile, ...], dict[Profile, Fraction]]()
                numbers = {past: n for n, past in enumerate(product(*self.profiles[: t + 1]))}
                if len(self.proof.payments[t][i]) != len(numbers):
                    raise TransferProofError(f"payments of agent {i}, period {t}: not for every history of reports")
                for past in product(*self.profiles[:t]):
                    before[past] = {}
                    for s in self.profiles[t]:
                        worth = {}
                        for report in range(self.env.shape[t][i]):
                            told = reporting(s, i, report)
                            due, action = self.proof.payments[t][i][numbers[*past, told]], self.policy[t][told]
                            total = Fraction(self.exact.values[i][t][(action, *s)])
                            for then, chance in self._later(t, action, s):
                                net = after[*past, told][then] - due[others.index(without(then, i))]
                                total += self.discount * chance * net
                            worth[report] = total
                        before[past][s] = worth[s[i]]
                        if max(worth.values()) > worth[s[i]]:
                            what = f"agent {i}, period {t}, signals {list(s)}, after {list(map(list, past))}"
                            raise TransferProofError(f"{what}: a report gains")
                after = before
