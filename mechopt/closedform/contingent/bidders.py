"""An environment that is an auction of one item a period: its signals, and the weight of the others' in a value.

The types' names are the signals, as numbers; action i gives the item to agent i, to whom it is then worth her own
signal plus gamma times the others', and nothing to anybody else. Further actions are worth nothing to all. Transitions
do not depend on the action, and the horizon is infinite.

Source: Liu (2025), "Indirect implementation with auctions".
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np

from mechopt.closedform.contingent.winner_pay import WinnerPayAuction, winner_pay_auction
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, to_exact
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind

NEAR = 1e-9
"""How far values may be from those of an auction, relative to the largest."""


class Bidders(NamedTuple):
    """Bidders of an auction.

    Attributes
    ----------
    gamma : Fraction
        Weight of each of the others' signals; of exact values it is exact.
    signals : tuple over bidders of tuples of Fraction
    """

    gamma: Fraction
    signals: tuple[tuple[Fraction, ...], ...]


def bidders(environment: InterdependentTypes) -> Bidders:
    """Read the signals and gamma of an environment that is an auction.

    Parameters
    ----------
    environment : InterdependentTypes

    Raises
    ------
    InputError
        If it is not one, with what is not as it should be.
    """
    require_kind(environment, "interdependent", "bidders")
    faults: list[Fault] = []
    if not environment.infinite:
        faults.append(Fault("horizon", f"is {environment.horizon}", 'the auction is repeated for ever: "infinite"'))
    if environment.infinite and environment.stages > 1:
        faults.append(Fault("periods", f"are {environment.stages} of different data", "give one, for ever"))
    if environment.kernel and environment.controlled(0):
        faults.append(Fault("kernel", "depends on the action", "give one for all actions"))
    count = environment.agents
    if environment.action_counts[0] < count:
        faults.append(Fault("actions", f"are {environment.action_counts[0]}", "give one for each agent to win"))
    signals = []
    for i, (names, *_) in enumerate(environment.types):
        try:
            signals.append(tuple(map(to_exact, names)))
        except ValueError as error:
            faults.append(Fault(f"agents[{i}].types", str(error), "name every signal by its number"))
    if faults:
        raise InputError(faults)
    profile = np.stack(np.meshgrid(*[[float(x) for x in own] for own in signals], indexing="ij"))
    values = environment.profile_values[0]
    wanted = np.zeros_like(values)
    own, others = profile, profile.sum(axis=0) - profile
    exact = _weight(environment, signals)
    gamma = float(exact)
    for i in range(count):
        wanted[i, i] = own[i] + gamma * others[i]
    off = np.abs(values - wanted)
    if off.max() > NEAR * float(np.abs(values).max()):
        i, a, *at = (int(k) for k in np.unravel_index(off.argmax(), off.shape))
        where = f"agents[{i}].values[{a}]{''.join(f'[{k}]' for k in at)}"
        what = f"is {values[(i, a, *at)]:g}, not {wanted[(i, a, *at)]:g}"
        raise InputError(
            [Fault(where, what, f"action i is worth own signal + gamma (here {gamma:g}) x others' signals to agent i")]
        )
    return Bidders(exact, tuple(signals))


def auction_of(environment: InterdependentTypes, mirror: bool | None = None) -> WinnerPayAuction:
    """The winner-pay auction of an environment that `bidders` reads.

    Parameters
    ----------
    environment : InterdependentTypes
    mirror : bool or None
        As in `winner_pay_auction`.

    Examples
    --------
    >>> from mechopt import modelfile
    >>> auction_of(modelfile.load("liu-2025/winner-pay"))
    WinnerPayAuction(winner-pay auction, 2 bidders, gamma 2; gain ..., efficient, residual ...)
    """
    found = bidders(environment)
    given = environment.exact or environment
    return winner_pay_auction(
        found.gamma, found.signals, given.kernel[0][0], given.discount, environment.agents, mirror
    )


def _weight(environment: InterdependentTypes, signals: Sequence[Sequence[Fraction]]) -> Fraction:
    """The gamma that comes nearest to what winning is worth, by least squares."""
    values, product_sum, square = (environment.exact or environment).values, Fraction(0), Fraction(0)
    for at in product(*(range(len(own)) for own in signals)):
        total = sum((own[k] for own, k in zip(signals, at, strict=True)), Fraction(0))
        for i, own in enumerate(signals):
            others = total - own[at[i]]
            product_sum += (Fraction(values[i][0][(i, *at)]) - own[at[i]]) * others
            square += others**2
    return product_sum / square if square else Fraction(0)


def signal_numbers(environment: InterdependentTypes) -> list[list[float]] | None:
    """Numbers that own signals are named by, by agent; None where some are no numbers, or periods differ.

    Parameters
    ----------
    environment : InterdependentTypes
    """
    found = []
    for names in environment.types:
        try:
            numbers = [float(to_exact(name)) for name in names[0]]
        except ValueError:
            return None
        if any(other != names[0] for other in names) or len(set(numbers)) < len(numbers):
            return None
        found.append(numbers)
    return found


def monomials(environment: InterdependentTypes, degree: int) -> list[FloatArray]:
    """Products of powers of the others' next signals up to a degree, by agent; axes: others' profile, function.

    Parameters
    ----------
    environment : InterdependentTypes
        Whose signals are named by numbers, the same in all periods.
    degree : int
        Of all factors together.

    Raises
    ------
    InputError
        If they are not.
    """
    numbers = signal_numbers(environment)
    if numbers is None:
        raise InputError("basis: needs signals that are named by different numbers, the same in all periods")
    found = []
    for i in range(environment.agents):
        others = [own for j, own in enumerate(numbers) if j != i]
        profiles = np.array(list(product(*others)))
        powers = [power for power in product(range(degree + 1), repeat=len(others)) if sum(power) <= degree]
        found.append(np.stack([np.prod(profiles ** np.array(power), axis=1) for power in powers], axis=1))
    return found
