"""An agent in a period as the check of contingent transfers sees her: flat profiles, reports, payoffs; a misreport."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple, Protocol

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.rounding import Answer, Status


class Transfers(Protocol):
    """Transfers under check; axes as in `ContingentTransfers`."""

    @property
    def environment(self) -> InterdependentTypes: ...  # noqa: D102
    @property
    def policy(self) -> tuple[IntArray, ...]: ...  # noqa: D102
    @property
    def payments(self) -> tuple[tuple[FloatArray, ...], ...]: ...  # noqa: D102
    @property
    def later(self) -> tuple[tuple[tuple[FloatArray, ...], ...], ...]: ...  # noqa: D102
    @property
    def last_payments(self) -> tuple[FloatArray, ...] | None: ...  # noqa: D102
    @property
    def history(self) -> bool: ...  # noqa: D102
    @property
    def reports(self) -> bool: ...  # noqa: D102
    @property
    def together(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Sizes:
    """Transfers of which every sum is taken in absolute value; see `mechopt.verification.rounding`.

    Attributes
    ----------
    environment, policy, payments, later, last_payments, history, reports, together
        As in `Transfers`; payments are minus their absolute value, so that what is subtracted adds up.
    given : Transfers
    """

    environment: InterdependentTypes
    policy: tuple[IntArray, ...]
    payments: tuple[tuple[FloatArray, ...], ...]
    later: tuple[tuple[tuple[FloatArray, ...], ...], ...]
    last_payments: tuple[FloatArray, ...] | None
    history: bool
    reports: bool
    together: int
    given: Transfers

    @classmethod
    def of(cls, given: Transfers) -> Sizes:
        """Those of transfers."""
        payments = tuple(tuple(-np.abs(array) for array in row) for row in given.payments)
        later = tuple(tuple(tuple(-np.abs(array) for array in own) for own in row) for row in given.later)
        last = None if given.last_payments is None else tuple(-np.abs(array) for array in given.last_payments)
        parts = payments, later, last, given.history, given.reports, given.together
        return cls(given.environment, given.policy, *parts, given)


def less(transfers: Transfers, one: FloatArray, other: FloatArray) -> FloatArray:
    """One less the other; of `Sizes` their sum."""
    difference: FloatArray = one + other if isinstance(transfers, Sizes) else one - other
    return difference


class OneMisreport(NamedTuple):
    """The worst misreport.

    Attributes
    ----------
    agent, period : int
    signals : tuple of int
        Everybody's true signals.
    report : int
    gain : float
        Present value.
    past : tuple of tuples of int
        Profiles reported before, where they matter.
    """

    agent: int
    period: int
    signals: tuple[int, ...]
    report: int
    gain: float
    past: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        past = f" after reports {list(map(list, self.past))}" if self.past else ""
        return (
            f"agent {self.agent}, period {self.period}{past}: at signals {list(self.signals)} she reports "
            f"{self.report} and gains {self.gain:.6g}"
        )


class Place(NamedTuple):
    """Finding about an agent in a period.

    Attributes
    ----------
    answer : Answer
    tolerance : float
        Largest gain that counts as none there.
    largest : float
        Largest gain, 0 where there is none; ``answer.gain`` is that of its own place.
    misreport : OneMisreport or None
        None where satisfied.
    """

    answer: Answer
    tolerance: float
    largest: float
    misreport: OneMisreport | None

    def severity(self) -> tuple[int, float]:
        """How bad it is: the status, then what it rests on in relation to the tolerance."""
        gain, rounding = self.answer.gain, self.answer.rounding
        rank, excess = {
            Status.SATISFIED: (0, gain),
            Status.UNDECIDED: (1, gain + rounding),
            Status.VIOLATED: (2, gain - rounding),
        }[self.answer.status]
        if self.tolerance == 0:
            return rank, excess and float("inf")
        return rank, excess / self.tolerance


class Stage(NamedTuple):
    """An agent in a period; profiles are flat.

    Attributes
    ----------
    reported : int array ``(profile, report)``
        The profile that is reported.
    action : int array ``(profile, report)``
    value : float array ``(profile, report)``
        What the action is worth at the true profile.
    truth : int array ``(profile,)``
        Her own signal.
    others_next : float array ``(action, profile, others' next profile)``
        Distribution; empty in the last period.
    """

    reported: IntArray
    action: IntArray
    value: FloatArray
    truth: IntArray
    others_next: FloatArray


def stage_of(transfers: Transfers, i: int, t: int) -> Stage:
    """Arrange what a period looks like to an agent."""
    env, policy = transfers.environment, transfers.policy[t]
    shape = env.shape[t]
    signals = np.indices(shape).reshape(len(shape), -1)
    count = signals.shape[1]
    lied = np.repeat(signals[:, :, np.newaxis], shape[i], axis=2)
    lied[i] = np.arange(shape[i])
    reported = np.ravel_multi_index(tuple(lied), shape)
    action = policy.ravel()[reported]
    table = env.values[i][t].reshape(-1, count)
    table = np.abs(table) if isinstance(transfers, Sizes) else table
    here = np.arange(count)[:, np.newaxis]
    distribution = np.zeros((0, count, 0))
    if t < len(env.kernel):
        following = env.shape[env.following(t)]
        joint = env.kernel[t].reshape(-1, count, *following)
        distribution = joint.sum(axis=2 + i).reshape(len(joint), count, -1)
    return Stage(reported, action, table[action, here], signals[i], distribution)


def makers(env: InterdependentTypes, t: int, ago: int) -> range:
    """Places in the data of the period so long before t: several for the last one of an infinite horizon, for ever."""
    if env.infinite and t == env.stages - 1:
        return range(max(0, t - ago), env.stages)
    return range(t - ago, t - ago + 1) if t >= ago else range(0)


def others_at(env: InterdependentTypes, i: int, t: int) -> IntArray:
    """Flat profile of the others at each flat profile of a period."""
    shape = env.shape[t]
    signals = [axis for j, axis in enumerate(np.indices(shape).reshape(len(shape), -1)) if j != i]
    sizes = [size for j, size in enumerate(shape) if j != i]
    found: IntArray = np.ravel_multi_index(signals, sizes)
    return found


def by_reports(env: InterdependentTypes, policy: IntArray, array: FloatArray, i: int, t: int) -> FloatArray:
    """A payment ``(action, *others, [own,] *then)`` by the profile reported; axes: profile, others' profile then."""
    others, shape = others_at(env, i, t), env.shape[t]
    count, own = prod(shape) // shape[i], array.ndim - 2 * (env.agents - 1) == 2
    action = policy.ravel()
    if own:
        table = array.reshape(len(array), count, shape[i], -1)
        return np.asarray(table[action, others, np.indices(shape).reshape(len(shape), -1)[i]])
    return np.asarray(array.reshape(len(array), count, -1)[action, others])


def length_of(transfers: Transfers, t: int) -> int:
    """How many periods after t a payment about it depends on, where these are taken together."""
    env = transfers.environment
    return transfers.together if env.infinite else min(transfers.together, env.stages - 1 - t)


def by_paths(transfers: Transfers, i: int, t: int) -> FloatArray:
    """A payment by the profile reported and the others' signals of the periods after it, an axis each."""
    env, array, length = transfers.environment, transfers.payments[t][i], length_of(transfers, t)
    others, shape, action = others_at(env, i, t), env.shape[t], transfers.policy[t].ravel()
    path = [prod(env.shape[env.at(t + k)]) // env.shape[env.at(t + k)][i] for k in range(1, length + 1)]
    own = array.ndim - 1 - (env.agents - 1) * (1 + length)
    table = array.reshape(len(array), prod(shape) // shape[i], *shape[i : i + 1] * own, *path)
    place = (action, others, np.indices(shape).reshape(len(shape), -1)[i]) if own else (action, others)
    return np.asarray(table[place])


def last_payoffs(transfers: Transfers, stage: Stage, i: int) -> FloatArray:
    """Payoffs of the last period by signals and report."""
    assert transfers.last_payments is not None
    return stage.value - transfers.last_payments[i].ravel()[stage.reported]


def told(table: Array, stage: Stage) -> Array:
    """Entries of the true report, the last axis left out."""
    truth = np.broadcast_to(stage.truth[:, np.newaxis], (*table.shape[:-1], 1))
    return np.take_along_axis(table, truth, axis=-1)[..., 0]


class Gains(NamedTuple):
    """Gains of an agent's reports in a period, present value; axes: history, profile of signals, report."""

    agent: int
    period: int
    gain: FloatArray

    def at(self, env: InterdependentTypes, place: int) -> OneMisreport:
        """One of them."""
        history, signals, report = (int(k) for k in np.unravel_index(place, self.gain.shape))
        past: list[tuple[int, ...]] = []
        if self.gain.shape[0] > 1:
            flat = np.unravel_index(history, [prod(env.shape[s]) for s in range(self.period)])
            past = [profile_at(env, s, int(k)) for s, k in enumerate(flat)]
        gain = float(self.gain[history, signals, report])
        return OneMisreport(self.agent, self.period, profile_at(env, self.period, signals), report, gain, tuple(past))


def profile_at(env: InterdependentTypes, t: int, flat: int) -> tuple[int, ...]:
    """Signals of a flat profile."""
    return tuple(int(k) for k in np.unravel_index(flat, env.shape[t]))


class Found(NamedTuple):
    """Gains of one agent by period, and of the best strategy where it is known: by history and profile, by period.

    ``first`` is what the truth is worth to her at each first profile.
    """

    gains: list[Gains]
    strategy: list[FloatArray] | None
    first: FloatArray


def expected(env: InterdependentTypes, stage: Stage, following: FloatArray, t: int) -> FloatArray:
    """Expectation of a function of the next profile, by signals and report."""
    moved = env.kernel[t].reshape(-1, len(stage.truth), following.size) @ following.ravel()
    found: FloatArray = moved[stage.action, np.arange(len(stage.truth))[:, np.newaxis]]
    return found
