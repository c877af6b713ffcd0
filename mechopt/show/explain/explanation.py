"""Explanation of a mechanism: its states and rules, the worth of memory, and the likeliest histories."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.core.provided import provided
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.automaton import Automaton, rules_of
from mechopt.show.explain.exact.fractions import Paid, at_node, paid_in_fractions
from mechopt.show.explain.memory import LotteryShare, MemoryShare, without_lotteries
from mechopt.show.explain.naming import mode_names
from mechopt.show.explain.payments import different_payments
from mechopt.show.explain.search import Reading, read_as_is, read_optimum
from mechopt.show.explain.structure import structures
from mechopt.show.explain.wording import action, amount, fraction_or, letter, percent, periods, profile_words, reports
from mechopt.solve.result import Optimum
from mechopt.verification.verify import Report

if TYPE_CHECKING:
    import networkx
    import pandas as pd
    from matplotlib.axes import Axes

    from mechopt.study.formula.formula import Formula

FEW_WORDS = 6
"""Number of rules up to which they are told in sentences as well."""


@dataclass(frozen=True)
class Rule:
    """Action and payment after some reports in a state.

    Attributes
    ----------
    reports : str
        In words; agents in order, between strokes.
    then : str
        The action, in words.
    payments : tuple of float
        By agent, money of the period, from agent to seller, expected over the mechanism's draw.
    next : tuple of str
        Next state; several where what is drawn is recorded. Empty at the end.
    profiles : tuple of int
        Numbers of the type profiles.
    chances : tuple of float
        Probability of each action.
    exact : tuple of Fraction, or None
        The payments in fractions, where the optimum is exact and they are proved.
    """

    reports: str
    then: str
    payments: tuple[float, ...]
    next: tuple[str, ...]
    profiles: tuple[int, ...]
    chances: tuple[float, ...]
    exact: tuple[Fraction, ...] | None = None

    @property
    def pays(self) -> str:
        """Payments in words."""
        return " / ".join(map(fraction_or, self.payments, self.exact or (None,) * len(self.payments)))


@dataclass(frozen=True)
class State:
    """Histories that a mechanism treats alike.

    Attributes
    ----------
    name : str
        A letter.
    words : str
        Which histories, in the model's words.
    periods : tuple of int
        In which it is met.
    histories : int
        How many there are.
    rules : tuple of Rule
    """

    name: str
    words: str
    periods: tuple[int, ...]
    histories: int
    rules: tuple[Rule, ...]

    @property
    def when(self) -> str:
        """Periods in words."""
        return periods(self.periods)


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A mechanism as states instead of histories.

    Attributes
    ----------
    mechanism : Mechanism or SequenceMechanism
        What is explained: of an optimum the simplest optimal mechanism, verified; it can be saved like any other.
    states : tuple of State
        The first is the start.
    shares : tuple of MemoryShare
        What mechanisms earn that remember less; empty where actions are part of the history, or for a mechanism that
        was not found as an optimum.
    memory : str or None
        What it remembers.
    structures : tuple of str
        Known forms that it has, such as one constant price, in words.
    report : Report or None
        Verification of the constraints.
    value : float
        The optimum, or the mechanism's revenue.
    exact : Fraction or None
        The proved optimum.
    goal : str
        What ``value`` is of.
    note : str
        Why the mechanism is shown as it is, where it is.
    automaton : Automaton
        States by history and period.
    lotteries : LotteryShare or None
        What mechanisms earn that draw nothing; None where that was not looked for.
    """

    mechanism: Mechanism | SequenceMechanism
    states: tuple[State, ...]
    shares: tuple[MemoryShare, ...]
    memory: str | None
    structures: tuple[str, ...]
    report: Report | None
    value: float
    exact: Fraction | None
    goal: str
    note: str
    automaton: Automaton = field(repr=False)
    lotteries: LotteryShare | None = None

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in the order of reports and payments."""
        return self.automaton.play.agents

    @property
    def histories(self) -> int:
        """Number of histories that the mechanism can come to."""
        return self.automaton.play.histories

    @property
    def payments(self) -> int:
        """Number of different payments at histories of positive probability."""
        return different_payments(self.automaton)

    @property
    def summary(self) -> str:
        """The value, and how much there is to read, in one sentence."""
        value = str(self.exact) if self.exact is not None and len(str(self.exact)) <= 20 else amount(self.value)
        return (
            f"{self.goal} {value}; {_many(self.histories, 'history', 'histories')} in "
            f"{_many(len(self.states), 'state', 'states')}, {_many(self.payments, 'payment', 'payments')}"
        )

    @property
    def words(self) -> str:
        """The rules in sentences, the first few where there are many."""
        found = []
        told = [(state, rule) for state in self.states for rule in state.rules]
        for state, rule in told[:FEW_WORDS]:
            who = "after any report" if rule.reports == "any" else f"after {rule.reports}"
            where = "At the start" if state.words == "start" else f"In state {state.name} ({state.words}, {state.when})"
            found.append(f"{where}, {who}: {rule.then}, pays {rule.pays}.")
        if len(told) > FEW_WORDS:
            found.append(f"{len(told) - FEW_WORDS} more rules follow.")
        return " ".join(found)

    def likeliest(self, most: int = 5) -> list[tuple[float, str]]:
        """The likeliest full histories with their probabilities, and how much is in the rest.

        Parameters
        ----------
        most : int
            How many; one more stands for the rest.
        """
        play = self.automaton.play
        t = play.horizon - 1
        order = np.argsort(-np.round(play.reach[t], 12), kind="stable")
        likely = int((play.reach[t] > 0).sum())
        found = []
        for node in order[: min(most, likely)]:
            past = play.past[t][play.slot[t][node]]
            words = [profile_words(play, s, int(number)) for s, number in enumerate(past)]
            words.append(profile_words(play, t, int(play.profile[t][node])))
            found.append((float(play.reach[t][node]), " ".join(words)))
        if likely > most:
            rest = float(play.reach[t].sum()) - sum(chance for chance, _ in found)
            found.append((rest, f"in {likely - most:,} more"))
        return found

    def less_memory(self) -> str:
        """Loss by remembering less, in one sentence; empty where nothing is known."""
        known = [share for share in self.shares if not share.enough and not np.isnan(share.share)]
        words = "; ".join(f"{share.memory} {percent(share.share)}" for share in known)
        parts = [f"remembering less earns: {words}"] if words else []
        return "; ".join([*parts, *([self.lotteries.words] if self.lotteries and self.lotteries.words else [])])

    def to_frame(self) -> pd.DataFrame:
        """One row a rule and agent.

        Returns
        -------
        pandas.DataFrame
            Columns ``state``, ``description``, ``first_period``, ``last_period``, ``report``, ``action``, ``agent``,
            ``payment``, ``next``; with an exact optimum ``exact``, the payment as a fraction, where it is proved.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for state in self.states:
            for rule in state.rules:
                proved = rule.exact or (None,) * len(rule.payments)
                for agent, paid, fraction in zip(self.agents, rule.payments, proved, strict=True):
                    rows.append(
                        {
                            "state": state.name,
                            "description": state.words,
                            "first_period": state.periods[0],
                            "last_period": state.periods[-1],
                            "report": rule.reports,
                            "action": rule.then,
                            "agent": agent,
                            "payment": paid,
                            "next": ", ".join(rule.next),
                            **({} if rule.exact is None else {"exact": fraction}),
                        }
                    )
        return pd.DataFrame(rows)

    def to_html(
        self,
        path: str | Path | None = None,
        title: str = "",
        formula: Formula | None = None,
        point: Fraction | None = None,
    ) -> str:
        """A page of its own to explore the mechanism: rules, a path, what memory is worth.

        Parameters
        ----------
        path : path, optional
            Where it is written, whole or not at all.
        title : str
        formula : Formula, optional
            The optimum as a function of a parameter, from `mechopt.formula`: the page then has a slider, at which value
            and rules stay exact.
        point : Fraction, optional
            Where the slider stands at first.
        """
        page: str = provided(self, "to_html")(self, path, title, formula, point)
        return page

    def to_latex(self) -> str:
        """Rules by state as a LaTeX table, for the ``booktabs`` package."""
        latex: str = provided(self, "to_latex")(self)
        return latex

    def to_networkx(self) -> networkx.DiGraph[Any]:
        """States by period as a graph: nodes ``(period, state)``, edges with their ``probability``."""
        graph: networkx.DiGraph[Any] = provided(self, "to_networkx")(self)
        return graph

    def plot(self, axes: Axes | None = None) -> Axes:
        """States by period and where reports lead, as wide as probable."""
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    def _repr_html_(self) -> str:
        table: str = provided(self, "_repr_html_")(self)
        return table

    def __repr__(self) -> str:
        return f"Explanation({self.summary})"

    def __str__(self) -> str:
        text: str = provided(self, "__str__")(self)
        return text


