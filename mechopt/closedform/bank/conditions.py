"""Checks of (IC), (BI) and (BU) at every balance that a bank account mechanism can reach.

With several buyers (IC) and (BI) are in expectation over the others' current types, and each balance is a vector that
everybody sees; (BU) is whatever the types. Types of probability zero count: the conditions hold for them and at the
balances after them. Money is present value. See `mechopt.closedform.bank.mechanism` for the inequalities.

What is tolerated in a period is `VERIFY_TOLERANCE` times the largest absolute value of an item up to that period; for
(BI), an expectation, times the *expected* largest value of the period, or the largest of the periods before it, whose
rounding the balances carry. Later periods have a say by the rounding of their values alone, `ROUNDING` times the
largest total value of an agent, since a mechanism may have been computed from utilities that hold them. Nothing of the
mechanism has.

A condition is satisfied where every gain and the bound of its rounding (`mechopt.core.rounding`; what a stage says is
taken for the exact numbers that its floats are) are together at most that, violated where a gain less its rounding
is above it, and else undecided, which does not hold: payments so large that floats lose a gain of this size. With
``exact=True`` the same gains are computed in fractions, at the balances that floats reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mechopt.closedform.bank.period import BuyerPeriod, as_fractions, expected, in_floats, in_fractions, interim
from mechopt.closedform.bank.reachable import MAX_STATES, ROUNDING, largest_values, reachable
from mechopt.closedform.bank.stage import BankAccounts, Stage
from mechopt.core.errors import LimitError
from mechopt.core.numbers import VERIFY_TOLERANCE, Array, FloatArray
from mechopt.core.rounding import Precision, Status, as_float
from mechopt.environment.independent import IndependentTypes

Balance = tuple[float, ...]
MAX_EXACT_TERMS = 5_000_000
"""Most products of fractions of one check: a minute or two."""
OTHER_ROUNDINGS = 24
"""In a gain, beside those of the averages over types: of present values, products, differences and inputs."""


@dataclass(frozen=True)
class BalanceCounterexample:
    """One violation of a condition.

    Attributes
    ----------
    condition : str
        ``"IC"``, ``"BI"`` or ``"BU"``.
    agent, period : int
    balance : tuple of float
        All buyers' balances before the period.
    gain : float
        IC: what the misreport brings. BI: by how much expected utility here exceeds that at ``other_balance``, or
        falls below 0. BU: how far the next balance is below 0, or above balance plus utility.
    types : tuple of int or None
        BU: the profile of types.
    true_type, report : int or None
        IC: type indices.
    other_balance : tuple of float or None
        BI: the balances at which expected utility is smallest; None where it is negative at ``balance`` itself.
    """

    condition: str
    agent: int
    period: int
    balance: Balance
    gain: float
    types: tuple[int, ...] | None = None
    true_type: int | None = None
    report: int | None = None
    other_balance: Balance | None = None

    def __str__(self) -> str:
        where = f"agent {self.agent}, period {self.period}, balance {_written(self.balance)}: "
        if self.condition == "IC":
            return f"{where}type {self.true_type} reports {self.report} and gains {self.gain:.6g}"
        if self.condition == "BU":
            return f"{where}at types {list(self.types or ())} the next balance is out of bounds by {self.gain:.6g}"
        if self.other_balance is None:
            return f"{where}expected utility is {-self.gain:.6g}"
        return f"{where}expected utility is {self.gain:.6g} more than at balance {_written(self.other_balance)}"

    def replay(self, mechanism: BankAccounts) -> float:
        """Compute the gain again from the stage at these balances alone; equals ``gain`` up to rounding."""
        i, t, env = self.agent, self.period, mechanism.environment
        stage = mechanism.stage(t, np.array(self.balance)[:, None])
        if self.condition == "IC":
            assert self.true_type is not None and self.report is not None
            sold, paid = (interim(env, a[i], i, t)[0] for a in (stage.allocation, stage.payment))
            value = env.present_value[t] * env.values[i][t][self.true_type]
            payoff = value * sold - paid
            return float(payoff[self.report] - payoff[self.true_type])
        utility = mechanism.utility(t, stage)[i]
        if self.condition == "BU":
            at = (0, *(self.types or ()))
            after = stage.next_balance[i][at]
            return float(max(-after, after - self.balance[i] - utility[at]))
        here = float(expected(env, utility, i, t)[0])
        if self.other_balance is None:
            return -here
        there = mechanism.utility(t, mechanism.stage(t, np.array(self.other_balance)[:, None]))[i]
        return here - float(expected(env, there, i, t)[0])


@dataclass(frozen=True)
class ConditionCheck:
    """How one condition fares.

    Attributes
    ----------
    status : Status
        Satisfied, violated or undecided.
    gain : float
        Largest violation, 0 where there is none.
    rounding : float
        Largest bound of the rounding of one.
    counterexample : BalanceCounterexample or None
        Where it is the most above what is tolerated, if the condition does not hold.
    """

    status: Status
    gain: float
    rounding: float
    counterexample: BalanceCounterexample | None

    @property
    def holds(self) -> bool:
        """Whether in every period the violation is surely at most what is tolerated there."""
        return self.status is Status.SATISFIED


class Conditions(Mapping[str, ConditionCheck]):
    """Checks by condition, ``"IC"``, ``"BI"`` and ``"BU"``.

    Attributes
    ----------
    holds : bool
        Whether all hold.
    """

    def __init__(self, checks: Mapping[str, ConditionCheck]) -> None:
        self._checks = dict(checks)

    @property
    def holds(self) -> bool:
        """Whether all three hold."""
        return all(check.holds for check in self.values())

    def __getitem__(self, key: str) -> ConditionCheck:
        return self._checks[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def __repr__(self) -> str:
        told = {Status.SATISFIED: "holds", Status.VIOLATED: "fails", Status.UNDECIDED: "is undecided"}
        words = [f"{key} {told[c.status]}{'' if c.holds else f' ({c.counterexample})'}" for key, c in self.items()]
        return f"Conditions({'; '.join(words)})"


class _Gains(NamedTuple):
    """Violations of one condition in one period, sums of the absolute values in them, and what is said of one."""

    condition: str
    gain: Array
    size: Array
    counterexample: Callable[[tuple[int, ...], float], BalanceCounterexample]


@dataclass
class _Verdict:
    """State of one condition so far: the places the most above what is tolerated, surely and possibly."""

    gain: float = 0.0
    rounding: float = 0.0
    excess: dict[Status, float | Fraction] = field(default_factory=dict)
    worst: dict[Status, BalanceCounterexample] = field(default_factory=dict)

    def add(self, found: _Gains, precision: Precision, limit: float) -> None:
        if found.gain.dtype == object:
            self._add_exact(found, limit)
            return
        rounding = precision.bound(found.size)
        wild = ~np.isfinite(rounding) | ~np.isfinite(found.gain)
        gain = np.where(wild, np.inf, found.gain)
        self.gain = max(self.gain, float(gain.max()))
        self.rounding = max(self.rounding, float(np.where(wild, 0.0, rounding).max()))
        for status, bound in ((Status.VIOLATED, -rounding), (Status.UNDECIDED, rounding)):
            above = np.where(wild, np.inf, gain + bound) - limit
            place = tuple(int(k) for k in np.unravel_index(above.argmax(), above.shape))
            if above[place] > self.excess.get(status, 0.0):
                self.excess[status] = float(above[place])
                self.worst[status] = found.counterexample(place, float(found.gain[place]))

    def _add_exact(self, found: _Gains, limit: float) -> None:
        place = tuple(int(k) for k in np.unravel_index(found.gain.argmax(), found.gain.shape))
        gain = found.gain[place]
        self.gain = max(self.gain, as_float(gain))
        if (above := gain - Fraction(limit)) > self.excess.get(Status.VIOLATED, 0):
            self.excess[Status.VIOLATED] = above
            self.worst[Status.VIOLATED] = found.counterexample(place, as_float(gain))

    @property
    def check(self) -> ConditionCheck:
        status = next((s for s in (Status.VIOLATED, Status.UNDECIDED) if s in self.worst), Status.SATISFIED)
        return ConditionCheck(status, self.gain, self.rounding, self.worst.get(status))


def check_conditions(mechanism: BankAccounts, max_states: int = MAX_STATES, exact: bool = False) -> Conditions:
    """Check (IC), (BI) and (BU); see `BankAccountMechanism.conditions`."""
    env = mechanism.environment
    limits, verdicts = _limits(env), {name: _Verdict() for name in ("IC", "BI", "BU")}
    if exact:
        _require_few(mechanism, max_states)
    for t, stage, _ in reachable(mechanism, False, max_states):
        parts = [getattr(stage, part.name) for part in fields(stage)]
        # what is not a number has no fraction, and is violated in floats
        fractional = exact and all(bool(np.isfinite(part).all()) for part in parts)
        numbers = in_fractions(env) if fractional else in_floats(env)
        if fractional:
            stage = Stage(*map(as_fractions, parts))
        with np.errstate(all="ignore"):
            largest = max(float(np.abs(stage.payment).max()), env.money_scale)
            precision = Precision.of(sum(env.shape[t]) + OTHER_ROUNDINGS, largest)
            for i in range(env.agents):
                period = BuyerPeriod(numbers, stage, t, i)
                for found in (*_ic(period), _bi(period), _bu(period)):
                    verdicts[found.condition].add(found, precision, float(limits[found.condition][t]))
    return Conditions({name: verdict.check for name, verdict in verdicts.items()})


def _require_few(mechanism: BankAccounts, max_states: int) -> None:
    """Count what fractions would take before any is made."""
    stages, shape = reachable(mechanism, False, max_states), mechanism.environment.shape
    terms = sum(4 * stage.deposit.size * max(types) for (_, stage, _), types in zip(stages, shape, strict=True))
    if terms > MAX_EXACT_TERMS:
        raise LimitError(
            f"{mechanism.name}: the conditions in fractions take about {terms:,} products, above {MAX_EXACT_TERMS:,}; "
            "check them in floats, or with fewer periods, types or buyers"
        )


def _limits(environment: IndependentTypes) -> dict[str, FloatArray]:
    """Tolerances of each condition by period; ``(T,)``."""
    largest, periods = largest_values(environment), range(environment.horizon)
    before = np.append(0.0, largest[:-1])
    average = np.array([environment.present_value[t] * _expected_largest(environment, t) for t in periods])
    rounding = ROUNDING * environment.money_scale
    once, mean = (VERIFY_TOLERANCE * size + rounding for size in (largest, np.maximum(average, before)))
    return {"IC": once, "BI": mean, "BU": once}


def _expected_largest(environment: IndependentTypes, t: int) -> float:
    """Expectation of the largest absolute value of an item of period t among the buyers."""
    buyers = range(environment.agents)
    levels = np.unique(np.concatenate([np.abs(environment.values[i][t]) for i in buyers]))
    below = [np.abs(environment.values[i][t]) <= levels[:, None] for i in buyers]
    all_below = np.prod([below[i] @ environment.probabilities[i][t] for i in buyers], axis=0)
    return float(levels @ np.diff(all_below, prepend=0.0))


def _ic(period: BuyerPeriod) -> Iterator[_Gains]:
    """By true type: axes balances and report."""
    stage, t, i = period.stage, period.t, period.i
    sold, paid = (period.interim(part[i]) for part in (stage.allocation, stage.payment))
    most = [period.interim(abs(part[i])) for part in (stage.allocation, stage.payment)]
    for k, value in enumerate(period.values):
        payoff, size = value * sold - paid, abs(value) * most[0] + most[1]

        def said(place: tuple[int, ...], gain: float, k: int = k) -> BalanceCounterexample:
            return BalanceCounterexample("IC", i, t, _at(stage, place[0]), gain, true_type=k, report=place[1])

        yield _Gains("IC", payoff - payoff[:, k, None], size + size[:, k, None], said)


def _bi(period: BuyerPeriod) -> _Gains:
    average, size = period.expected(period.utility()), period.expected(period.utility(size=True))
    stage, t, i, least = period.stage, period.t, period.i, int(average.argmin())

    def said(place: tuple[int, ...], gain: float) -> BalanceCounterexample:
        other = None if -average[place] >= average[place] - average[least] else _at(stage, least)
        return BalanceCounterexample("BI", i, t, _at(stage, place[0]), gain, other_balance=other)

    return _Gains("BI", np.maximum(average - average[least], -average), size + size.max(), said)


def _bu(period: BuyerPeriod) -> _Gains:
    stage, t, i = period.stage, period.t, period.i
    after = stage.next_balance[i]
    balance, spend = (part[i].reshape(-1, *[1] * (after.ndim - 1)) for part in (stage.balance, stage.spend))
    size = 2 * abs(balance) + abs(spend) + abs(stage.deposit[i]) + period.utility(size=True)

    def said(place: tuple[int, ...], gain: float) -> BalanceCounterexample:
        return BalanceCounterexample("BU", i, t, _at(stage, place[0]), gain, types=place[1:])

    return _Gains("BU", np.maximum(-after, after - period.utility() - balance), size, said)


def _at(stage: Stage, state: int) -> Balance:
    return tuple(map(float, stage.balance[:, state]))


def _written(balance: Balance) -> str:
    return ", ".join(f"{b:.6g}" for b in balance)
