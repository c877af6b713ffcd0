"""An agent in a period as the check of contingent transfers sees her: flat profiles, reports, payoffs; a lie."""

from __future__ import annotations

from math import prod
from typing import NamedTuple, Protocol

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes


class Transfers(Protocol):
    """What is checked; axes as in `ContingentTransfers`."""

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


class Lie(NamedTuple):
    """The worst misreport.

    Attributes
    ----------
    agent, period : int
    signals : tuple of int
        Everybody's true signals.
    report : int
    gain : float
        Present value as of the period.
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
        Law; empty in the last period.
    """

    reported: IntArray
    action: IntArray
    value: FloatArray
    truth: IntArray
    others_next: FloatArray


def stage_of(env: InterdependentTypes, policy: IntArray, i: int, t: int) -> Stage:
    """Arrange what a period looks like to an agent."""
    shape = env.shape[t]
    signals = np.indices(shape).reshape(len(shape), -1)
    count = signals.shape[1]
    lied = np.repeat(signals[:, :, np.newaxis], shape[i], axis=2)
    lied[i] = np.arange(shape[i])
    reported = np.ravel_multi_index(tuple(lied), shape)
    action = policy.ravel()[reported]
    table = env.values[t][i].reshape(-1, count)
    here = np.arange(count)[:, np.newaxis]
    law = np.zeros((0, count, 0))
    if t < len(env.kernel):
        following = env.shape[0 if env.infinite else t + 1]
        joint = env.kernel[t].reshape(-1, count, *following)
        law = joint.sum(axis=2 + i).reshape(len(joint), count, -1)
    return Stage(reported, action, table[action, here], signals[i], law)


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


def last_payoffs(transfers: Transfers, stage: Stage, i: int) -> FloatArray:
    """Payoffs of the last period by signals and report."""
    assert transfers.last_payments is not None
    return stage.value - transfers.last_payments[i].ravel()[stage.reported]


def told(table: Array, stage: Stage) -> Array:
    """Entries of the true report, the last axis left out."""
    truth = np.broadcast_to(stage.truth[:, np.newaxis], (*table.shape[:-1], 1))
    return np.take_along_axis(table, truth, axis=-1)[..., 0]


def worst_lie(env: InterdependentTypes, gains: FloatArray, i: int, t: int) -> Lie:
    """The largest of gains by (history, signals, report)."""
    history, signals, report = (int(k) for k in np.unravel_index(gains.argmax(), gains.shape))
    past: list[tuple[int, ...]] = []
    if gains.shape[0] > 1:
        flat = np.unravel_index(history, [prod(env.shape[s]) for s in range(t)])
        past = [profile_at(env, s, int(k)) for s, k in enumerate(flat)]
    return Lie(i, t, profile_at(env, t, signals), report, float(gains[history, signals, report]), tuple(past))


def profile_at(env: InterdependentTypes, t: int, flat: int) -> tuple[int, ...]:
    """Signals of a flat profile."""
    return tuple(int(k) for k in np.unravel_index(flat, env.shape[t]))


Found = tuple[Lie, float | None, float]
"""The worst lie, the gain of the best strategy where it is known, and the largest payoff."""


def expected(env: InterdependentTypes, stage: Stage, following: FloatArray, t: int) -> FloatArray:
    """Expectation of a function of the next profile, by signals and report."""
    moved = env.kernel[t].reshape(-1, len(stage.truth), following.size) @ following.ravel()
    found: FloatArray = moved[stage.action, np.arange(len(stage.truth))[:, np.newaxis]]
    return found
