r"""Checks of mechanisms whose payments depend on the last profile of reports and the current one, and nothing before.

After a last profile f of reports (and so the action it led to), agent i knows her own type k, which need not be one
that her last report allows, and believes that the others' types follow theirs in f. If she reports r, one that her last
report allows, and V is what she gets from the next period on,

    Q(f, k, r) = E[ v_i(a(r, th_-i), k) - p_i(f, r, th_-i) + d V((r, th_-i), k') | f_-i, k ]

So her best strategy of reports is a dynamic program over pairs (f, k), finitely many with any horizon: V = max_r Q, and
U of truth is Q at r = k. Bayesian incentive compatibility is V = U at her first types. Both are computed from the
payments alone: backwards, or as contractions, whose residuals bound what they are off by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.balanced import BalancedMechanism, follows, likely
from mechopt.mechanism.constraint_names import require_types
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim, PeriodicIR
from mechopt.mechanism.payments import EpsilonIC
from mechopt.verification.balanced.exact import InFractions
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Precision, Verdict, largest_value, left, tolerance_of

CLOSE, STALLED, MAX_SWEEPS = 1e-14, 1e-10, 100_000
"""Residual of the truthful continuation values, relative to the largest, at which sweeps end; or
end if it falls no more.
"""

REPLAYED = 1e-9
"""Present value of the periods that a replay with an infinite horizon leaves out."""


@dataclass(frozen=True)
class BalancedCounterexample(Counterexample):
    """One violation after a last profile of reports, whatever was reported before that.

    Attributes
    ----------
    before : tuple of int or None
        The last profile; None in period 0.
    """

    before: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | ({"before": list(self.before)} if self.before else {})

    def __str__(self) -> str:
        after = f"after reports {list(self.before)}" if self.before else "at first"
        words = f"agent {self.agent}, period {self.period}, {after}: "
        if self.constraint.role == "ic":
            return f"{words}type {self.true_type} gains {self.gain:.6g} by a strategy that reports {self.report} first"
        return f"{words}the utility of type {self.true_type} is {-self.gain:.6g}"

    def replay(self, mechanism: Any) -> float:
        """Compute the gain again by sums over the others' types, from payments and the truthful continuation values.

        Parameters
        ----------
        mechanism : BalancedMechanism
        """
        return replay(self, mechanism)


class _Stage(NamedTuple):
    """Arrays of a period for one agent; flat axes: last profile f, others' reports o, own types k, r."""

    beliefs: FloatArray
    """``[f, o]``: distribution of the others' types."""
    paid: FloatArray
    """``[f, r, o]``."""
    worth: FloatArray
    """``[r, o, k]``: value of type k where r is reported."""
    moves: FloatArray | None
    """``[r, o, k, next own type]``; None in the last period."""


class _Agent(NamedTuple):
    stages: tuple[_Stage, ...]
    values: tuple[FloatArray, ...]
    """By period ``[f, k]``: the value of truth."""
    errors: tuple[float, ...]
    """By period, a bound of what values are off by."""


def _stage(m: BalancedMechanism, i: int, t: int) -> _Stage:
    env, s = m.environment, m.stage(t)
    policy = np.moveaxis(m.policy[s], i, 0).reshape(m.policy[s].shape[i], -1)
    before = prod(m.lump_sums[i][t].shape)
    distributions = [follows(env, m.policy, j, t).reshape(before, -1) for j in range(env.agents) if j != i]
    beliefs = reduce(
        lambda one, distribution: (one[:, :, None] * distribution[:, None, :]).reshape(before, -1), distributions
    )
    paid = np.moveaxis(m.transfers[i][t].reshape(before, *m.policy[s].shape), 1 + i, 1)
    moves = None
    if env.infinite or t + 1 < m.periods:
        moves = env.kernel[i][s][policy]
    return _Stage(beliefs, paid.reshape(before, len(policy), -1), env.values[i][s][policy], moves)


