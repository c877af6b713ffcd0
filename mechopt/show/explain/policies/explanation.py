"""Explanation of a mechanism that has states of its own: its tables as rules, with nothing written out."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.core.provided import provided
from mechopt.show.explain.explanation import FEW_WORDS
from mechopt.show.explain.policies.merging import MIXED, merged
from mechopt.show.explain.policies.ranges import action_words, range_words, report_words
from mechopt.show.explain.policies.tables import Stage, Tables, tables_of, truthful
from mechopt.show.explain.wording import amount, letter, likelihood, periods
from mechopt.verification.report import Report

if TYPE_CHECKING:
    import networkx
    import pandas as pd
    from matplotlib.axes import Axes

MOST_DENSE = 2_000_000
"""Chances of a period up to which they are kept in a dense array."""


@dataclass(frozen=True)
class PolicyRule:
    """Action and payment after some reports in a state.

    Attributes
    ----------
    reports, then, pays : str
        In words; ranges where the entries of the state differ.
    next : tuple of str
        States that may follow.
    lowest, highest : tuple of float
        Payments by agent, money of the period: the range over the entries.
    """

    reports: str
    then: str
    pays: str
    next: tuple[str, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]


@dataclass(frozen=True)
class PolicyState:
    """Entries of a mechanism's tables that do the same, or the same kind of thing.

    Attributes
    ----------
    name : str
        A letter.
    words : str
        What they stand for, such as a range of balances.
    when : str
        Periods in words.
    entries : int
        How many there are.
    share : float
        Of the present value of all periods, spent in this state when all are truthful.
    rules : tuple of PolicyRule
    """

    name: str
    words: str
    when: str
    entries: int
    share: float
    rules: tuple[PolicyRule, ...]


@dataclass(frozen=True, eq=False, repr=False)
class PolicyExplanation:
    """A mechanism with states of its own, told by them.

    Attributes
    ----------
    mechanism : PromisePolicy, BuyersPolicy, PersistentPolicy, BankTable, StateMechanism or MarkovMechanism
        As it is.
    states : tuple of PolicyState
        The first is the start.
    exactly : bool
        Whether all entries of a state do exactly the same; else they do the same kind of thing, with ranges.
    structures : tuple of str
        Known forms.
    report : Report or None
        Verification of what it claims.
    value : float
        What it earns.
    exact : Fraction or None
        The proved optimum.
    goal : str
        What ``value`` is of.
    note : str
        What is not proved, where something is not.
    tables : Tables
        All entries.
    """

    mechanism: Any
    states: tuple[PolicyState, ...]
    exactly: bool
    structures: tuple[str, ...]
    report: Report | None
    value: float
    exact: Fraction | None
    goal: str
    note: str
    tables: Tables = field(repr=False)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in the order of reports and payments."""
        return self.tables.agents

    @property
    def summary(self) -> str:
        """The value, and how much there is to read, in one sentence."""
        value = str(self.exact) if self.exact is not None and len(str(self.exact)) <= 20 else amount(self.value)
        told = "state" if len(self.states) == 1 else "states"
        entries = f"{self.tables.entries:,} entr{'y' if self.tables.entries == 1 else 'ies'}"
        return f"{self.goal} {value}; {entries} of its tables in {len(self.states):,} {told}"

    @property
    def words(self) -> str:
        """The rules in sentences, the first few where there are many."""
        told = [(state, rule) for state in self.states for rule in state.rules]
        found = [
            f"In state {state.name} ({state.words}, {state.when}), after {rule.reports}: {rule.then}, pays {rule.pays}."
            for state, rule in told[:FEW_WORDS]
        ]
        return " ".join([*found, *([f"{len(told) - FEW_WORDS} more rules follow."] if len(told) > FEW_WORDS else [])])

    def visits(self) -> list[tuple[str, str]]:
        """Share of the present value of all periods that is spent in each state, and its name."""
        met = [state for state in self.states if state.share > 1e-9]
        ranked = sorted(met, key=lambda state: -state.share)
        return [(likelihood(state.share), state.name) for state in ranked]

    def to_frame(self) -> pd.DataFrame:
        """All entries, one row an entry, report and agent; nothing is a range here.

        Returns
        -------
        pandas.DataFrame
            Columns ``state``, ``period`` (-1 for all), ``entry``, ``share``, ``report``, ``agent``, ``payment``, a
            column of chances for each action, and ``next``: the entries that may follow, with their chances.
        """
        import pandas as pd

        rows = [row for t in range(len(self.tables.blocks)) for row in self._rows(t)]
        return pd.DataFrame(rows)

    def _rows(self, t: int) -> list[dict[str, Any]]:
        block, stage = self.tables.blocks[t], self.tables.stages[t]
        groups, _ = merged(self.tables)
        shown, profiles = list[dict[str, Any]](), block.possible.shape[1]
        for entry, profile in zip(*np.nonzero(block.possible), strict=True):
            after = "" if block.after is None else _mixture(block.after[[int(entry * profiles + profile)]].tocoo())
            for i, agent in enumerate(self.agents):
                shown.append(
                    {
                        "state": letter(int(groups[t][entry])),
                        "period": -1 if self.tables.endless else t,
                        "entry": int(entry),
                        "share": float(self.tables.weight[t][entry]),
                        "report": _profile(stage, int(profile)),
                        "agent": agent,
                        "payment": float(block.payment[i, entry, profile]),
                        **dict(zip(stage.actions, block.allocation[entry, profile].tolist(), strict=True)),
                        "next": after,
                    }
                )
        return shown

    def to_html(self, path: str | Path | None = None, title: str = "", formula: None = None, point: None = None) -> str:
        """A page of its own: rules by state, how much of the time is spent in each, and the tables to download.

        Parameters
        ----------
        path : path, optional
            Where it is written, whole or not at all.
        title : str
        formula, point
            As of `Explanation.to_html`; tables have no slider.
        """
        page: str = provided(self, "to_html")(self, path, title)
        return page

    def to_latex(self) -> str:
        """Rules by state as a LaTeX table, for the ``booktabs`` package."""
        latex: str = provided(self, "to_latex")(self)
        return latex

    def to_networkx(self) -> networkx.DiGraph[Any]:
        """States as a graph: where truth leads, with its ``probability``, and the ``share`` of time spent in a state.

        Nodes are ``(period, state)``. For ever they are states, and a probability is that of the next state in a state,
        its entries weighted by the present value of the time spent in them.
        """
        graph: networkx.DiGraph[Any] = provided(self, "to_networkx")(self)
        return graph

    def plot(self, axes: Axes | None = None) -> Axes:
        """States by period and where truth leads, as wide as probable; of a mechanism for ever the first periods."""
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    def _repr_html_(self) -> str:
        table: str = provided(self, "_repr_html_")(self)
        return table

    def __repr__(self) -> str:
        return f"PolicyExplanation({self.summary})"

    def __str__(self) -> str:
        text: str = provided(self, "__str__")(self)
        return text


