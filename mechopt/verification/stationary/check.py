r"""Checks of mechanisms whose actions and transfers depend on the current reports and the period alone.

Such a mechanism is checked at every period and type profile instead of at every history, so that an infinite horizon is
no harder than a finite one. With V the truthful continuation values, a report r of agent i brings her

    Q(th, r) = v_i(a(r, th_-i), th_i) - p_i(r, th_-i) + d E[V'(th') | a(r, th_-i), th]

if she tells the truth afterwards, at whatever types th of all. Where no single misreport gains, at no profile and in no
period, no strategy does (the one-shot deviation principle: payoffs are bounded and discounted), whatever agents have
reported before, and whatever they know of each other. Gains are in present value as of period 0. Participation is asked
for at types that truth leads to; see `mechopt.verification.rounding` for this, tolerance and rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray
from mechopt.histories.chain import ahead, along, taken
from mechopt.mechanism.constraint_names import require_types
from mechopt.mechanism.constraints import (
    PPIR,
    Constraint,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.payments import EpsilonIC
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Precision, Verdict, largest_value, left, tolerance_of
from mechopt.verification.stationary.exact import exact_gains
from mechopt.verification.stationary.replay import MarkovCounterexample

BoolArray = npt.NDArray[np.bool_]


class Values(NamedTuple):
    """Values of truth to an agent from each listed period on, as of that period, and bounds of its rounding."""

    value: tuple[FloatArray, ...]
    error: tuple[FloatArray, ...]


def truthful_values(m: MarkovMechanism, i: int) -> Values:
    """V with a bound of its distance from the exact V, by periods.

    One step back adds the rounding of the step to what the following V is off by. With an infinite horizon V solves
    V = r + d P V, and with the residual R of the V that was found, no entry is further off than max |R| / (1 - d).
    """
    env, share, everybody = m.environment, _share(m), range(m.environment.agents)
    if not np.isfinite(max(float(_size(m, i, t).max()) for t in range(m.periods)) * m.periods / _left(m)):
        wild = tuple(np.full(part.shape, np.inf) for part in m.transfer[i])
        return Values(wild, wild)
    value, errors, least = m.continuation[i], list[FloatArray](), _rounding(m).least
    for t in reversed(range(m.periods)):
        s, size, following = m.stage(t), _size(m, i, t) + np.abs(value[t]), _next(m, value, t)
        if following is not None:
            size = size + env.discount * taken(ahead(env, np.abs(following), s, everybody), m.policy[s])
        if errors:
            carried = env.discount * taken(ahead(env, errors[-1], s, everybody), m.policy[s])
            errors.append(share * size + least + (1 + share) * carried)
        elif env.infinite:
            step = m.flow(i, t) + env.discount * taken(ahead(env, value[t], 0, everybody), m.policy[0])
            off = float((np.abs(step - value[t]) + share * size + least).max()) / _left(m)
            errors.append(np.full(value[t].shape, (1 + share) * off))
        else:
            errors.append(share * size + least)
    return Values(value, tuple(reversed(errors)))


def _rounding(m: MarkovMechanism) -> Precision:
    """Rounding of a step of a period: sums over each agent's next types, the rest, and the discounts so far."""
    depth = max(sum(sizes) + 3 * len(sizes) for sizes in m.environment.shape) + m.periods + 12
    return Precision.of(4 * depth, max(float(_size(m, i, t).max()) for i, t in _own_periods(m)))


def _own_periods(m: MarkovMechanism) -> Iterator[tuple[int, int]]:
    return product(range(m.environment.agents), range(m.periods))


def _share(m: MarkovMechanism) -> float:
    return _rounding(m).share


def _left(m: MarkovMechanism) -> float:
    """A lower bound of 1 - d with an infinite horizon; else 1."""
    return left(m.environment.discount) if m.environment.infinite else 1.0


def _size(m: MarkovMechanism, i: int, t: int) -> FloatArray:
    """Value and transfer of a period in absolute value, added; axes: type profile."""
    s = m.stage(t)
    worth = np.abs(along(m.environment, i, s, range(m.environment.agents)))
    return taken(worth, m.policy[s]) + np.abs(m.transfer[i][t])


