r"""Checks of a menu of contracts for one buyer, with any horizon, by her own dynamic programs.

After a fee she meets prices of actions. What type k makes of contract c is then

.. math:: V_t(z) = \max_a v(a, k, z) - p_t(a) + d \mathbb{E}[V_{t+1}(z') | a, z],

computed here anew: backwards, or for ever with the residual over 1 - d as a bound of what is left. Truth is the
contract and the purchases that the mechanism says of her type.

- Bayesian IC: no contract, with the best purchases, is worth more to a type than truth. Reporting another type and then
  true signals is possible in any case, so that is a lower end of the gain.
- Interim IR: truth is worth at least 0 at contracting; periodic IR: and from every signal on that truth leads to.

Gains are present values as of contracting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim, PeriodicIR
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.menu.exact import exact_uses
from mechopt.verification.menu.use import Use, prices_by_period
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import UNIT, Answer, ExactVerdict, Status, Verdict, as_float, tolerance_of
from mechopt.verification.virtual import VirtualCounterexample

CHECKED: tuple[Constraint, ...] = (BayesianIC(), Interim(), PeriodicIR())
CLOSE, MAX_SWEEPS = 1e-15, 200_000


def verify_menu(
    mechanism: Any, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a menu of contracts.

    Parameters
    ----------
    mechanism : OptimalContract
    constraints : Constraint or several, optional
        Default: its claims. With a finite horizon and few enough histories the menu is written out and checked there;
        else Bayesian IC, interim and periodic IR are.
    exact : bool
        Decide in fractions: prices and fees are the floats that they are, the rest the environment's numbers.
    """
    chosen = constraints or mechanism.claims
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    if not mechanism.environment.infinite:
        with suppress(LimitError):
            return constraint_checks(mechanism.to_mechanism(), asked, exact)
    wrong = [constraint.name for constraint in asked if constraint not in CHECKED]
    if wrong:
        known = ", ".join(constraint.name for constraint in CHECKED)
        raise InputError(f"constraint {wrong[0]!r} goes over histories, of which there are too many; not so: {known}")
    return menu_checks(mechanism, asked, exact)


def menu_checks(mechanism: Any, asked: Iterable[Constraint], exact: bool) -> Report:
    """Check Bayesian IC, interim and periodic IR by the buyer's dynamic programs."""
    env = mechanism.environment
    d, periods = env.discount, 1 if env.infinite else env.horizon
    worth = float(np.abs(env.value_tables[0]).max())
    weights = d ** (1 + np.arange(periods))
    tolerance = tolerance_of(worth * d / (1 - d) if env.infinite else worth * float(weights.sum()))
    uses = exact_uses(mechanism) if exact else _uses(mechanism)
    return Report({name: _check(name, mechanism, uses, tolerance, exact) for name in asked})


def _uses(mechanism: Any) -> list[list[Use]]:
    """What each type makes of each contract, ``[contract][type]``."""
    env, found = mechanism.environment, list[list[Use]]()
    for c in range(len(mechanism.menu)):
        prices, said = prices_by_period(mechanism, c), mechanism.purchases[c]
        rows = list[Use]()
        for k in range(env.initial_shape[0]):
            flows = [env.value_tables[0][:, k] - price[:, None] for price in prices]
            best, off = _value(env, flows, None)
            told, errors = zip(*(_value(env, flows, said[r]) for r in range(len(said))), strict=True)
            rows.append(Use(best[0], np.array([part[0] for part in told]), told[k], max(off, *errors)))
        found.append(rows)
    return found


def _value(env: Any, flows: Sequence[FloatArray], policy: Sequence[Any] | None) -> tuple[FloatArray, float]:
    """Value by period and signal of the best actions, or of some, and a bound of what it is off by."""
    kernel, d, signals = env.signal_kernel[0], env.discount, env.signal_shape[0]
    size = max(float(np.abs(flow).max()) for flow in flows)
    step = 8 * (signals + len(flows) + 8) * UNIT

    def back(flow: FloatArray, following: FloatArray, taken: Any) -> FloatArray:
        total = np.broadcast_to(flow + d * kernel @ following, (len(flow), signals))
        found: FloatArray = total.max(axis=0) if taken is None else np.take_along_axis(total, taken[None], axis=0)[0]
        return found

    if not env.infinite:
        rows = [np.zeros(signals)]
        for t in reversed(range(len(flows))):
            rows.append(back(flows[t], rows[-1], None if policy is None else np.asarray(policy[t])))
        return np.array(rows[:0:-1]), step * len(flows) ** 2 * size
    value, change = np.zeros(signals), np.inf
    for _ in range(MAX_SWEEPS):
        after = back(flows[0], value, None if policy is None else np.asarray(policy[0]))
        last, change = change, float(np.abs(after - value).max())
        value = after
        if change <= CLOSE * max(float(np.abs(value).max()), 1e-300) or (change >= last and change < 1e-11):
            break
    return value[None], (change + step * (size + float(np.abs(value).max()))) / (1 - d)