def _many(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def explain_optimum(best: Optimum, lotteries: bool = True) -> Explanation:
    """Find the simplest optimal mechanism and say what it does.

    Parameters
    ----------
    best : Optimum
    lotteries : bool
        Find out what they are worth.

    Raises
    ------
    InputError
        If there is no mechanism, or it is only a limit of mechanisms.
    LimitError
        If it has too many histories.

    Examples
    --------
    >>> from mechopt.environment.independent import IndependentTypes
    >>> from mechopt.solve.optimum import optimum
    >>> explain_optimum(optimum(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)))
    Explanation(optimal revenue 7/2; 7 histories in 3 states, 3 payments)
    """
    reading = read_optimum(best)
    balance = None
    if isinstance(best.mechanism, Mechanism) and len(reading.automaton.play.agents) == 1:
        balance = tuple(part[0] for part in best.mechanism.realised[:-1])
    goal = str(best.objective)
    proved = paid_in_fractions(best, reading.mechanism)
    found = _explained(reading, best.value, best.exact, f"optimal {goal}", balance, proved)
    return replace(found, lotteries=without_lotteries(best, reading.mechanism)) if lotteries else found


def explain_mechanism(mechanism: Any) -> Explanation:
    """Say what a mechanism does, with its own payments.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, or something with ``to_mechanism``

    Raises
    ------
    InputError
        If it has no finite histories, or is only a limit of mechanisms.
    LimitError
        If it has too many.

    Examples
    --------
    >>> from mechopt.closedform.static.repeated import repeated_myerson
    >>> from mechopt.environment.independent import IndependentTypes
    >>> explain_mechanism(repeated_myerson(IndependentTypes.iid([1, 3], ["1/2", "1/2"], horizon=5)))
    Explanation(revenue 15/2; 31 histories in 1 state, 2 payments)
    """
    reading = read_as_is(mechanism)
    return _explained(reading, reading.mechanism.revenue, None, "revenue", None)


def _explained(
    reading: Reading,
    value: float,
    exact: Fraction | None,
    goal: str,
    balance: tuple[FloatArray, ...] | None,
    proved: Paid | None = None,
) -> Explanation:
    found = reading.automaton
    named = mode_names(found, balance)
    states = tuple(_state(found, mode, words, proved) for mode, words in enumerate(named))
    told = reading.shares, reading.memory, structures(found, balance), reading.report
    return Explanation(reading.mechanism, states, *told, value, exact, goal, reading.note, found)


def _state(found: Automaton, mode: int, words: str, proved: Paid | None) -> State:
    """One mode with its rules."""
    members = found.members(mode)
    play, rules = found.play, rules_of(found, members)
    groups: dict[Any, list[int]] = {}
    scale = max((float(np.abs(part).max(initial=0.0)) for part in play.values), default=0.0) or 1.0
    for profile, (chances, paid, after) in rules.items():
        key = tuple(np.round(chances, 6)), tuple(np.round(paid / scale, 6) + 0.0), after
        groups.setdefault(key, []).append(profile)
    t = members[0][0]
    listed = []
    for (_, _, after), profiles in groups.items():
        chances, paid, _ = rules[profiles[0]]
        for label, chosen in reports(play, t, profiles, rules):
            then = action(play, t, chances)
            next_names = tuple(letter(number) for number in after)
            exact = None if proved is None else at_node(found, members, profiles[0], paid, proved)
            told = tuple(paid.tolist()), next_names, tuple(chosen), tuple(chances.tolist()), exact
            listed.append(Rule(label, then, *told))
    listed.sort(key=lambda rule: rule.profiles)
    histories = sum(len(slots) for _, slots in members)
    return State(letter(mode), words, tuple(time for time, _ in members), histories, tuple(listed))
