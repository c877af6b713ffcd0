r"""Checks of mechanisms for ever with finitely many states, state by state.

- Bayesian incentive compatibility: truth is a best strategy from the first period on, see
  `mechopt.verification.states.response`. With one agent periodic ex post incentive compatibility asks for the same at
  every state that reports lead to, and every type that they allow. DIC, where types are independent across periods,
  asks it of one report at every state and for all types. Myopic incentive compatibility compares utilities of
  the period alone, at every state that truth leads to.
- Participation: interim at the first state; periodic at every state that truth leads to and its possible types.
- Per-period: utility of a period at every state, possible profile and action that is taken, whatever the coin shows.
  Sums over all paths (``epir``), or all beginnings of paths (``prefix``), are shortest paths: with m(s) the least
  discounted sum from state s on, m(s) = min u + d m(s').

Gains are present values as of period 0: those of a state are discounted from the first period in which truth, or for
incentives any reports, may lead to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    PFIR,
    PPIR,
    BayesianIC,
    Constraint,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicIR,
)
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Verdict, largest_value, left, tolerance_of
from mechopt.verification.states.exact import InFractions, require_few
from mechopt.verification.states.replay import replayed
from mechopt.verification.states.response import Response

CLOSE, MAX_SWEEPS = 1e-15, 100_000
"""Sums over paths are found where a sweep changes them by less than this share of the largest: a few units."""


@dataclass(frozen=True)
class StateCounterexample(Counterexample):
    """One violation in a public state.

    Attributes
    ----------
    state : int
    """

    state: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | {"state": self.state}

    def __str__(self) -> str:
        words = f"agent {self.agent}, state {self.state}: "
        if self.constraint == MyopicIC():
            return f"{words}type {self.true_type} reports {self.report} and gains {self.gain:.6g} in the period"
        if self.constraint.role == "ic":
            return f"{words}type {self.true_type} gains {self.gain:.6g} by a strategy that reports {self.report} first"
        who = f"type {self.true_type}" if self.true_type is not None else "some path"
        return f"{words}the utility of {who} is {-self.gain:.6g}"

    def replay(self, mechanism: Any) -> float:
        """Compute the gain again by plain sums, period after period.

        Parameters
        ----------
        mechanism : StateMechanism
        """
        return replayed(self.constraint, self.agent, self.state, self.true_type, self.report, mechanism)


class _Found(NamedTuple):
    """Gains and a bound of their rounding; axes: state, then type (and report)."""

    gain: FloatArray
    rounding: float


def _strategies(r: Response) -> _Found:
    gain = np.full((1, r.types, r.types), -np.inf)
    first = r.mechanism.environment.initial[r.agent] > 0
    gain[0, first] = r.best_reports[0, first] - r.truth[0, first][:, None]
    return _Found(gain, r.best_error + r.truth_error + 2 * r.step)


def _everywhere(r: Response) -> _Found:
    """At every state and type that its reports allow."""
    gain = np.where(r.allowed[:, :, None], r.best_reports - r.truth[:, :, None], -np.inf)
    return _Found(_weighed(r, gain, r.mechanism.entered), r.best_error + r.truth_error + 2 * r.step)


def _one_report(r: Response) -> _Found:
    gain = _weighed(r, r.reports(r.truth) - r.truth[:, :, None], r.mechanism.entered)
    return _Found(gain, 2 * r.truth_error + 2 * r.step)


def _alone(r: Response) -> _Found:
    """Of the period alone, at states that truth leads to, of types and reports that are possible there."""
    gain = r.flow - np.einsum("skk->sk", r.flow)[:, :, None]
    asked = r.allowed[:, :, None] & r.allowed[:, None, :] & (r.mechanism.depth >= 0)[:, None, None]
    return _Found(_weighed(r, np.where(asked, gain, -np.inf)), 2 * r.step)


def _weighed(r: Response, gain: FloatArray, first: IntArray | None = None) -> FloatArray:
    """In present value, by the first period in which truth (or as given) leads to the state."""
    m = r.mechanism
    period = m.depth if first is None else first
    weight = np.where(period >= 0, m.environment.discount ** np.maximum(period, 0.0), 0.0)
    with np.errstate(invalid="ignore"):
        found: FloatArray = np.where(gain == -np.inf, gain, weight[:, None, None] * gain)
    return found


def _interim(r: Response) -> _Found:
    asked = r.mechanism.environment.initial[r.agent] > 0
    return _Found(np.where(asked, -r.truth[:1], -np.inf)[:, :, None], r.truth_error + r.step)


def _periodic(r: Response) -> _Found:
    asked = r.allowed & (r.mechanism.depth >= 0)[:, None]
    return _Found(_weighed(r, np.where(asked, -r.truth, -np.inf)[:, :, None]), r.truth_error + r.step)


def _flows(r: Response) -> FloatArray:
    """Utility of a period by state, profile and action with the worst coin, infinite where it does not happen."""
    m = r.mechanism
    flow = (m.worth[r.agent] - m.payment[r.agent]).ravel()
    entries = np.repeat(np.arange(len(flow)), np.diff(m.after.indptr))
    coins = np.where(m.after.data > 0, -m.extra[r.agent], np.inf)
    worst = np.full(len(flow), np.inf)
    np.minimum.at(worst, entries, coins)
    least = np.where(np.isfinite(worst), worst, 0.0)
    happens = (m.likely[:, :, None] & (m.allocation > 0)).ravel()
    found: FloatArray = np.where(happens, flow + least, np.inf).reshape(m.allocation.shape)
    return found


def _per_period(r: Response) -> _Found:
    worst = _flows(r).min(axis=(1, 2))
    asked = np.where(r.mechanism.depth >= 0, -worst, -np.inf)
    return _Found(_weighed(r, asked[:, None, None]), 2 * r.step)


def _paths(r: Response) -> _Found:
    """Least sum on a path from the first state on; iterated from 0, so that it is reached from both sides."""
    return _least(r, False)


def _prefixes(r: Response) -> _Found:
    return _least(r, True)


def _least(r: Response, may_stop: bool) -> _Found:
    m, d = r.mechanism, r.mechanism.environment.discount
    happens = (m.likely[:, :, None] & (m.allocation > 0)).ravel()
    entries = np.repeat(np.arange(m.after.shape[0]), np.diff(m.after.indptr))
    used = happens[entries] & (m.after.data > 0)
    state = entries // (m.allocation.shape[1] * m.allocation.shape[2])
    flow = (m.worth[r.agent] - m.payment[r.agent]).ravel()[entries] - m.extra[r.agent]
    state, target, flow = state[used], m.after.indices[used], flow[used]
    least, change = np.zeros(m.states), np.inf
    for _ in range(MAX_SWEEPS):  # what is left when they end is in the bound
        after = np.full(m.states, np.inf)
        np.minimum.at(after, state, flow + d * least[target])
        after = np.where(np.isfinite(after), after, 0.0)
        after = np.minimum(after, 0.0) if may_stop else after
        change = float(np.abs(after - least).max())
        least = after
        if change <= CLOSE * float(np.abs(least).max()):
            break
    return _Found(np.array([[[-least[0]]]]), (change + 2 * r.step) / left(d))


GAINS: dict[Constraint, Callable[[Response], _Found]] = {
    BayesianIC(): _strategies,
    PeriodicExPostIC(): _everywhere,
    DIC(): _one_report,
    MyopicIC(): _alone,
    Interim(): _interim,
    PeriodicIR(): _periodic,
    PPIR(): _per_period,
    PFIR(): _prefixes,
    EPIR(): _paths,
}


def require_checked(mechanism: StateMechanism, constraints: Iterable[Constraint]) -> None:
    """Refuse constraints that are not checked state by state.

    Raises
    ------
    InputError
    """
    env = mechanism.environment
    for constraint in constraints:
        why = None
        if constraint not in GAINS:
            why = "is not checked for ever, state by state"
        elif constraint == PeriodicExPostIC() and env.agents > 1:
            why = "is checked for ever with one agent; take bayesian"
        elif constraint == DIC() and not fresh(env):
            why = "is for types that are independent across periods; take bayesian"
        if why is not None:
            raise InputError(
                f"constraint {constraint.name!r} {why}; those that are: {', '.join(c.name for c in GAINS)}"
            )


def fresh(environment: MarkovTypes) -> bool:
    """Whether types are independent across periods, with the first period's distribution."""
    return all(
        bool((np.abs(kernel[0] - distribution) <= 1e-15).all())
        for kernel, distribution in zip(environment.kernel, environment.initial, strict=True)
    )