def _outcomes(m: BalancedMechanism, i: int, t: int, stage: _Stage, following: FloatArray | None) -> FloatArray:
    """Value now and later, payments apart, of a report at the others' reports, ``[r, o, k]``."""
    if following is None or stage.moves is None:
        return stage.worth
    shape = m.policy[m.stage(t)].shape
    later = np.moveaxis(following.reshape(*shape, -1), i, 0).reshape(shape[i], -1, following.shape[-1])
    found: FloatArray = stage.worth + m.environment.discount * np.einsum("rokl,rol->rok", stage.moves, later)
    return found


def _reports(stage: _Stage, outcomes: FloatArray) -> FloatArray:
    """Q, ``[f, k, r]``."""
    paid = np.einsum("fo,fro->fr", stage.beliefs, stage.paid)
    found: FloatArray = np.einsum("fo,rok->fkr", stage.beliefs, outcomes) - paid[:, None, :]
    return found


def _truth(stage: _Stage, outcomes: FloatArray) -> FloatArray:
    """U, ``[f, k]``."""
    paid = np.einsum("fo,fro->fr", stage.beliefs, stage.paid)
    found: FloatArray = np.einsum("fo,kok->fk", stage.beliefs, outcomes) - paid
    return found


def _share(m: BalancedMechanism) -> Precision:
    depth = max(prod(sizes) + sum(sizes) for sizes in m.environment.shape) + m.periods + 12
    return Precision.of(4 * depth, max(float(np.abs(part).max()) for row in m.transfers for part in row))


def _agent(m: BalancedMechanism, i: int) -> _Agent:
    env, rounded = m.environment, _share(m)
    stages = tuple(_stage(m, i, t) for t in range(m.periods))
    values, errors = list[FloatArray](), list[float]()
    following: FloatArray | None = None
    if env.infinite:
        following = _lasting(m, i, stages[-1])
    for t in reversed(range(m.periods)):
        outcomes = _outcomes(m, i, t, stages[t], following)
        value = _truth(stages[t], outcomes)
        size = np.abs(outcomes).max() + np.abs(stages[t].paid).max()
        step = float(rounded.bound(size))
        if env.infinite and t == m.periods - 1:
            assert following is not None
            errors.append((float(np.abs(value - following).max()) + step) / left(env.discount) + step)
        else:
            errors.append(step + (env.discount * errors[-1] if errors else 0.0))
        values.append(value)
        following = value
    return _Agent(stages, tuple(reversed(values)), tuple(reversed(errors)))


def _lasting(m: BalancedMechanism, i: int, stage: _Stage) -> FloatArray:
    """The value of truth for ever: from the closed form, swept on where payments do not bear it out."""
    value, last = m.interim_utilities[i][-1].reshape(len(stage.beliefs), -1), np.inf
    for _ in range(MAX_SWEEPS):
        swept = _truth(stage, _outcomes(m, i, m.periods - 1, stage, value))
        off, scale = float(np.abs(swept - value).max()), float(np.abs(swept).max())
        if off <= CLOSE * scale or (off <= STALLED * scale and off >= last):
            return swept
        value, last = swept, off
    raise LimitError("the truthful continuation values are not found to a useful precision; use a smaller discount")


def _allowed(m: BalancedMechanism, i: int, t: int) -> FloatArray:
    """Whether the last profile allows a report, as 0 or minus infinity; ``[f, 1, r]``."""
    possible = follows(m.environment, m.policy, i, t)
    return np.where(possible.reshape(-1, 1, possible.shape[-1]) > 0, 0.0, -np.inf)


def _best(m: BalancedMechanism, i: int, agent: _Agent) -> tuple[FloatArray, float]:
    """Q of the best strategy in period 0, ``[f, k, r]``, minus infinity where not allowed; what it may be off by."""
    env, rounded = m.environment, _share(m)
    following: FloatArray | None = None
    off, reports = 0.0, np.zeros(0)
    if env.infinite:
        following, off = _best_for_ever(m, i, agent)
    for t in reversed(range(m.periods)):
        outcomes = _outcomes(m, i, t, agent.stages[t], following)
        size = np.abs(outcomes).max() + np.abs(agent.stages[t].paid).max()
        off = float(rounded.bound(size)) + env.discount * off
        reports = _reports(agent.stages[t], outcomes) + _allowed(m, i, t)
        following = reports.max(axis=2)
    return reports, off