def _next(m: MarkovMechanism, by_period: tuple[FloatArray, ...], t: int) -> FloatArray | None:
    """The table after period t, or None after the last."""
    if m.environment.infinite:
        return by_period[min(t + 1, m.periods - 1)]
    return by_period[t + 1] if t + 1 < m.periods else None


class _Found(NamedTuple):
    """Gains as of period 0 and bounds of their rounding; axes: first the report or the previous profile; then types."""

    gain: FloatArray
    rounding: FloatArray
    leading: str


def _asked(
    m: MarkovMechanism, t: int, where: BoolArray, utility: FloatArray, error: FloatArray, leading: str
) -> _Found:
    """Shortfall of utilities below 0 where that is asked for; as of period t, to present value."""
    weight = m.environment.discount**t
    error = error + _share(m) * np.abs(utility)
    return _Found(np.where(where, -weight * utility, -np.inf), np.where(where, weight * error, 0.0), leading)


def _misreports(m: MarkovMechanism, i: int, t: int, v: Values) -> _Found:
    env, s, everybody, share = m.environment, m.stage(t), range(m.environment.agents), _share(m)
    shape = (env.action_counts[s], *m.policy[s].shape)
    table = np.broadcast_to(along(env, i, s, everybody), shape)
    error = share * np.abs(table)
    value, off = _next(m, v.value, t), _next(m, v.error, t)
    if value is not None and off is not None:
        table = table + env.discount * ahead(env, value, s, everybody)
        error = error + env.discount * ahead(env, share * np.abs(value) + (1 + share) * off, s, everybody)
    gains, rounding = (np.empty((env.shape[s][i], *m.policy[s].shape)) for _ in range(2))
    for r in range(len(gains)):
        told = np.broadcast_to(m.policy[s].take([r], axis=i), m.policy[s].shape)
        paid = m.transfer[i][t].take([r], axis=i)
        gains[r] = taken(table, told) - paid
        rounding[r] = taken(error, told) + share * np.abs(paid)
    weight = env.discount**t
    rounding += v.error[t] + share * np.abs(v.value[t])
    gains -= v.value[t]
    gains *= weight
    rounding *= weight
    return _Found(gains, rounding, "report")


def _continuation(m: MarkovMechanism, i: int, t: int, v: Values) -> _Found:
    return _asked(m, t, _likely(m)[t], v.value[t], v.error[t], "")


def _per_period(m: MarkovMechanism, i: int, t: int, v: Values) -> _Found:
    return _asked(m, t, _likely(m)[t], m.flow(i, t), _share(m) * _size(m, i, t), "")


def _likely(m: MarkovMechanism) -> list[BoolArray]:
    """Whether truth leads to a profile, by listed period; with an infinite horizon the last is for all later ones."""
    likely = [m.environment.initial_distribution > 0]
    for t in range(m.periods - 1):
        likely.append(_following(m, m.stage(t), likely[-1]))
    if m.environment.infinite:
        while (more := likely[-1] | _following(m, 0, likely[-1])).sum() > likely[-1].sum():
            likely[-1] = more
    return likely


def _following(m: MarkovMechanism, s: int, likely: BoolArray) -> BoolArray:
    """Profiles that some of these lead to."""
    env, total = m.environment, np.zeros(m.environment.shape[0 if m.environment.infinite else s + 1], dtype=bool)
    for a in np.unique(m.policy[s][likely]):
        part = (likely & (m.policy[s] == a)).astype(np.float64)
        for axis in range(env.agents):
            moved = np.tensordot(part, (env.kernel[axis][s][a] > 0).astype(np.float64), axes=(axis, 0))
            part = (np.moveaxis(moved, -1, axis) > 0).astype(np.float64)
        total |= part > 0
    return total


def _at_first(m: MarkovMechanism, i: int, t: int, v: Values) -> _Found:
    """Expected over the others' first types; own ones of probability 0 do not count."""
    value, error = (_averaged(part, i, m.environment.initial) for part in _with_rounding(m, v, 0))
    return _asked(m, 0, m.environment.initial[i] > 0, value, error, "own")


