r"""Every program where types persist once more, by loops over histories, for the checker of certificates.

Columns, in order, by period t each: realisation weights x by node and action; payments y by agent and node, present
values of weighted payments; values V by basis, period, agent and state (`proof.persistent.values`); realised utilities
R by agent and slot for t >= 1, where participation on paths asks for them (R is 0 at the start); values by cell, true
history and type of agents who do not see all (`proof.persistent.hidden`); sums of payments (`proof.payments`).

Rows, in order: flow by node, sum_a x(n, a) = x of the last recorded action before n (1 where there is none); values by
basis, period, agent; hidden values by period, agent; then participation by period, agent::

    realised     sum_b R(slot after n and b) - R(slot of n) - [sum_a x(n, a) v_i(a) - y_i(n)] = 0 before the last period
    epir         R(slot of n) + [...] >= 0 at last nodes whose reported types have positive probability
    per-period   [...] >= 0 at such nodes
    expected     truthful continuation values over the others' types, where there are only ex post ones

and constraints on payments (`proof.payments`). Constraints that others imply are left out; participation that is V >= 0
or R >= 0 is a bound. This file shares no code with `mechopt.lp`, `mechopt.histories.public` and the exact programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import (
    EPIR,
    PFIR,
    PPIR,
    BayesianIC,
    Constraint,
    DominantIC,
    ExAnteIR,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.proof.constraints import PERSISTENT, compared, require_outside, require_persistent
from mechopt.proof.payments import PersistentPayments, require_payments, require_slack, slack
from mechopt.proof.persistent.dominance import DominanceRows, require_unmoved
from mechopt.proof.persistent.hidden import HiddenRows
from mechopt.proof.persistent.tree import Histories, PersistentProcess
from mechopt.proof.persistent.values import State, ValueRows, likely, list_states, state_chance
from mechopt.proof.rows import Entries, Number, Row, Side, Weights, whole


class SequenceModel:
    """A program where types persist, rebuilt: columns with cost and bounds, and rows on demand.

    Parameters
    ----------
    environment : MarkovTypes or InterdependentTypes
        With exact numbers and a finite horizon.
    ic, ir : tuples of Constraint
    weights : of revenue, welfare, utility
    """

    def __init__(
        self,
        environment: MarkovTypes | InterdependentTypes,
        ic: tuple[Constraint, ...],
        ir: tuple[Constraint, ...],
        weights: Weights,
        subject_to: tuple[PaymentConstraint, ...] = (),
    ) -> None:
        self.process = process = PersistentProcess(environment)
        asked, self.participation = PERSISTENT.unimplied(ic), set(PERSISTENT.unimplied(ir))
        self.implied = PERSISTENT.closure(ir)
        own = BayesianIC("own") in asked and any(process.controlled)
        self.tree = Histories(process, own or PeriodicExPostIC(rereport=True) in asked, BayesianIC("actions") in asked)
        self.slack = [slack(subject_to, i) for i in range(process.agents)]
        several = process.periods > 1 or BayesianIC() not in asked
        self.within = any(isinstance(n, BayesianIC) for n in asked) and several and any(self.slack)
        self.bases = compared(asked, self.participation, self.within)
        self.myopic = MyopicIC() in asked
        self.dominant = [constraint for constraint in asked if isinstance(constraint, DominantIC)]
        for constraint in self.dominant:
            require_unmoved(process, self.tree, int(constraint.later))
        self.sees = next((n.sees for n in asked if isinstance(n, BayesianIC) and n.sees != "all"), None)
        self.paths = bool(self.participation & {EPIR(), PFIR()})
        self.stages = [(t, i) for t in range(process.periods) for i in range(process.agents)]
        require_payments(subject_to, process.agents, "sequence", ir, draws=any(n > 1 for n in self.tree.branches))
        self.payments = PersistentPayments(process, self.tree, subject_to)
        require_slack(ic, subject_to, process.periods)
        self.blocks: list[tuple[int, str]] = []
        self.columns = 0
        self._number()
        self.offset = Fraction(0)
        self.cost: list[Number] = [0] * self.columns
        self.lower: list[Side] = [None] * self.columns
        self.upper: list[Side] = [None] * self.columns
        self._fill_cost(weights)
        self._fill_bounds()
        self.row_count = sum(1 for _ in self.rows())

    def _block(self, label: str, size: int) -> int:
        self.blocks.append((self.columns, label))
        self.columns += size
        return self.columns - size

    def _number(self) -> None:
        """Hand out column numbers."""
        tree, process, periods = self.tree, self.process, range(self.process.periods)
        nodes = [len(level) for level in tree.slot]
        self.allocation = [self._block(f"allocation {t}", nodes[t] * process.actions[t]) for t in periods]
        first = [self._block(f"payment {t}", process.agents * nodes[t]) for t in periods]
        self.payment = {(t, i): first[t] + i * nodes[t] for t, i in self.stages}
        self.values: dict[str, ValueRows] = {}
        for basis, misreports in self.bases.items():
            columns: list[list[dict[State, int]]] = [[{} for _ in range(process.agents)] for _ in periods]
            for t, i in self.stages:
                listed = list_states(tree, t, i, basis).items()
                kept = [state for state, truthful in listed if truthful or misreports != "none"]
                start = self._block(f"{basis} value {t} of agent {i}", len(kept))
                columns[t][i] = {state: start + number for number, state in enumerate(kept)}
            self.values[basis] = ValueRows(tree, basis, misreports, columns, self.slack)
        self.realised: dict[tuple[int, int], int] = {}
        for t in periods[1:] if self.paths else ():
            slots = len(tree.parent[t])
            start = self._block(f"realised utility {t}", process.agents * slots)
            self.realised |= {(t, i): start + i * slots for i in range(process.agents)}
        self.hidden = [HiddenRows(tree, i, self.sees) for i in range(process.agents)] if self.sees else []
        self.unseen = {
            (t, i): self._block(f"hidden value {t} of agent {i}", self.hidden[i].size(t))
            for t, i in (self.stages if self.hidden else ())
        }

        for t, slots in self.payments.sizes():
            start = self._block(f"realised payment {t}", process.agents * slots)
            self.payments.paid |= {(t, i): start + i * slots for i in range(process.agents)}
        self.payments.allocation, self.payments.payment = self.allocation, self.payment

    def _fill_cost(self, weights: Weights) -> None:
        """Expected payments, values and costs, each history with the probability of its types."""
        revenue, welfare, utility = weights
        for t in range(self.process.periods):
            worth, count = self.process.worth[t], self.process.actions[t]
            for node, chance in enumerate(self.tree.reach[t]):
                m = self.tree.profile[t][node]
                for a, fee in enumerate(self.process.cost[t]):
                    gain = (welfare + utility) * sum(table[a][m] for table in worth) - (revenue + welfare) * (
                        fee - self.process.gains[t][a][m]
                    )
                    self.cost[self.allocation[t] + node * count + a] = whole(chance * gain)
                for i in range(self.process.agents):
                    self.cost[self.payment[t, i] + node] = whole(
                        (revenue * self.process.share(t, i) - utility) * chance
                    )

    def _fill_bounds(self) -> None:
        """Weights are at least 0; some participation constraints are bounds of truthful
        continuation values and of R.
        """
        tree, process = self.tree, self.process
        for t, first in enumerate(self.allocation):
            for column in range(first, first + len(tree.slot[t]) * process.actions[t]):
                self.lower[column] = 0
            for node, m in enumerate(tree.profile[t]):
                for a in process.ruled_out(t, m):
                    self.upper[first + node * process.actions[t] + a] = 0
        always = {"interim": PeriodicIR() in self.implied, "ex post": PeriodicExPostIR() in self.implied}
        for basis, part in self.values.items():
            for t, i in self.stages:
                at_first = basis == "interim" and t == 0 and Interim() in self.implied
                for state, truthful in (
                    list_states(tree, t, i, basis).items() if always.get(basis, False) or at_first else ()
                ):
                    if truthful and likely(tree, t, i, state, basis):
                        self.lower[part.columns[t][i][state]] = 0
        for (t, _), first in (self.realised if PFIR() in self.implied else {}).items():
            for slot, node in enumerate(tree.parent[t]):
                if tree.reach[t - 1][node]:
                    self.lower[first + slot] = 0

    def words(self, column: int) -> str:
        """Say which column it is."""
        first, label = next(block for block in reversed(self.blocks) if column >= block[0])
        return f"column {column}: {label}, number {column - first}"

    def rows(self) -> Iterator[Row]:
        """All rows in order."""
        for t in range(self.process.periods):
            yield from self._flow(t)
        for basis, part in self.values.items():
            name = "periodic-ex-post" if basis == "ex post" and part.misreports == "all" else part.misreports
            for t, i in self.stages:
                yield from part.rows(f"{name} {basis} value", t, i, self.allocation[t], self.payment[t, i])
        for t, i in self.stages if self.hidden else ():
            later = self.unseen.get((t + 1, i), 0)
            used = self.unseen[t, i], later, self.allocation[t], self.payment[t, i]
            yield from self.hidden[i].rows(f"bayesian-{self.sees}", t, *used, self.within)
        for i in range(self.process.agents) if self.within else ():
            yield from self._within(i)
        for t, i in self.stages if self.myopic else ():
            yield from self._alone(t, i)
        for constraint in self.dominant:
            along = DominanceRows(self.process, self.tree, self.allocation, self.payment, self.slack)
            for t, i in self.stages:
                if t >= int(constraint.later):
                    yield from along.rows(constraint.name, t, i)
        yield from self._participation()
        yield from self.payments.rows()

    def _within(self, i: int) -> Iterator[Row]:
        """Rows: truth is worth to a first type, with what strategies may gain, at least as much as the best one."""
        tree, process = self.tree, self.process
        chances = [Fraction(0)] * process.types[0][i]
        for m, chance in enumerate(process.initial):
            chances[process.profiles[0][m][i]] += chance
        first = [[process.profiles[0][m][i] for m in tree.profile[0]]]  # of each node, by period
        for t in range(1, process.periods):
            first.append([first[t - 1][tree.parent[t][slot]] for slot in tree.slot[t]])
        for k, chance in enumerate(chances):
            if not chance:
                continue
            entries: Entries = []
            for t in range(process.periods):
                for node, reach in enumerate(tree.reach[t]):
                    if not reach or first[t][node] != k:
                        continue
                    share, m = Fraction(reach) / chance, tree.profile[t][node]
                    for a in range(process.actions[t]):
                        worth = process.net[t][i][a][m] + (0 if t else self.slack[i])
                        if worth:
                            column = self.allocation[t] + node * process.actions[t] + a
                            entries.append((column, whole(share * worth)))
                    entries.append((self.payment[t, i] + node, -whole(share)))
            if self.hidden:
                entries.append((self.unseen[0, i] + k, whole(-1 / chance)))
            else:
                column = self.values["strategy"].columns[0][i][State(0, 0, k, 0)]
                entries.append((column, -1 if process.independent else whole(-1 / chance)))
            yield Row("epsilon", (0, i, 0, f"true type {k}"), entries, 0, None)

    def _alone(self, t: int, i: int) -> Iterator[Row]:
        """Value less payment of the period alone: from the truth, less that from another report."""
        tree, process = self.tree, self.process
        for state, truthful in list_states(tree, t, i, "interim").items():
            if not truthful or not likely(tree, t, i, state, "interim"):
                continue
            for report in tree.reports(t, state.slot, i):
                if not process.may_report(t, i, state.own, report):
                    continue
                entries: Entries = []
                for m, node in tree.nodes[t][state.slot].items() if report != state.own else ():
                    told = process.profiles[t][m][i]
                    chance = state_chance(tree, t, i, state, m)
                    if told not in (report, state.own) or not chance:
                        continue
                    sign, truth = (1 if told == state.own else -1), process.with_own(t, i, m, state.own)
                    first = self.allocation[t] + node * process.actions[t]
                    fee = 0 if told == state.own else self.slack[i]
                    worth = [
                        (first + a, sign * chance * (row[truth] - fee)) for a, row in enumerate(process.worth[t][i])
                    ]
                    entries += [
                        *((c, whole(w)) for c, w in worth if w),
                        (self.payment[t, i] + node, -sign * chance),
                    ]
                if report != state.own:
                    yield Row("myopic", (t, i, state.slot, f"true type {state.own}, report {report}"), entries, 0, None)

    def _participation(self) -> Iterator[Row]:
        last = self.process.periods - 1
        for t, i in self.stages if self.paths else ():
            if t < last:
                yield from self._realised(t, i)
        for t, i in self.stages if self.paths else ():
            if t == last:
                yield from self._surplus_rows("epir", t, i, True)
        for t, i in self.stages if PPIR() in self.participation else ():
            yield from self._surplus_rows("per-period", t, i, False)
        for i in range(self.process.agents) if ExAnteIR() in self.participation else ():
            entries: Entries = []
            for t in range(self.process.periods):
                for node, chance in enumerate(self.tree.reach[t]):
                    if chance:
                        entries += [(c, whole(chance * number)) for c, number in self._surplus(t, i, node, 1)]
            yield Row("ex-ante", (0, i, 0), entries, 0, None)
        if "interim" not in self.values and "ex post" in self.values:
            for t, i in self.stages:
                if PeriodicIR() in self.participation:
                    yield from self.values["ex post"].expected("periodic", t, i)
                elif Interim() in self.participation and t == 0:
                    yield from self.values["ex post"].expected("interim", t, i)

    def _flow(self, t: int) -> Iterator[Row]:
        tree, process = self.tree, self.process
        for node, slot in enumerate(tree.slot[t]):
            entries: Entries = [
                (self.allocation[t] + node * process.actions[t] + a, 1) for a in range(process.actions[t])
            ]
            period, at = t, slot
            while period and tree.branches[period - 1] == 1:  # the last recorded action
                period, at = period - 1, tree.slot[period - 1][tree.parent[period][at]]
            if period:
                before = tree.parent[period][at] * process.actions[period - 1] + tree.branch[period][at]
                entries.append((self.allocation[period - 1] + before, -1))
            side = 0 if period else 1
            yield Row(
                "flow", (t, None, slot, f"reports {process.profiles[t][tree.profile[t][node]]}"), entries, side, side
            )

    def _surplus(self, t: int, i: int, node: int, sign: int) -> Entries:
        """Entries of sign * (sum_a x(n, a) v_i(a) - y_i(n))."""
        m, first = self.tree.profile[t][node], self.allocation[t] + node * self.process.actions[t]
        entries: Entries = [(first + a, sign * v[m]) for a, v in enumerate(self.process.net[t][i]) if v[m]]
        return [*entries, (self.payment[t, i] + node, -sign)]

    def _realised(self, t: int, i: int) -> Iterator[Row]:
        for node, slot in enumerate(self.tree.slot[t]):
            entries = self._surplus(t, i, node, -1)
            entries += [(self.realised[t + 1, i] + later, 1) for later in self.tree.after(t, node)]
            if t:
                entries.append((self.realised[t, i] + slot, -1))
            yield Row("realised", (t, i, slot, f"node {node}"), entries, 0, 0)

    def _surplus_rows(self, name: str, t: int, i: int, whole_path: bool) -> Iterator[Row]:
        """Utility of the period, or of the whole path, is at least 0 at nodes of positive probability."""
        for node, slot in enumerate(self.tree.slot[t]):
            if self.tree.reach[t][node]:
                entries = self._surplus(t, i, node, 1)
                if whole_path and t:
                    entries.append((self.realised[t, i] + slot, 1))
                yield Row(name, (t, i, slot, f"node {node}"), entries, 0, None)


def rebuild_persistent(
    environment: MarkovTypes | InterdependentTypes,
    form: str,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
    weights: Weights,
    subject_to: tuple[PaymentConstraint, ...] = (),
) -> SequenceModel:
    """Rebuild the program of an environment where types persist; ``weights``: of revenue, welfare, utility.

    Raises
    ------
    CertificateError
        If the form is another one, or a constraint is not defined for such types.
    """
    require_persistent(form, ic, ir)
    require_outside(environment, ir)
    return SequenceModel(environment, ic, ir, weights, subject_to)
