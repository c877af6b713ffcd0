"""The inequalities of contingent transfers, written down one by one from an environment and a rule."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

from mechopt.core.errors import shortened
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.file import TransferProof, TransferProofError, Weighted

KINDS = ("truth", "misreport", "last", "participation", "cap", "balance")
CHOICES = {
    "participation": (None, "ex-ante", "interim", "ex-post"),
    "balance": (None, "ex-ante", "weak", "strong"),
    "form": ("free", "vcg", "surplus"),
}
ASKED = ("participation", "outside", "fee", "cap", "balance", "form")

Profile = tuple[int, ...]
Key = tuple[Any, ...]
"""Name of an unknown: ("V", i, t, profile), ("h", i, t, others), ("p", i, t, profile, others' next), ("q", i, profile),
("fee", i)."""


class Row(NamedTuple):
    """``sum of coefficients times unknowns >= side``, or equal to it."""

    coefficients: dict[Key, Fraction]
    side: Fraction
    equal: bool


class Checker:
    """The inequalities of an environment and a rule, written down one by one."""

    def __init__(self, environment: InterdependentTypes, proof: TransferProof) -> None:
        """Read the rule and its surplus; a rule that does not fit raises."""
        assert environment.exact is not None
        self.env, self.proof, self.exact = environment, proof, environment.exact
        self.discount, self.agents = environment.exact.discount, range(environment.agents)
        self.final = -1 if environment.infinite else environment.stages - 1
        self.profiles = [list(product(*map(range, shape))) for shape in environment.shape]
        by_period = isinstance(environment.cost, tuple)
        every: Any = self.exact.cost if by_period else [self.exact.cost] * environment.stages
        self.costs: list[list[Fraction]] = [list(cost) for cost in every]
        self.policy: list[dict[Profile, int]] = []
        for t, actions in enumerate(proof.policy):
            if len(actions) != len(self.profiles[t]) or any(
                type(a) is not int or not 0 <= a < environment.action_counts[t] for a in actions
            ):
                raise TransferProofError(f"policy, period {t}: not an action for every profile")
            self.policy.append(dict(zip(self.profiles[t], actions, strict=True)))
        if len(self.policy) != environment.stages:
            raise TransferProofError("policy: not of every period")
        self.surplus = self._tables(proof.surplus, "surplus")
        self._require_known(proof.asked)
        if proof.last not in (("none",) if environment.infinite else ("efficient", "constant")):
            raise TransferProofError(f"last: {proof.last!r} does not fit the horizon")
        self.constant = proof.last == "constant"
        if self.constant and len(set(self.policy[self.final].values())) > 1:
            raise TransferProofError("last: the last action is not one whatever the reports")

    def _require_known(self, asked: dict[str, Any]) -> None:
        """Refuse demands that do not exist: what was asked is said of what is proved."""
        if set(asked) != set(ASKED):
            raise TransferProofError(f"asked: not {', '.join(ASKED)}")
        for key, known in CHOICES.items():
            if asked[key] not in known:
                raise TransferProofError(f"{key}: {shortened(repr(asked[key]))} is not known")
        if type(asked["fee"]) is not bool or len(asked["outside"]) != self.env.agents:
            raise TransferProofError("asked: fee is no truth value, or outside is not a number for each agent")
        numbers = [*asked["outside"], "0" if asked["cap"] is None else asked["cap"]]
        if any(type(number) is not str for number in numbers) or [Fraction(number) for number in numbers][-1] < 0:
            raise TransferProofError("asked: outside and cap are not fractions as texts, or the cap is below 0")

    def refuse_demands(self) -> None:
        """Refuse what is asked of transfers where nothing but the truth is proved."""
        asked = self.proof.asked
        if asked["fee"] or any(asked[key] is not None for key in ("participation", "cap", "balance")):
            raise TransferProofError("asked: nothing is proved of participation, fees, caps or balance here")

    def _tables(self, given: Any, what: str) -> list[dict[Profile, Fraction]]:
        if [len(table) for table in given] != [len(profiles) for profiles in self.profiles]:
            raise TransferProofError(f"{what}: not a number for every profile of every period")
        return [dict(zip(self.profiles[t], table, strict=True)) for t, table in enumerate(given)]

    def checked(self) -> Fraction:
        """All that is claimed."""
        self.check_rule()
        return self._check_refusal() if self.proof.refusal else self._check_transfers()

    def check_rule(self) -> None:
        """Check the claims about the rule itself."""
        self._check_surplus()
        if self.proof.efficient:
            self._check_efficient()

    def _later(self, t: int, action: int, profile: Profile) -> Iterator[tuple[Profile, Fraction]]:
        """Next profiles and their probabilities, zeros left out."""
        if t == self.final:
            return
        distribution = self.exact.kernel[t][(action, *profile)]
        for then in self.profiles[self.following(t)]:
            if distribution[then]:
                yield then, distribution[then]

    def _flow(self, t: int, action: int, profile: Profile) -> Fraction:
        return (
            sum((self.exact.values[i][t][(action, *profile)] for i in self.agents), Fraction(0)) - self.costs[t][action]
        )

    def following(self, t: int) -> int:
        """Period after t in the arrays."""
        return min(t + 1, len(self.profiles) - 1) if self.env.infinite else t + 1

    def _worth(self, table: list[dict[Profile, Fraction]], t: int, action: int, profile: Profile) -> Fraction:
        later = sum((p * table[self.following(t)][n] for n, p in self._later(t, action, profile)), Fraction(0))
        return self._flow(t, action, profile) + self.discount * later

    def _check_surplus(self) -> None:
        for t, profiles in enumerate(self.profiles):
            for s in profiles:
                if self.surplus[t][s] != self._worth(self.surplus, t, self.policy[t][s], s):
                    raise TransferProofError(f"surplus, period {t}, signals {list(s)}: is not what the rule is worth")

    def _check_efficient(self) -> None:
        welfare = self._tables(self.proof.welfare, "welfare")
        for t, profiles in enumerate(self.profiles):
            for s in profiles:
                worth = [self._worth(welfare, t, a, s) for a in range(self.env.action_counts[t])]
                if welfare[t][s] != max(worth):
                    raise TransferProofError(f"welfare, period {t}, signals {list(s)}: is not the largest surplus")
                if worth[self.policy[t][s]] != max(worth) and not (self.constant and t == self.final):
                    raise TransferProofError(f"policy, period {t}, signals {list(s)}: is not efficient")

    # the inequalities

    def _value(self, i: int, t: int, s: Profile) -> tuple[dict[Key, Fraction], Fraction]:
        """Value of the truth, as unknowns and a constant."""
        if t == self.final:
            flow = self.exact.values[i][t][(self.policy[t][s], *s)]
            return ({} if self.constant else {("q", i, s): Fraction(-1)}), flow
        form = self.proof.asked["form"]
        if form == "free":
            return {("V", i, t, s): Fraction(1)}, Fraction(0)
        if form == "vcg":
            return {("h", i, t, without(s, i)): Fraction(-1)}, self.surplus[t][s]
        return {}, self.surplus[t][s]

    def incentive(self, i: int, t: int, s: Profile, report: int) -> Row:
        """Row of a true profile and a report; the truth is an equation."""
        told = reporting(s, i, report)
        action = self.policy[t][told]
        own = self.exact.values[i][t]
        if t == self.final:
            side = own[(action, *s)] - own[(self.policy[t][s], *s)]
            coefficients: dict[Key, Fraction] = {}
            if not self.constant:
                _add(coefficients, ("q", i, told), Fraction(1))
                _add(coefficients, ("q", i, s), Fraction(-1))
            return Row(coefficients, side, False)
        now, constant = self._value(i, t, s)
        coefficients, side = dict(now), own[(action, *s)] - constant
        for then, probability in self._later(t, action, s):
            weight = self.discount * probability
            later, fixed = self._value(i, self.following(t), then)
            side += weight * fixed
            for key, value in later.items():
                _add(coefficients, key, -weight * value)
            _add(coefficients, ("p", i, t, told, without(then, i)), weight)
        return Row(coefficients, side, told == s)

    def participation(self, i: int, group: int) -> Row:
        """Row of the agent before the first signal, of an own first signal, or of a first profile."""
        how, initial = self.proof.asked["participation"], self.exact.initial
        weights: dict[Profile, Fraction] = {}
        for n, s in enumerate(self.profiles[0]):
            if how == "ex-post" and n == group:
                weights[s] = Fraction(1)
            elif how == "ex-ante" or (how == "interim" and s[i] == group):
                weights[s] = initial[s]
            elif how not in ("ex-post", "interim"):
                raise TransferProofError(f"participation: {how!r} is not known")
        coefficients: dict[Key, Fraction] = {}
        side = Fraction(self.proof.asked["outside"][i]) * sum(weights.values())
        for s, weight in weights.items():
            unknown, constant = self._value(i, 0, s)
            side -= weight * constant
            for key, value in unknown.items():
                _add(coefficients, key, weight * value)
            if self.proof.asked["fee"]:
                _add(coefficients, ("fee", i), -weight)
        return Row(coefficients, side, False)

    def paid(self, i: int) -> list[Key]:
        """All payments of an agent, in the order in which the program numbers them."""
        keys: list[Key] = []
        for t in range(len(self.env.kernel)):
            then = self.env.shape[self.following(t)]
            others = list(product(*(range(n) for j, n in enumerate(then) if j != i)))
            keys += [("p", i, t, s, n) for s in self.profiles[t] for n in others]
        if self.final >= 0 and not self.constant:
            keys += [("q", i, s) for s in self.profiles[self.final]]
        return keys + ([("fee", i)] if self.proof.asked["fee"] else [])

    def balance(self, t: int, before: int, then: int) -> Row:
        """Row of a period after two profiles; where balance is expected, of all of them."""
        how = self.proof.asked["balance"]
        if how == "ex-ante":
            return self._expected_balance()
        if how not in ("weak", "strong") or t < 0:
            raise TransferProofError(f"balance: {how!r} is not known, or there is no period {t}")
        coefficients: dict[Key, Fraction] = {}
        at, past = (min(period, len(self.profiles) - 1) for period in (t, t - 1))
        s = self.profiles[at][then]
        for i in self.agents:
            if t == 0 and self.proof.asked["fee"]:
                _add(coefficients, ("fee", i), Fraction(1))
            if t:
                _add(coefficients, ("p", i, past, self.profiles[past][before], without(s, i)), Fraction(1))
            if t == self.final and not self.constant:
                _add(coefficients, ("q", i, s), Fraction(1))
        return Row(coefficients, self.costs[at][self.policy[at][s]], how == "strong")

    def _expected_balance(self) -> Row:
        side, coefficients = Fraction(0), dict[Key, Fraction]()
        for s in self.profiles[0]:
            side -= self.exact.initial[s] * self.surplus[0][s]
            for i in self.agents:
                unknown, constant = self._value(i, 0, s)
                side += self.exact.initial[s] * constant
                for key, value in unknown.items():
                    _add(coefficients, key, -self.exact.initial[s] * value)
        for i in self.agents if self.proof.asked["fee"] else ():
            coefficients["fee", i] = Fraction(1)
        return Row(coefficients, side, False)

    # refusals

    def _check_refusal(self) -> Fraction:
        total, left = Fraction(0), dict[Key, Fraction]()
        unknown_of: dict[int, dict[int, Key]] = {}
        for share in self.proof.shares:
            row = self._row(share, unknown_of)
            if share.multiplier < 0 and not row.equal:
                raise TransferProofError("shares: a multiplier of an inequality is negative")
            total += share.multiplier * row.side
            for key, value in row.coefficients.items():
                _add(left, key, share.multiplier * value)
        for key, value in left.items():
            raise TransferProofError(f"shares: the unknown {key} is left, times {value}")
        if total <= 0:
            raise TransferProofError(f"shares: they say 0 >= {total}, which is not a contradiction")
        return total

    def _row(self, share: Weighted, unknown_of: dict[int, dict[int, Key]]) -> Row:
        kind, i, t = share.kind, share.agent, share.period
        if not (0 <= i < len(self.agents) or (kind == "balance" and i == -1)) or share.profile < 0 or share.report < 0:
            raise TransferProofError("shares: an agent, a profile or a report does not exist")
        if not 0 <= t < self.env.stages and not (kind == "balance" and (t == -1 or self.env.infinite)):
            raise TransferProofError(f"shares: there is no period {t}")
        if kind in ("truth", "misreport", "last"):
            s = self.profiles[t][share.profile]
            if share.report >= self.env.shape[t][i]:
                raise TransferProofError("shares: a report does not exist")
            return self.incentive(i, t, s, share.report)
        if kind == "participation":
            return self.participation(i, share.profile)
        if kind == "balance":
            return self.balance(t, share.profile, share.report)
        if kind == "cap":
            if i not in unknown_of:
                unknown_of[i] = dict(enumerate(self.paid(i)))
            key, cap = unknown_of[i][share.profile], self.proof.asked["cap"]
            return Row({key: Fraction(1 if share.report else -1)}, -Fraction(cap), False)
        raise TransferProofError(f"shares: {kind!r} is none of {', '.join(KINDS)}")

    # transfers

    def _check_transfers(self) -> Fraction:
        known = self._known()
        for i in self.agents:
            for t, profiles in enumerate(self.profiles):
                for s in profiles:
                    for report in range(self.env.shape[t][i]):
                        what = f"agent {i}, period {t}, signals {list(s)}, report {report}"
                        self._satisfied(self.incentive(i, t, s, report), known, what)
            if self.proof.asked["participation"] is not None:
                how = self.proof.asked["participation"]
                groups = {"ex-ante": 1, "interim": self.env.shape[0][i], "ex-post": len(self.profiles[0])}[how]
                for group in range(groups):
                    self._satisfied(self.participation(i, group), known, f"participation of agent {i}, {group}")
        largest = max((abs(known[key]) for i in self.agents for key in self.paid(i)), default=Fraction(0))
        cap, balance = self.proof.asked["cap"], self.proof.asked["balance"]
        if cap is not None and largest > Fraction(cap):
            raise TransferProofError(f"cap: a payment is {largest}, above {cap}")
        for what, row in self._balances() if balance is not None else ():
            self._satisfied(row, known, f"balance, {what}")
        return largest

    def _balances(self) -> Iterator[tuple[str, Row]]:
        if self.proof.asked["balance"] == "ex-ante":
            yield "all periods", self._expected_balance()
            return
        for then in range(len(self.profiles[0])):
            yield "period 0", self.balance(0, then, then)
        for t in range(len(self.env.kernel)):
            for before in range(len(self.profiles[t])):
                for then in range(len(self.profiles[self.following(t)])):
                    yield f"period {t + 1}", self.balance(t + 1, before, then)

    def _known(self) -> dict[Key, Fraction]:
        """The unknowns as the file gives them; what is not there raises KeyError where it is used."""
        proof, known = self.proof, dict[Key, Fraction]()
        for i in self.agents:
            for t, table in enumerate(proof.values[i]):
                for s, value in zip(self.profiles[t], table, strict=True):
                    known["V", i, t, s] = value
                    if proof.asked["form"] == "free" or t == self.final:
                        continue
                    less, key = self.surplus[t][s] - value, ("h", i, t, without(s, i))
                    if known.setdefault(key, less) != less or (proof.asked["form"] == "surplus" and less != 0):
                        raise TransferProofError(f"values of agent {i}, period {t}: not of the form that is claimed")
            for t, row in enumerate(proof.payments):
                then = self.env.shape[self.following(t)]
                others = list(product(*(range(n) for j, n in enumerate(then) if j != i)))
                for s, due in zip(self.profiles[t], row[i], strict=True):
                    known |= {("p", i, t, s, n): value for n, value in zip(others, due, strict=True)}
            if self.final >= 0 and not self.constant:
                last = zip(self.profiles[self.final], proof.last_payments[i], strict=True)
                known |= {("q", i, s): value for s, value in last}
            if proof.asked["fee"]:
                known["fee", i] = proof.fees[i]
        return known

    def _satisfied(self, row: Row, known: dict[Key, Fraction], what: str) -> None:
        left = sum((value * known[key] for key, value in row.coefficients.items()), Fraction(0)) - row.side
        if left < 0 or (row.equal and left != 0):
            raise TransferProofError(f"{what}: violated by {float(-left if left < 0 else left):.3g}")


def _add(coefficients: dict[Key, Fraction], key: Key, value: Fraction) -> None:
    left = coefficients.get(key, Fraction(0)) + value
    if left:
        coefficients[key] = left
    else:
        coefficients.pop(key, None)


def without(profile: Profile, agent: int) -> Profile:
    """The others' signals."""
    return (*profile[:agent], *profile[agent + 1 :])


def reporting(profile: Profile, agent: int, signal: int) -> Profile:
    """The profile with another signal of the agent."""
    return (*profile[:agent], signal, *profile[agent + 1 :])