def _best_for_ever(m: BalancedMechanism, i: int, agent: _Agent) -> tuple[FloatArray, float]:
    """The best strategy's value from the last listed period on, and what it may be off by."""
    t, stage, env = m.periods - 1, agent.stages[-1], m.environment
    allowed, rounded = _allowed(m, i, t), _share(m)
    value, last = agent.values[-1], np.inf
    for _ in range(MAX_SWEEPS):
        outcomes = _outcomes(m, i, t, stage, value)
        swept = (_reports(stage, outcomes) + allowed).max(axis=2)
        off, scale = float(np.abs(swept - value).max()), float(np.abs(swept).max())
        if off <= CLOSE * scale or (off <= STALLED * scale and off >= last):
            size = np.abs(outcomes).max() + np.abs(stage.paid).max()
            step = float(rounded.bound(size))
            return swept, (off + step) / left(env.discount) + step
        value, last = swept, off
    raise LimitError("the values of the best strategy are not found to a useful precision; use a smaller discount")


def _strategies(m: BalancedMechanism, i: int, agent: _Agent, t: int) -> tuple[FloatArray, float]:
    """Gain of the best strategy by first type and first report, ``[1, k, r]``, and what it may be off by."""
    reports, off = _best(m, i, agent)
    gain = np.where(m.environment.initial[i][:, None] > 0, reports - agent.values[0][:, :, None], -np.inf)
    return gain, off + agent.errors[0] + _share(m).share * float(np.abs(agent.values[0]).max())


def _participation(m: BalancedMechanism, i: int, agent: _Agent, t: int) -> tuple[FloatArray, float]:
    """How far utilities are below 0, as of period t, ``[f, k, 1]``, where truth leads to."""
    possible = (follows(m.environment, m.policy, i, t) > 0) & likely(m)[t][..., np.newaxis]
    lost = np.where(possible.reshape(agent.values[t].shape), -agent.values[t], -np.inf)
    return lost[:, :, None], agent.errors[t]


GAINS: dict[Constraint, Callable[[BalancedMechanism, int, _Agent, int], tuple[FloatArray, float]]] = {
    BayesianIC(): _strategies,
    Interim(): _participation,
    PeriodicIR(): _participation,
}