def _check(
    constraint: Constraint, mechanism: Any, uses: list[list[Use]], tolerance: float, exact: bool
) -> ConstraintCheck:
    """Lower and upper ends of all gains; violated where a lower one is above the tolerance."""
    env, found = mechanism.environment, list[tuple[Any, Any, float, tuple[int, int]]]()
    source: Any = env.exact if exact and env.exact is not None else env
    number: Any = Fraction if exact else float
    d, law = number(source.discount), [number(p) for p in source.signal_initial[0]]

    def mean(values: Any) -> Any:
        return d * sum(p * v for p, v in zip(law, values, strict=True) if p)

    def truth(k: int, of: int) -> tuple[Any, float]:
        """What type k gets by the contract and purchases of a type."""
        c = int(mechanism.choice[of])
        if c < 0:
            return number(0), 0.0
        return mean(uses[c][k].told[of]) - number(mechanism.menu[c].upfront), d * uses[c][k].error

    for k in range(env.initial_shape[0]):
        honest, off = truth(k, k)
        rounding = float(off) + 8 * UNIT * (abs(float(honest)) + 1) * (not exact)
        if constraint.role == "ir":
            found.append((-honest, -honest, rounding, (k, k)))
            if constraint == PeriodicIR() and mechanism.choice[k] >= 0:
                found += _later(mechanism, uses[int(mechanism.choice[k])][k], k, d)
            continue
        for r in range(env.initial_shape[0]):
            c = int(mechanism.choice[r])
            told, more = truth(k, r)
            best = told if c < 0 else mean(uses[c][k].best) - number(mechanism.menu[c].upfront)
            found.append((told - honest, best - honest, rounding + float(more), (k, r)))
    low = [(lower, place) for lower, _, _, place in found]
    if exact:
        verdict = ExactVerdict(tolerance)
        for _, upper, _, place in found:
            verdict.add(upper, place)
        worst, place = max(low)
        answer, at = verdict.answer, verdict.place
        if answer.status is Status.VIOLATED:
            if worst <= verdict.tolerance:
                answer = Answer(Status.UNDECIDED, max(as_float(worst), 0.0), as_float(verdict.gain - worst), None)
            else:
                answer, at = Answer(Status.VIOLATED, as_float(worst), 0.0, None, worst), place
    else:
        floats = Verdict(tolerance)
        middle = [(lower + upper) / 2 for lower, upper, _, _ in found]
        half = [(upper - lower) / 2 + off for lower, upper, off, _ in found]
        floats.add(np.array(middle), np.array(half))
        answer = floats.answer
        at = None if answer.place is None else found[answer.place[1]][3]
    example = None
    if at is not None:
        k, r = at
        example = VirtualCounterexample(constraint, 0, 0, (), k, r, answer.gain)
    return ConstraintCheck.of(answer, tolerance, example)


def _later(mechanism: Any, use: Use, k: int, d: Any) -> list[tuple[Any, Any, float, tuple[int, int]]]:
    """Shortfalls at the signals that truth leads to, after contracting."""
    env, c = mechanism.environment, int(mechanism.choice[k])
    said, kernel = mechanism.purchases[c][k], _kernel(env)
    likely, found = env.signal_initial[0] > 0, []
    rows = len(use.later)
    for t in range(rows):
        while env.infinite:
            more = likely | (kernel[np.asarray(said[0])[likely], np.flatnonzero(likely)] > 0).any(axis=0)
            if (more == likely).all():
                break
            likely = more
        for z in np.flatnonzero(likely):
            loss = -(d ** (1 + t)) * use.later[t][z]
            found.append((loss, loss, use.error, (k, k)))
        if t + 1 < rows:
            likely = (kernel[np.asarray(said[t])[likely], np.flatnonzero(likely)] > 0).any(axis=0)
    return found


def _kernel(env: Any) -> FloatArray:
    size = env.signal_shape[0]
    return np.broadcast_to(env.signal_kernel[0], (len(env.actions), size, size))
