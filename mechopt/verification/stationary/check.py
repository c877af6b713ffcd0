r"""Checks of mechanisms whose actions and transfers depend on the current reports and the period alone.

Such a mechanism is checked at every period and type profile instead of at every history, so that an infinite horizon is
no harder than a finite one. With V the values of truth, a report r of agent i brings her

    Q(th, r) = v_i(a(r, th_-i), th_i) - p_i(r, th_-i) + d E[V'(th') | a(r, th_-i), th]

if she tells the truth afterwards, at whatever types th of all. Where no single misreport gains, at no profile and in no
period, no strategy does (the one-shot deviation principle: payoffs are bounded and discounted), whatever agents have
reported before, and whatever they know of each other. Present values as of the period.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.mechanism.chain import ahead, along, taken
from mechopt.mechanism.constraints import (
    PPIR,
    Interim,
    Notion,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
    require_types,
)
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.independent.replay import Counterexample, Replayable
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.verify import NotionCheck, Report

BoolArray = npt.NDArray[np.bool_]


class _Found(NamedTuple):
    """Gains and what their axes are: first the report or the previous profile, if any; then types."""

    gain: FloatArray
    leading: str


def _next_value(m: MarkovMechanism, i: int, t: int) -> FloatArray | None:
    """V of the period after t, or None after the last."""
    if m.environment.infinite:
        return m.continuation[i][min(t + 1, m.periods - 1)]
    return m.continuation[i][t + 1] if t + 1 < m.periods else None


def _misreports(m: MarkovMechanism, i: int, t: int) -> _Found:
    env, s, everybody = m.environment, m.stage(t), range(m.environment.agents)
    table = np.broadcast_to(along(env, i, s, everybody), (env.action_counts[s], *m.policy[s].shape))
    following = _next_value(m, i, t)
    if following is not None:
        table = table + env.discount * ahead(env, following, s, everybody)
    gains = np.empty((env.shape[s][i], *m.policy[s].shape))
    for r in range(len(gains)):
        told = m.policy[s].take([r], axis=i), m.transfer[i][t].take([r], axis=i)
        gains[r] = taken(table, np.broadcast_to(told[0], m.policy[s].shape)) - told[1]
    return _Found(gains - m.continuation[i][t], "report")


def _continuation(m: MarkovMechanism, i: int, t: int) -> _Found:
    return _Found(-m.continuation[i][t], "")


def _per_period(m: MarkovMechanism, i: int, t: int) -> _Found:
    return _Found(np.where(_likely(m)[t], -m.flow(i, t), -np.inf), "")


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


def _at_first(m: MarkovMechanism, i: int, t: int) -> _Found:
    """Expected over the others' first types; own ones of probability 0 do not count."""
    others = _averaged(m.continuation[i][0], i, m.environment.initial)
    return _Found(np.where(m.environment.initial[i] > 0, -others, -np.inf), "own")


def _averaged(value: FloatArray, i: int, laws: Iterable[FloatArray]) -> FloatArray:
    for j, law in reversed(list(enumerate(laws))):
        if j != i:
            value = np.tensordot(value, law, axes=(j, 0))
    return value


def _periodic(m: MarkovMechanism, i: int, t: int) -> _Found:
    """By own current type and the profile of the period before, which the others' types come from."""
    return _at_first(m, i, t) if t == 0 else _from_before(m, i, t, m.continuation[i][min(t, m.periods - 1)])


def _from_before(m: MarkovMechanism, i: int, t: int, value: FloatArray) -> _Found:
    env, s, before = m.environment, m.stage(t - 1), _likely(m)[t - 1]
    policy = m.policy[s]
    others = [j for j in range(env.agents) if j != i]
    by_own = [taken(np.expand_dims(ahead(env, part, s, others), i + 1), policy) for part in np.moveaxis(value, i, 0)]
    own = np.moveaxis(env.kernel[i][s], 2, 0)  # next type, action, type
    table = own.reshape(*own.shape[:2], *(env.shape[s][i] if j == i else 1 for j in range(env.agents)))
    moves = np.array([taken(part, policy) for part in table]) > 0
    return _Found(np.where(moves & before, -np.array(by_own), -np.inf), "before")


Gains = Callable[[MarkovMechanism, int, int], _Found]

GAINS: dict[Notion, Gains] = {
    PeriodicExPostIC(): _misreports,
    PeriodicExPostIC(rereport=True): _misreports,
    PPIR(): _per_period,
    Interim(): _at_first,
    PeriodicIR(): _periodic,
    PeriodicExPostIR(): _continuation,
}


def _cases(notion: Notion, m: MarkovMechanism) -> Iterator[tuple[int, int, _Found]]:
    for i in range(m.environment.agents):
        for t in range(1 if notion == Interim() else m.periods):
            yield i, t, GAINS[notion](m, i, t)
        if notion == PeriodicIR() and m.environment.infinite:  # the listed periods last for ever after the last one
            yield i, m.periods, _periodic(m, i, m.periods)