def _with_rounding(m: MarkovMechanism, v: Values, t: int) -> tuple[FloatArray, FloatArray]:
    """V of a period, and the bound of its rounding with that of an average of it."""
    at = min(t, m.periods - 1)
    return v.value[at], v.error[at] * (1 + _share(m)) + _share(m) * np.abs(v.value[at])


def _averaged(value: FloatArray, i: int, distributions: Iterable[FloatArray]) -> FloatArray:
    for j, distribution in reversed(list(enumerate(distributions))):
        if j != i:
            value = np.tensordot(value, distribution, axes=(j, 0))
    return value


def _periodic(m: MarkovMechanism, i: int, t: int, v: Values) -> _Found:
    """By own current type and the profile of the period before, which the others' types come from."""
    if t == 0:
        return _at_first(m, i, t, v)
    value, error = (_from_before(m, i, t, part) for part in _with_rounding(m, v, t))
    env, s = m.environment, m.stage(t - 1)
    own = np.moveaxis(env.kernel[i][s], 2, 0)  # next type, action, type
    table = own.reshape(*own.shape[:2], *(env.shape[s][i] if j == i else 1 for j in range(env.agents)))
    moves = np.array([taken(part, m.policy[s]) for part in table]) > 0
    return _asked(m, t, moves & _likely(m)[t - 1], value, error, "before")


def _from_before(m: MarkovMechanism, i: int, t: int, value: FloatArray) -> FloatArray:
    """Expectation over the others' types given the profile before, ``(own type, *profile before)``."""
    env, s = m.environment, m.stage(t - 1)
    others = [j for j in range(env.agents) if j != i]
    parts = np.moveaxis(value, i, 0)
    return np.array([taken(np.expand_dims(ahead(env, part, s, others), i + 1), m.policy[s]) for part in parts])


Gains = Callable[[MarkovMechanism, int, int, Values], _Found]

GAINS: dict[Constraint, Gains] = {
    PeriodicExPostIC(): _misreports,
    PeriodicExPostIC(rereport=True): _misreports,
    PPIR(): _per_period,
    Interim(): _at_first,
    PeriodicIR(): _periodic,
    PeriodicExPostIR(): _continuation,
}


def _cases(constraint: Constraint, m: MarkovMechanism, values: list[Values]) -> Iterator[tuple[int, int, _Found]]:
    for i in range(m.environment.agents):
        for t in range(1 if constraint == Interim() else m.periods):
            yield i, t, GAINS[constraint](m, i, t, values[i])
        if constraint == PeriodicIR() and m.environment.infinite:  # the listed periods last for ever after the last one
            yield i, m.periods, _periodic(m, i, m.periods, values[i])


def _counterexample(
    constraint: Constraint, i: int, t: int, found: tuple[str, tuple[int, ...]], flat: int, gain: float
) -> MarkovCounterexample:
    leading, shape = found
    place = tuple(int(k) for k in np.unravel_index(flat, shape))
    if leading in ("own", "before"):
        before = place[1:] if leading == "before" else None
        return MarkovCounterexample(constraint, i, t, (), place[0], place[0], gain, before=before)
    types = place[1:] if leading == "report" else place
    report = place[0] if leading == "report" else types[i]
    others = tuple(k for j, k in enumerate(types) if j != i)
    return MarkovCounterexample(constraint, i, t, (), types[i], report, gain, others)


