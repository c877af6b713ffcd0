"""The rows of every program once more, by loops over histories, for the checker of certificates.

Columns, in order: lifetime utility S by length of history, buyer, history; allocation x by period, buyer, history,
report profile (not in the promise form); realised utility R by length 0, ..., T-1, buyer, history (payment form only;
R at the end is S). Histories are numbered with the first period slowest and buyer 0 slowest within a period. Rows, in
order: S(h) = E S(h,.); promise form: slopes; otherwise supply, then the constraints, those that others imply left out.
Incentive rows are divided by the difference of the two values; where misreports may gain something, all have rows,
divided by that, none is left out, and they are at least -1. This file shares no code with `mechopt.lp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from math import prod

from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    Constraint,
    ExAnteIR,
    ExpectedContinuationIR,
    Interim,
    PeriodicIR,
    SuperDIC,
)
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.proof.constraints import INDEPENDENT, CertificateError, demanded, require_independent, require_outside
from mechopt.proof.payments import independent_rows, require_payments, slack
from mechopt.proof.rows import Columns, Entries, Number, Row, Side, Weights, at_least, fill_cost, whole


class Model(Columns):
    """A program rebuilt: columns with cost and bounds, and rows on demand."""

    def rows(self) -> Iterator[Row]:
        """All rows in order."""
        stages = [(t, i) for t in range(self.periods) for i in range(self.buyers)]
        for t, i in stages:
            yield from self._drift("promise", "lifetime utility", t, i, 0)
        if self.form == "promise":
            for t, _ in stages:
                yield from self._slopes(t)
            return
        for t in range(self.periods):
            yield from self._supply(t)
        outside = self.exact.outside is not None
        last = self.periods - 1
        when = {INDU(): range(last), EPIR(): range(last, self.periods), ExAnteIR(): range(1)}
        kept = demanded(self.form, self.ic, self.ir, outside)
        if self.loose:  # misreports that may gain imply no others that may gain the same
            kept = [*self.ic, *demanded(self.form, (), self.ir, outside)]
        for constraint in kept:
            if constraint == Interim():
                continue
            for t, i in stages:
                if constraint not in when or t in when[constraint]:
                    yield from self._constraint(constraint, t, i)
        if (self.buyers > 1 or outside) and Interim() in INDEPENDENT.unimplied(self.ir):
            for i in range(self.buyers):
                yield from self._interim(i)
        yield from independent_rows(self, self.subject_to)

    def _others(self, t: int, i: int) -> tuple[list[list[int]], list[Number]]:
        """``[k][o]``: number of the profile of own type k and the others' o; and the probability of each o."""
        table: list[list[int]] = [[] for _ in range(self.types[t][i])]
        for number, profile in enumerate(self.profiles[t]):
            table[profile[i]].append(number)
        weights = [
            whole(prod(self.exact.probabilities[j][t][k] for j, k in enumerate(self.profiles[t][number]) if j != i))
            for number in table[0]
        ]
        return table, weights

    @property
    def loose(self) -> bool:
        """Whether misreports may gain something."""
        return any(slack(self.subject_to, i) for i in range(self.buyers))

    def _gain(self, i: int) -> tuple[Fraction, int]:
        """Divisor of incentive rows (0: each by its difference of values), and minus their lower side."""
        allowed = slack(self.subject_to, i)
        return allowed, int(allowed > 0)

    def _pairs(self, t: int, i: int) -> list[tuple[int, int]]:
        """(true type, report) for neighbours: first all reports one lower, then all one higher; else for all."""
        if slack(self.subject_to, i):
            return [(k, j) for k in range(self.types[t][i]) for j in range(self.types[t][i]) if j != k]
        low = range(self.types[t][i] - 1)
        return [(k + 1, k) for k in low] + [(k, k + 1) for k in low]

    def _drift(self, name: str, kind: str, t: int, i: int, upper: Side, least: Fraction = Fraction(0)) -> Iterator[Row]:
        """0, or a least amount, <= E U(h,.) - U(h) <= upper."""
        width, before, after = len(self.distribution[t]), self.utility(kind, t, i), self.utility(kind, t + 1, i)
        for h in range(self.count[t]):
            entries: Entries = [(after + h * width + m, p) for m, p in enumerate(self.distribution[t]) if p]
            divided, side = at_least([*entries, (before + h, -1)], least)
            yield Row(name, (t, i, h), divided, side, upper)

    def _slopes(self, t: int) -> Iterator[Row]:
        """Slopes of S in the type: the lowest >= 0, rising, the highest <= 1."""
        values, after = self.present[0][t], self.utility("lifetime utility", t + 1, 0)
        size = len(values)
        if size == 1:
            return
        over = [whole(1 / (values[k + 1] - values[k])) for k in range(size - 1)]
        for h in range(self.count[t]):
            first = after + h * size
            entries: Entries = [(first + 1, over[0]), (first, -over[0])]
            yield Row("lowest slope", (t, 0, h), entries, 0, 1 if size == 2 else None)
        for h in range(self.count[t]):
            for k in range(size - 2):
                first = after + h * size + k
                entries = [(first + 2, over[k + 1]), (first + 1, -over[k + 1] - over[k]), (first, over[k])]
                yield Row("rising slope", (t, 0, h, k), entries, 0, None)
        for h in range(self.count[t] if size > 2 else 0):
            last = after + h * size + size - 1
            yield Row("highest slope", (t, 0, h), [(last, over[-1]), (last - 1, -over[-1])], 0, 1)

    def _supply(self, t: int) -> Iterator[Row]:
        """Supply of some buyers, over what there is for so many: the first slots' weights; of one item a 1."""
        weights = [Fraction(1)] if self.exact.slots is None else list(self.exact.slots[t])
        weights += [Fraction(0)] * self.buyers
        for size in range(1, self.buyers + 1):
            most = sum(weights[:size], Fraction(0))
            if size == 1 and most == 1:
                continue  # a bound
            if (size < self.buyers and not weights[size]) or (size > 1 and weights[size - 1] == weights[0]):
                continue  # said by more buyers together, or by fewer
            for node in range(self.count[t + 1]):
                for some in combinations(range(self.buyers), size):
                    entries: Entries = [(self.allocation(t, i) + node, whole(1 / most)) for i in some]
                    yield Row("supply", (t, None, node // len(self.distribution[t]), node), entries, None, 1)

    def _interim(self, i: int) -> Iterator[Row]:
        table, weights = self._others(0, i)
        after = self.utility("lifetime utility", 1, i)
        for k, own in enumerate(table):
            entries: Entries = [(after + m, w) for m, w in zip(own, weights, strict=True) if w]
            yield self.least("interim", (0, i, 0, k), entries, self.options(0, i)[k])

    def _constraint(self, constraint: Constraint, t: int, i: int) -> Iterator[Row]:
        """Rows of a constraint for one buyer in one period."""
        if constraint == PEIR():
            yield from self._drift("per-period-expected", "realised utility", t, i, None, self.first_option(t, i))
        elif constraint in (EPIR(), PFIR()):
            after = self.utility("realised utility", t + 1, i)
            for node in range(self.count[t + 1]):
                yield self.least(
                    constraint.name,
                    (t, i, *divmod(node, len(self.distribution[t]))),
                    [(after + node, 1)],
                    self.first_option(0, i),
                )
        elif constraint == ExAnteIR():
            yield self.least(
                constraint.name, (0, i, 0), [(self.utility("lifetime utility", 0, i), 1)], self.expected_option(0, i)
            )
        elif constraint == ExpectedContinuationIR():
            life, realised = self.utility("lifetime utility", t, i), self.utility("realised utility", t, i)
            for h in range(self.count[t]):
                yield self.least(
                    constraint.name, (t, i, h), [(life + h, 1), (realised + h, -1)], self.expected_option(t, i)
                )
        elif constraint == PPIR():
            before, after = self.utility("realised utility", t, i), self.utility("realised utility", t + 1, i)
            width = len(self.distribution[t])
            for h in range(self.count[t]):
                for m in range(width):
                    entries: Entries = [(after + h * width + m, 1), (before + h, -1)]
                    yield self.least(constraint.name, (t, i, h, m), entries, self.first_option(t, i))
        elif constraint == PeriodicIR():
            table, weights = self._others(t, i)
            before, after = self.utility("realised utility", t, i), self.utility("lifetime utility", t + 1, i)
            for h in range(self.count[t]):
                first = after + h * len(self.distribution[t])
                for k, own in enumerate(table):
                    entries = [(first + m, w) for m, w in zip(own, weights, strict=True) if w]
                    yield self.least(constraint.name, (t, i, h, k), [*entries, (before + h, -1)], self.options(t, i)[k])
        elif constraint == INDU():
            yield from self._indu(t, i)
        elif constraint in (DIC(), PPIC()):
            yield from self._interim_incentive(constraint, t, i)
        else:
            yield from self._ex_post_incentive(constraint, t, i)

    def _indu(self, t: int, i: int) -> Iterator[Row]:
        """E (S - R)(h,k+1,.) - E (S - R)(h,k,.) = 0."""
        table, weights = self._others(t, i)
        life, realised = self.utility("lifetime utility", t + 1, i), self.utility("realised utility", t + 1, i)
        allowed, least = self._gain(i)
        pairs = self._pairs(t, i) if allowed else [(k + 1, k) for k in range(len(table) - 1)]
        for h in range(self.count[t]):
            node = h * len(self.distribution[t])
            for k, j in pairs:
                entries: Entries = []
                for o, chance in enumerate(weights):
                    if chance:
                        w = whole(Fraction(1) / (allowed or 1) * chance)
                        high, low = node + table[k][o], node + table[j][o]
                        entries += [(life + high, w), (realised + high, -w), (life + low, -w), (realised + low, w)]
                yield Row("indu", (t, i, h, k), entries, -least, least)

    def _interim_incentive(self, constraint: Constraint, t: int, i: int) -> Iterator[Row]:
        """(E U(h,k,.) - E U(h,j,.)) / |v_k - v_j| -+ E x(h,j,.) >= 0, U = S for DIC and R for PPIC."""
        table, weights = self._others(t, i)
        after = self.utility("lifetime utility" if constraint == DIC() else "realised utility", t + 1, i)
        sold, values = self.allocation(t, i), self.present[i][t]
        terms, (allowed, least) = [], self._gain(i)
        for k, j in self._pairs(t, i):
            over = 1 / (allowed or abs(values[k] - values[j]))
            gain = whole((values[k] - values[j]) * over)
            lot = [(table[k][o], table[j][o], whole(w * over), -gain * w) for o, w in enumerate(weights) if w]
            terms.append((k, j, lot))
        for h in range(self.count[t]):
            node = h * len(self.distribution[t])
            for k, j, lot in terms:
                entries: Entries = []
                for true, report, w, chance in lot:
                    entries += [(after + node + true, w), (after + node + report, -w), (sold + node + report, chance)]
                yield Row(constraint.name, (t, i, h, f"true type {k}, report {j}"), entries, -least, None)

    def _ex_post_incentive(self, constraint: Constraint, t: int, i: int) -> Iterator[Row]:
        """The same for each profile of the others and, for super-DIC, each future and S at the end."""
        table, weights = self._others(t, i)
        length = self.periods if constraint == SuperDIC() else t + 1
        futures = self.count[length] // self.count[t + 1]
        after, sold = self.utility("lifetime utility", length, i), self.allocation(t, i)
        values, pairs = self.present[i][t], self._pairs(t, i)
        allowed, least = self._gain(i)
        over = [whole(1 / (allowed or abs(values[k] - values[j]))) for k, j in pairs]
        for h in range(self.count[t]):
            node = h * len(self.distribution[t])
            for (k, j), scale in zip(pairs, over, strict=True):
                for o in range(len(weights)):
                    true, report = node + table[k][o], node + table[j][o]
                    for f in range(futures):
                        entries: Entries = [(after + true * futures + f, scale), (after + report * futures + f, -scale)]
                        entries.append((sold + report, -whole((values[k] - values[j]) * scale)))
                        place = f"true type {k}, report {j}, others {o}, future {f}"
                        yield Row(constraint.name, (t, i, h, place), entries, -least, None)


def rebuild(
    environment: IndependentTypes,
    form: str,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
    weights: Weights,
    subject_to: tuple[PaymentConstraint, ...] = (),
) -> Model:
    """Rebuild the program of an environment with exact numbers; ``weights``: of revenue, welfare, utility.

    Raises
    ------
    CertificateError
        If the form cannot express the constraints, or one is not defined for such types.
    """
    require_independent(form, environment.agents, ic, ir)
    require_outside(environment, ir)
    require_payments(subject_to, environment.agents, form, ir, draws=False)
    if environment.exact is None:
        raise CertificateError("fingerprint: this environment has no exact numbers, so nothing can be proved about it")
    if form != "payment" and (environment.exact.outside is not None or environment.exact.discounts is not None):
        raise CertificateError(f"form: {form!r} has no outside options and one discount for all; 'payment' has")
    if form == "promise" and environment.exact.slots is not None:
        raise CertificateError("form: 'promise' has no slots; 'utility' and 'payment' have")
    model = Model(environment.exact, form, ic, ir, subject_to)
    fill_cost(model, weights)
    _fill_bounds(model)
    model.row_count = sum(1 for _ in model.rows())
    return model


def _fill_bounds(model: Model) -> None:
    """Allocations lie in [0, 1]; some participation constraints are bounds of utilities."""
    implied = INDEPENDENT.closure(model.ir)
    for kind, length, first, width in model.blocks:
        floor = kind == "lifetime utility" and (
            EPIR() in implied
            or (length == 0 and (ExAnteIR() in model.ir if model.form == "payment" else ExAnteIR() in implied))
            or (length == 1 and model.buyers == 1 and Interim() in model.ir)
        )
        if kind == "realised utility":
            floor = length == 0 or PFIR() in model.ir
        if model.exact.outside is not None:
            floor = kind == "realised utility" and length == 0
        for column in range(first, first + model.buyers * width):
            if floor or kind == "allocation":
                model.lower[column] = 0
            if kind == "allocation":
                model.upper[column] = 1
            if kind == "realised utility" and length == 0:
                model.upper[column] = 0