def verify_balanced(
    mechanism: BalancedMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a balanced mechanism at every last profile of reports.

    Parameters
    ----------
    mechanism : BalancedMechanism
    constraints : Constraint or several, optional
        Default: those that it was made for. With an infinite horizon Bayesian IC (all reports and actions being seen),
        interim and periodic IR; with a finite one all, the others over public histories.
    exact : bool
        Bound rounding in fractions: over public histories, or with an infinite horizon as
        `mechopt.verification.balanced.exact` does.

    Raises
    ------
    InputError
        If a constraint asks for a finite horizon.
    LimitError
        If there are too many pairs of profiles, or too many for fractions.
    """
    chosen = constraints or mechanism.claims
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    require_types(asked, "persistent")
    endless = mechanism.environment.infinite
    every = (exact and not endless) or any(isinstance(constraint, EpsilonIC) for constraint in asked)
    elsewhere = asked if every else [constraint for constraint in asked if constraint not in GAINS]
    if elsewhere and endless:
        raise InputError(
            f"constraint {elsewhere[0].name!r} goes over all histories, and the horizon is infinite; those that do "
            "not: " + ", ".join(constraint.name for constraint in GAINS)
        )
    written = verify_sequence(mechanism.to_mechanism(), elsewhere, exact) if elsewhere else {}
    tolerance = tolerance_of(largest_value(mechanism.environment))
    local = [constraint for constraint in asked if constraint not in elsewhere]
    agents = [_agent(mechanism, i) for i in range(mechanism.environment.agents)] if local else []
    precise = [_in_fractions(mechanism, i, agent) for i, agent in enumerate(agents)] if exact else None
    checks = {constraint: _check(constraint, mechanism, agents, tolerance, precise) for constraint in local}
    found = {**written, **checks}
    return Report({n: found[n] for n in asked if n in found}, mechanism.environment)


def _in_fractions(m: BalancedMechanism, i: int, agent: _Agent) -> InFractions:
    return InFractions(m, i, agent.values[-1], _best_for_ever(m, i, agent)[0])


def _check(
    constraint: Constraint,
    m: BalancedMechanism,
    agents: list[_Agent],
    tolerance: float,
    precise: list[InFractions] | None,
) -> ConstraintCheck:
    verdict, places = Verdict(tolerance), list[tuple[int, int, tuple[int, ...]]]()
    for i, agent in enumerate(agents):
        for t in range(m.periods if constraint == PeriodicIR() else 1):
            weight = m.environment.discount**t
            gain, rounding = GAINS[constraint](m, i, agent, t)
            if precise is not None:
                ic = constraint.role == "ic"
                found, rounding = precise[i].strategies() if ic else precise[i].losses(t)
                gain = np.where(np.isfinite(gain), found, -np.inf)
            verdict.add(weight * gain, np.where(np.isfinite(gain), weight * rounding, 0.0))
            places.append((i, t, gain.shape))
    answer, example = verdict.answer, None
    if answer.place is not None:
        i, t, shape = places[answer.place[0]]
        f, k, r = (int(p) for p in np.unravel_index(answer.place[1], shape))
        before = tuple(int(p) for p in np.unravel_index(f, m.lump_sums[i][t].shape)) if t else None
        told = r if constraint.role == "ic" else k
        example = BalancedCounterexample(constraint, i, t, (), k, told, answer.gain, before=before)
    return ConstraintCheck.of(answer, tolerance, example, answer.gain if constraint.role == "ic" else None)


def replay(found: BalancedCounterexample, mechanism: BalancedMechanism) -> float:
    """Gain of a counterexample by plain sums over the others' types; see `BalancedCounterexample.replay`."""
    env, i, t, k, r = mechanism.environment, found.agent, found.period, found.true_type, found.report
    assert k is not None and r is not None
    last, sweeps = mechanism.periods - 1, 0
    if env.infinite:
        sweeps = int(np.log(REPLAYED) / np.log(env.discount)) + 1
    best = truth = dict[Any, float]()
    for s in [*(last,) * sweeps, *reversed(range(t + 1, mechanism.periods))]:
        best, truth = _swept(mechanism, i, s, best, True), _swept(mechanism, i, s, truth, False)
    before = found.before or ()
    honest = _outcome(mechanism, i, t, before, k, k, truth)
    if found.constraint.role == "ir":
        return -(env.discount**t) * honest
    return env.discount**t * (_outcome(mechanism, i, t, before, k, r, best) - honest)


def _swept(m: BalancedMechanism, i: int, t: int, later: dict[Any, float], strategic: bool) -> dict[Any, float]:
    """Values by last profile and own type, of the best allowed reports or of truth."""
    found = dict[Any, float]()
    for before in np.ndindex(m.lump_sums[i][t].shape):
        likely_reports = np.flatnonzero(follows(m.environment, m.policy, i, t)[before] > 0).tolist()
        for k in range(m.incentive_terms[i][t].shape[-1]):
            reports = likely_reports if strategic else [k]
            found[before, k] = max(_outcome(m, i, t, before, k, r, later) for r in reports)
    return found


def _outcome(
    m: BalancedMechanism, i: int, t: int, before: tuple[int, ...], k: int, r: int, later: dict[Any, float]
) -> float:
    env, s, total = m.environment, m.stage(t), 0.0
    distributions = [follows(env, m.policy, j, t)[before] for j in range(env.agents)]
    for profile in product(
        *([r] if j == i else range(len(distribution)) for j, distribution in enumerate(distributions))
    ):
        chance = prod(float(distributions[j][own]) for j, own in enumerate(profile) if j != i)
        action = int(m.policy[s][profile])
        worth = float(env.values[i][s][action, k] - m.transfers[i][t][(*before, *profile)])
        if later:
            moves = env.kernel[i][s][action, k]
            worth += env.discount * sum(float(moves[x]) * later[profile, x] for x in range(len(moves)))
        total += chance * worth
    return total