def verify_markov(
    mechanism: MarkovMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism that depends on current reports and the period alone, at all periods and type profiles.

    Parameters
    ----------
    mechanism : MarkovMechanism
        Any type may be reported in any period, so periodic ex post IC is that with re-reports.
    constraints : Constraint or several, optional
        Default: those that the mechanism was made for; if it names none, periodic ex post IC and IR, periodic IR and
        interim IR. Other constraints for persistent types ask for a finite horizon and go over all public histories.
    exact : bool
        Decide in fractions.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If a constraint is not defined for persistent types, or is about paths or beliefs, with an infinite horizon.
    LimitError
        If a constraint goes over histories and there are too many; in fractions, if there are too many type profiles.

    Examples
    --------
    Sell at price 1 for ever to a buyer who values the item at 0 or 2; a fee of 3 at first is too much for either.

    >>> from mechopt.environment.markov import MarkovTypes
    >>> env = MarkovTypes([[[0, 0], [0, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], discount="1/2")
    >>> price = np.array([0, 1])
    >>> verify_markov(MarkovMechanism(env, [price], [[price]])).holds
    True
    >>> verify_markov(MarkovMechanism(env, [price], [[price + 3, price]]), Interim())
    Report(interim: violated, gain 2.5 (agent 0, period 0, after any history: the utility of type 0 is -2.5))
    """
    default = (PeriodicExPostIC(), PeriodicExPostIR(), PeriodicIR(), Interim())
    chosen = constraints or mechanism.claims or default
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    require_types(asked, "persistent")
    plain = mechanism.environment.outside is None
    plain = plain and not any(isinstance(constraint, EpsilonIC) for constraint in asked)
    over_paths = [constraint for constraint in asked if constraint not in GAINS or not plain]
    if over_paths and mechanism.environment.infinite:
        raise InputError(
            f"constraint {over_paths[0].name!r} goes over all histories, and the horizon is infinite; those that do "
            "not: " + ", ".join(constraint.name for constraint in GAINS)
        )
    written = verify_sequence(mechanism.to_sequence(), over_paths, exact) if over_paths else {}
    tolerance = tolerance_of(largest_value(mechanism.environment))
    local = [constraint for constraint in asked if constraint not in over_paths]
    with np.errstate(all="ignore"):
        if exact:
            checks = _exact_checks(local, mechanism, tolerance)
        else:
            values = [truthful_values(mechanism, i) for i in range(mechanism.environment.agents)] if local else []
            checks = _checks(local, mechanism, values, tolerance)
    found = {**written, **checks}
    return Report({n: found[n] for n in asked if n in found}, mechanism.environment)


def _exact_checks(
    constraints: list[Constraint], mechanism: MarkovMechanism, tolerance: float
) -> dict[Constraint, ConstraintCheck]:
    found = exact_gains(mechanism, constraints, tolerance)
    checks = dict[Constraint, ConstraintCheck]()
    for constraint, (answer, place) in found.items():
        example = None
        if place is not None:
            i, t, true, report, others, before = place
            example = MarkovCounterexample(constraint, i, t, (), true, report, answer.gain, others, before=before)
        checks[constraint] = ConstraintCheck.of(answer, tolerance, example)
    return checks


def _checks(
    constraints: list[Constraint], mechanism: MarkovMechanism, values: list[Values], tolerance: float
) -> dict[Constraint, ConstraintCheck]:
    """Verdicts; constraints with the same inequalities (re-reports allowed or not) are gone through once."""
    checks, gone_through = dict[Constraint, ConstraintCheck](), dict[Gains, ConstraintCheck]()
    for constraint in constraints:
        check = gone_through.get(GAINS[constraint])
        if check is None:
            check = gone_through[GAINS[constraint]] = _check(constraint, mechanism, values, tolerance)
        elif isinstance(check.counterexample, MarkovCounterexample):
            check = replace(check, counterexample=replace(check.counterexample, constraint=constraint))
        checks[constraint] = check
    return checks


def _check(
    constraint: Constraint, mechanism: MarkovMechanism, values: list[Values], tolerance: float
) -> ConstraintCheck:
    """Verdict over agents, periods and profiles."""
    verdict, places = Verdict(tolerance), list[tuple[int, int, tuple[str, tuple[int, ...]]]]()
    for i, t, found in _cases(constraint, mechanism, values):
        verdict.add(found.gain, found.rounding)
        places.append((i, t, (found.leading, found.gain.shape)))
    answer, counterexample = verdict.answer, None
    if answer.place is not None:
        i, t, at = places[answer.place[0]]
        counterexample = _counterexample(constraint, i, t, at, answer.place[1], answer.gain)
    return ConstraintCheck.of(answer, tolerance, counterexample)