def _mixture(row: Any) -> str:
    """Next entries with their chances."""
    parts = [(int(c), float(w)) for c, w in zip(row.coords[1], row.data, strict=True) if w > MIXED / 10]
    return ", ".join(str(c) if w > 1 - MIXED / 10 else f"{c}: {w:.6g}" for c, w in parts)


def _profile(stage: Stage, number: int) -> str:
    kinds_ = np.unravel_index(number, stage.shape)
    return "/".join(row[int(k)] for row, k in zip(stage.types, kinds_, strict=True))


def explain_policy(
    mechanism: Any, goal: str = "revenue", exact: Fraction | None = None, note: str = "", report: Report | None = None
) -> PolicyExplanation:
    """Say what a mechanism's own tables hold.

    Parameters
    ----------
    mechanism : PromisePolicy, BuyersPolicy, PersistentPolicy, BankTable, StateMechanism or MarkovMechanism
    goal : str
        What its revenue is called.
    exact : Fraction, optional
        The proved optimum.
    note : str
    report : Report, optional

    Raises
    ------
    InputError
        If it has no tables of states.

    Examples
    --------
    >>> from mechopt.environment.markov import MarkovTypes
    >>> from mechopt.solve.optimum import optimum
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [stay], [["1/2", "1/2"]], discount="1/2")
    >>> explain_policy(optimum(env).mechanism).states[0].words
    'start'
    """
    tables = tables_of(mechanism)
    groups, exactly = merged(tables)
    count = int(max(part.max() for part in groups)) + 1
    ahead = _ahead(tables, groups, count)
    states = tuple(_state(tables, groups, g, ahead) for g in range(count))
    return PolicyExplanation(
        mechanism, states, exactly, _structures(tables), report, mechanism.revenue, exact, goal, note, tables
    )


def _structures(tables: Tables) -> tuple[str, ...]:
    """Known forms that the tables have."""
    if tables.endless and tables.entries == 1:
        return ("history-independent: what is done and paid depends on the current report alone",)
    if tables.word == "balance":
        return ("balance: all that is remembered is the buyer's account, whose amounts are present values",)
    return ()