def verify_states(
    mechanism: StateMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism with finitely many states for ever.

    Parameters
    ----------
    mechanism : StateMechanism
    constraints : Constraint or several, optional
        Default: those that it was made for; if it names none, Bayesian IC and interim IR.
    exact : bool
        Bound the rounding in fractions, see `mechopt.verification.states.exact`.

    Raises
    ------
    InputError
        If a constraint is not checked for ever.
    LimitError
        If there are too many states for fractions.
    """
    chosen = constraints or mechanism.claims or (BayesianIC(), Interim())
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    require_checked(mechanism, asked)
    kind: type[Response] = Response
    if exact:
        require_few(mechanism)
        kind = InFractions
    responses = [kind(mechanism, i) for i in range(mechanism.environment.agents)]
    return check_responses(responses, asked, tolerance_of(largest_value(mechanism.environment)))


def check_responses(responses: list[Response], constraints: Iterable[Constraint], tolerance: float) -> Report:
    """Check constraints on the problems of all agents."""
    with np.errstate(all="ignore"):
        return Report({constraint: _check(constraint, responses, tolerance) for constraint in constraints})


def _check(constraint: Constraint, responses: list[Response], tolerance: float) -> ConstraintCheck:
    verdict, shapes = Verdict(tolerance), list[tuple[int, ...]]()
    for response in responses:
        gain, rounding = GAINS[constraint](response)
        verdict.add(gain, np.where(gain == -np.inf, 0.0, rounding))
        shapes.append(gain.shape)
    answer, example = verdict.answer, None
    if answer.place is not None:
        i = answer.place[0]
        s, k, report = (int(place) for place in np.unravel_index(answer.place[1], shapes[i]))
        m, entered = responses[i].mechanism, constraint.role == "ic" and constraint != MyopicIC()
        depth = max(int((m.entered if entered else m.depth)[s]), 0)
        true = None if constraint in (PPIR(), PFIR(), EPIR()) else k
        told = report if constraint.role == "ic" else true
        example = StateCounterexample(constraint, i, depth, (), true, told, answer.gain, state=s)
    return ConstraintCheck.of(answer, tolerance, example, answer.gain if constraint.role == "ic" else None)
