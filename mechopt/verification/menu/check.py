r"""Checks of a menu of contracts for one buyer, with any horizon, by her own dynamic programs.

After a fee she meets prices of actions. What type k makes of contract c is then

.. math:: V_t(z) = \max_a v(a, k, z) - p_t(a) + d \mathbb{E}[V_{t+1}(z') | a, z],

computed here anew: backwards, or for ever as in `mechopt.verification.virtual_values`. Truth is the contract and the
purchases that the mechanism says of her type.

- Bayesian IC: no contract, with the best purchases, is worth more to a type than truth. Reporting another type and then
  true signals is possible in any case, so that is a lower end of the gain.
- Interim IR: truth is worth at least 0 at contracting; periodic IR: and from every signal on that truth leads to.

Gains are present values as of contracting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim, PeriodicIR
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.menu.exact import exact_uses
from mechopt.verification.menu.use import Use, prices_by_period
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Answer, ExactVerdict, Precision, Status, Verdict, as_float, tolerance_of
from mechopt.verification.virtual import VirtualCounterexample
from mechopt.verification.virtual_values import informed, size_of

NONE = -1
"""Choice of a type that takes no contract."""
CHECKED: tuple[Constraint, ...] = (BayesianIC(), Interim(), PeriodicIR())


class Gain(NamedTuple):
    """A gain, or how far a utility is below 0, between two ends, each up to rounding; period, type and report."""

    lower: Any
    upper: Any
    rounding: float
    place: tuple[int, int, int]


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
    """Check Bayesian IC, interim and periodic IR by the buyer's dynamic programs.

    Raises
    ------
    InputError
        If a fee or a price is not finite, or a type chooses what is not in the menu.
    """
    env = mechanism.environment
    if not set(mechanism.choice.tolist()) <= {NONE, *range(len(mechanism.menu))}:
        what = f"names contracts {mechanism.choice.tolist()}, there are {len(mechanism.menu)}"
        raise InputError([Fault("choice", what, f"give their numbers from 0 on, or {NONE} for none")])
    for c, offer in enumerate(mechanism.menu):
        if not all(np.isfinite(part).all() for part in (offer.upfront, *prices_by_period(mechanism, c))):
            raise InputError([Fault(f"menu[{c}]", "has a fee or a price that is not finite", "give finite numbers")])
    d, worth = env.discount, size_of(env.value_tables[0])
    tolerance = tolerance_of(worth * (d / (1 - d) if env.infinite else sum(d ** (1 + t) for t in range(env.horizon))))
    uses = exact_uses(mechanism) if exact else _uses(mechanism)
    return Report({name: _check(name, mechanism, uses, tolerance, exact) for name in asked})


def _uses(mechanism: Any) -> list[list[Use]]:
    """What each type makes of each contract, ``[contract][type]``."""
    env, found = mechanism.environment, list[list[Use]]()
    for c in range(len(mechanism.menu)):
        prices, said = prices_by_period(mechanism, c), mechanism.purchases[c]
        rows = list[Use]()
        for k in range(env.initial_shape[0]):
            worth = env.value_tables[0][:, k]
            best, off = _value(env, worth, prices, None)
            told, errors = zip(*(_value(env, worth, prices, said[r]) for r in range(len(said))), strict=True)
            rows.append(Use(best[0], np.array([part[0] for part in told]), told[k], max(off, *errors)))
        found.append(rows)
    return found


def _value(
    env: Any, worth: FloatArray, prices: Sequence[FloatArray], policy: Sequence[Any] | None
) -> tuple[FloatArray, float]:
    """Value by period and signal of the best actions, or of some, and a bound of what it is off by."""
    kernel, d, signals = _kernel(env), env.discount, env.signal_shape[0]
    flows = [worth - price[:, None] for price in prices]
    size = size_of(worth) + max(map(size_of, prices))
    if env.infinite:
        value, error = informed(flows[0], size, [kernel], d, None if policy is None else np.asarray(policy[0]))
        return value[None], error
    rows = [np.zeros(signals)]
    for t in reversed(range(len(flows))):
        total = flows[t] + d * kernel @ rows[-1]
        bought = total.argmax(axis=0) if policy is None else np.asarray(policy[t])
        rows.append(np.take_along_axis(total, bought[None], axis=0)[0])
    depth = 2 + len(flows) * (signals + 4)  # the flow; and in each period the mean, the discount and the sum
    return np.array(rows[:0:-1]), float(Precision.of(depth, size).bound(np.asarray(size * len(flows))))


def _check(
    constraint: Constraint, mechanism: Any, uses: list[list[Use]], tolerance: float, exact: bool
) -> ConstraintCheck:
    """Lower and upper ends of all gains; violated where a lower one is above the tolerance."""
    found = list(_gains(constraint, mechanism, uses, exact))
    answer, at = (_in_fractions if exact else _in_floats)(found, tolerance)
    example = None if at is None else VirtualCounterexample(constraint, 0, at[0], (), at[1], at[2], answer.gain)
    return ConstraintCheck.of(answer, tolerance, example)


def _gains(constraint: Constraint, mechanism: Any, uses: list[list[Use]], exact: bool) -> Iterator[Gain]:
    """All gains of a constraint."""
    env, types = mechanism.environment, range(mechanism.environment.initial_shape[0])
    source: Any = env.exact if env.exact is not None else env
    number: Any = Fraction if exact else float
    d, law = number(source.discount), [number(p) for p in source.signal_initial[0]]

    def net(values: Any, use: Use, fee: Any) -> tuple[Any, float]:
        """As of contracting, and its rounding: of the mean, the discount, the fee and a difference of two."""
        worth = d * sum(p * v for p, v in zip(law, values, strict=True) if p) - number(fee)
        if exact:
            return worth, 0.0
        size = np.asarray(size_of(values) + abs(fee))
        return worth, use.error + float(Precision.of(len(law) + 5, float(size)).bound(size))

    def truth(k: int, of: int) -> tuple[Any, float]:
        """What type k gets by the contract and purchases of a type."""
        c = int(mechanism.choice[of])
        return (number(0), 0.0) if c == NONE else net(uses[c][k].told[of], uses[c][k], mechanism.menu[c].upfront)

    for k in types:
        honest, off = truth(k, k)
        if constraint.role == "ir":
            yield Gain(-honest, -honest, off, (0, k, k))
            if constraint == PeriodicIR() and mechanism.choice[k] != NONE:
                yield from _later(mechanism, uses[int(mechanism.choice[k])][k], k, d)
            continue
        for r in types:
            c = int(mechanism.choice[r])
            told, more = truth(k, r)
            best, most = (told, more) if c == NONE else net(uses[c][k].best, uses[c][k], mechanism.menu[c].upfront)
            yield Gain(told - honest, best - honest, off + max(more, most), (0, k, r))


def _in_floats(found: list[Gain], tolerance: float) -> tuple[Answer, tuple[int, ...] | None]:
    verdict = Verdict(tolerance)
    middle = [(gain.lower + gain.upper) / 2 for gain in found]
    half = [(gain.upper - gain.lower) / 2 + gain.rounding for gain in found]
    verdict.add(np.array(middle), np.array(half))
    answer = verdict.answer
    return answer, None if answer.place is None else found[answer.place[1]].place


def _in_fractions(found: list[Gain], tolerance: float) -> tuple[Answer, tuple[int, ...] | None]:
    verdict, sure = ExactVerdict(tolerance), ExactVerdict(tolerance)
    for gain in found:
        verdict.add(gain.upper, gain.place)
        sure.add(gain.lower, gain.place)
    if sure.answer.status is Status.VIOLATED:
        return sure.answer, sure.place
    if verdict.answer.status is Status.SATISFIED:
        return verdict.answer, None
    return Answer(Status.UNDECIDED, as_float(sure.gain), as_float(verdict.gain - sure.gain), None), verdict.place


def _later(mechanism: Any, use: Use, k: int, d: Any) -> Iterator[Gain]:
    """Shortfalls at the signals that truth leads to, after contracting."""
    env, said = mechanism.environment, mechanism.purchases[int(mechanism.choice[k])][k]
    likely = env.signal_initial[0] > 0
    for t in range(len(likely) if env.infinite else len(use.later)):  # for ever: all signals that come have come
        period = 0 if env.infinite else t
        for z in np.flatnonzero(likely):
            loss = -(d ** (1 + t)) * use.later[period][z]
            yield Gain(loss, loss, use.error, (1 + t, k, k))
        likely = (_kernel(env)[np.asarray(said[period])[likely], likely] > 0).any(axis=0)


def _kernel(env: Any) -> FloatArray:
    size = env.signal_shape[0]
    return np.broadcast_to(env.signal_kernel[0], (len(env.actions), size, size))