def _ahead(tables: Tables, groups: list[IntArray], count: int) -> list[Any]:
    """Chance of each state after each entry and profile, by period: dense where small, else sparse; 0 at the end."""
    from scipy.sparse import csr_array

    found: list[Any] = []
    for t, block in enumerate(tables.blocks):
        following = groups[min(t + 1, len(groups) - 1)]
        rows, chances = np.arange(len(following)), csr_array((block.possible.size, count))
        if block.after is not None:
            chances = block.after @ csr_array((np.ones(len(rows)), (rows, following)), shape=(len(rows), count))
        found.append(chances.toarray() if block.possible.size * count <= MOST_DENSE else csr_array(chances))
    return found


def _state(tables: Tables, groups: list[IntArray], g: int, ahead: list[Any]) -> PolicyState:
    members = [(t, np.flatnonzero(part == g)) for t, part in enumerate(groups) if (part == g).any()]
    stage = tables.stages[members[0][0]]
    cells: dict[tuple[str, str, tuple[str, ...]], list[tuple[int, FloatArray, FloatArray]]] = {}
    possible = np.any([tables.blocks[t].possible[rows].any(axis=0) for t, rows in members], axis=0)
    for profile in np.flatnonzero(possible).tolist():
        then, low, high, after = _cell(tables, members, profile, ahead)
        key = then, range_words(low, high, _scales(tables)), tuple(letter(s) for s in after)
        cells.setdefault(key, []).append((profile, low, high))
    rules, everything = list[tuple[int, PolicyRule]](), set(np.flatnonzero(possible).tolist())
    for (then, pays, following), rows in cells.items():
        low, high = (np.array([row[k] for row in rows]) for k in (1, 2))
        ends = tuple(low.min(axis=0).tolist()), tuple(high.max(axis=0).tolist())
        for first, label in report_words(stage, [row[0] for row in rows], everything):
            rules.append((first, PolicyRule(label, then, pays, following, *ends)))
    share = sum(float(tables.weight[t][rows].sum()) for t, rows in members)
    entries = sum(len(rows) for _, rows in members)
    ordered = tuple(rule for _, rule in sorted(rules, key=lambda pair: pair[0]))
    return PolicyState(letter(g), _words(tables, members), _when(tables, members), entries, share, ordered)


def _scales(tables: Tables) -> tuple[float, ...]:
    """Largest value of each agent, in any period."""
    largest = [np.abs(stage.values).max(axis=(1, 2), initial=0.0) for stage in tables.stages]
    return tuple(float(value) or 1.0 for value in np.max(largest, axis=0))


def _cell(
    tables: Tables, members: list[tuple[int, IntArray]], profile: int, ahead: list[Any]
) -> tuple[str, FloatArray, FloatArray, list[int]]:
    """Cell of one profile in a state: action in words, ends of the payments, next states."""
    chances, paid, after = list[FloatArray](), list[FloatArray](), np.zeros(ahead[0].shape[1])
    for t, rows in members:
        block = tables.blocks[t]
        rows = rows[block.possible[rows, profile]]
        chances.append(block.allocation[rows, profile])
        paid.append(block.payment[:, rows, profile])
        after += ahead[t][rows * block.possible.shape[1] + profile].sum(axis=0)
    chance, payment = np.concatenate(chances), np.concatenate(paid, axis=1)
    stage = tables.stages[members[0][0]]
    then = action_words(stage.actions, chance.min(axis=0), chance.max(axis=0))
    return then, payment.min(axis=1), payment.max(axis=1), np.flatnonzero(after > MIXED / 10).tolist()


def _words(tables: Tables, members: list[tuple[int, IntArray]]) -> str:
    """Meaning of the entries."""
    begins = members[0][0] == 0 and members[0][1][0] == 0
    if begins and sum(len(rows) for _, rows in members) == tables.entries:
        return "always"
    if begins and len(members) == 1 and len(members[0][1]) == 1:
        return "start"
    promise = np.concatenate([tables.blocks[t].promise[:, rows] for t, rows in members], axis=1)
    if not len(promise):
        return "later"
    return f"{tables.word} {range_words(promise.min(axis=1), promise.max(axis=1), _scales(tables))}"


def _when(tables: Tables, members: list[tuple[int, IntArray]]) -> str:
    if not tables.endless:
        return periods([t for t, _ in members])
    rows = members[0][1]
    if 0 in rows and len(rows) == 1:
        again = truthful(tables.blocks[0])[:, [0]].sum() > 0
        return "t=0 or later" if again else "t=0"
    return "t=0 or later" if 0 in rows else "t>0"