@dataclass(frozen=True)
class MarkovCounterexample(Counterexample):
    """One violation in a mechanism that depends on current reports alone; values as of the period, at any history.

    Attributes
    ----------
    before : tuple of int or None
        For periodic participation after the first period: the type profile of the period before.
    """

    before: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | ({"before": list(self.before)} if self.before else {})

    def __str__(self) -> str:
        words = f"agent {self.agent}, period {self.period}, "
        others = f" while the others are {list(self.others)}" if self.others else ""
        if self.notion.role == "ic":
            does = f"type {self.true_type} reports {self.report}{others} and gains {self.gain:.6g}"
            return f"{words}after any history: {does}"
        after = f"after types {list(self.before)}" if self.before else "after any history"
        return f"{words}{after}: the utility of type {self.true_type}{others} is {-self.gain:.6g}"

    def replay(self, mechanism: Replayable | MarkovMechanism) -> float:
        """Compute the gain again with the kernel of whole type profiles.

        Parameters
        ----------
        mechanism : MarkovMechanism

        Returns
        -------
        float
            Equals ``gain`` up to rounding.
        """
        from mechopt.verification.stationary.replay import replay

        assert isinstance(mechanism, MarkovMechanism)
        return replay(self, mechanism)


def _counterexample(notion: Notion, m: MarkovMechanism, i: int, t: int, found: _Found) -> MarkovCounterexample:
    place = tuple(int(k) for k in np.unravel_index(int(found.gain.argmax()), found.gain.shape))
    gain = float(found.gain.max())
    if found.leading in ("own", "before"):
        before = place[1:] if found.leading == "before" else None
        return MarkovCounterexample(notion, i, t, (), place[0], place[0], gain, before=before)
    types = place[1:] if found.leading == "report" else place
    report = place[0] if found.leading == "report" else types[i]
    others = tuple(k for j, k in enumerate(types) if j != i)
    return MarkovCounterexample(notion, i, t, (), types[i], report, gain, others)


def money_scale(m: MarkovMechanism) -> float:
    """Largest total value of an agent, or largest transfer where it is larger; present value."""
    env = m.environment
    worth = [max(float(np.abs(row[t]).max()) for row in env.values) for t in range(env.stages)]
    total = worth[0] / (1 - env.discount) if env.infinite else sum(w * env.discount**t for t, w in enumerate(worth))
    return float(max(total, *(float(np.abs(part).max()) for row in m.transfer for part in row)))


def verify_markov(mechanism: MarkovMechanism, notions: Notion | Iterable[Notion] | None = None) -> Report:
    """Check a mechanism that depends on current reports and the period alone, at all periods and type profiles.

    Parameters
    ----------
    mechanism : MarkovMechanism
        Any type may be reported in any period, so periodic ex post IC is that with re-reports.
    notions : Notion or several, optional
        Default: those that the mechanism was made for; if it names none, periodic ex post IC and IR, periodic IR and
        interim IR. Other notions for types that move ask for a finite horizon and go over all public histories.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If a notion is none for types that move, or is about paths or beliefs, with an infinite horizon.
    LimitError
        If a notion goes over histories and there are too many.

    Examples
    --------
    Sell at price 1 for ever to a buyer who values the item at 0 or 2; a fee of 3 at first is too much for either.

    >>> from mechopt.environment.markov import MarkovTypes
    >>> env = MarkovTypes([[[0, 0], [0, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], discount="1/2")
    >>> price = np.array([0, 1])
    >>> verify_markov(MarkovMechanism(env, [price], [[price]])).holds
    True
    >>> verify_markov(MarkovMechanism(env, [price], [[price + 3, price]]), Interim())
    Report(interim: fails, gain 2.5 (agent 0, period 0, after any history: the utility of type 0 is -2.5))
    """
    default = (PeriodicExPostIC(), PeriodicExPostIR(), PeriodicIR(), Interim())
    asked = [notions] if isinstance(notions, Notion) else list(notions or mechanism.notions or default)
    require_types(asked, "moving")
    over_paths = [notion for notion in asked if notion not in GAINS]
    if over_paths and mechanism.environment.infinite:
        raise InputError(
            f"notion {over_paths[0].name!r} goes over all histories, and the horizon is infinite; those that do not: "
            + ", ".join(notion.name for notion in GAINS)
        )
    written = verify_sequence(mechanism.to_sequence(), over_paths) if over_paths else {}
    tolerance = VERIFY_TOLERANCE * money_scale(mechanism)
    return Report({n: written[n] if n in over_paths else _check(n, mechanism, tolerance) for n in asked})


def _check(notion: Notion, mechanism: MarkovMechanism, tolerance: float) -> NotionCheck:
    """Largest gain over agents, periods and profiles, the first one where there are ties."""
    gain, worst = 0.0, None
    for i, t, found in _cases(notion, mechanism):
        if (largest := float(found.gain.max())) > gain:
            gain, worst = largest, (i, t, found)
    counterexample = None
    if gain > tolerance and worst is not None:
        counterexample = _counterexample(notion, mechanism, *worst)
    return NotionCheck(gain <= tolerance, gain, counterexample)
