"""The check that a mechanism draws nothing, in floats and in fractions.

The gain is how far a probability of the allocation is from 0 and from 1, whichever is nearer; where actions are taken,
how far the weight of an action is from 0 and from the weight of its history. Of slots, how far what buyers get is from
the weights of different slots: the largest first, each is compared with the nearest weight that is left, or nothing.
Every history counts. Probabilities are read off as they stand: nothing is computed that could be rounded, but one
difference.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import Deterministic
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.exact import require_few
from mechopt.verification.payments.counterexample import EVERYBODY, PaymentCounterexample
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.rounding import Answer, ExactVerdict, Precision, Verdict


def check_draws(mechanism: Mechanism | SequenceMechanism, exact: bool = False) -> ConstraintCheck:
    """Verdict on `Deterministic`; the tolerance is a probability.

    Examples
    --------
    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> lottery = np.array([[[0.25, 1.0]]])
    >>> print(check_draws(Mechanism(env, [lottery], [lottery])).counterexample)
    agent 0, period 0, after history [] and reports [0]: what is done is drawn, 0.25 off certainty
    """
    answer, where = _exactly(mechanism) if exact else _in_floats(mechanism)
    found = None if where is None else _counterexample(mechanism, answer.gain, *where)
    return ConstraintCheck.of(answer, VERIFY_TOLERANCE, found)


Where = tuple[int, int, tuple[int, ...]]
"""Period, buyer (or action), and place in the array of it."""


def _in_floats(mechanism: Mechanism | SequenceMechanism) -> tuple[Answer, Where | None]:
    verdict, shapes = Verdict(VERIFY_TOLERANCE), []
    rounded = Precision.of(4, 1.0)
    slots = mechanism.environment.slots if isinstance(mechanism, Mechanism) else None
    for t, (x, most) in enumerate(_weights(mechanism)):
        gain = np.minimum(np.abs(x), np.abs(most - x)) if slots is None else off_slots(x, slots[t])
        verdict.add(gain, rounded.bound(np.abs(x) + np.abs(most)))
        shapes.append((t, gain.shape))
    answer = verdict.answer
    if answer.place is None:
        return answer, None
    t, shape = shapes[answer.place[0]]
    first, *rest = (int(k) for k in np.unravel_index(answer.place[1], shape))
    return answer, (t, first, tuple(rest))


def off_slots(allocation: FloatArray, weights: FloatArray) -> FloatArray:
    """How far what each buyer gets is from the weight of a slot of her own, or from nothing; shaped like it.

    Parameters
    ----------
    allocation : array ``(n, ...)``
    weights : array ``(S,)``
        The largest first.

    Examples
    --------
    >>> off_slots(np.array([[1.0], [0.5], [0.5]]), np.array([1.0, 0.5]))[:, 0]
    array([0. , 0. , 0.5])
    """
    flat = allocation.reshape(len(allocation), -1)
    order, off = np.argsort(-flat, axis=0, kind="stable"), np.zeros_like(flat)
    left = np.repeat(np.append(weights, np.zeros(len(flat)))[:, None], flat.shape[1], axis=1)
    columns = np.arange(flat.shape[1])
    for rank in range(len(flat)):
        x = flat[order[rank], columns]
        distance = np.abs(left - x)
        nearest = distance.argmin(axis=0)
        off[order[rank], columns] = distance[nearest, columns]
        left[nearest, columns] = np.inf
    return off.reshape(allocation.shape)


def _weights(mechanism: Mechanism | SequenceMechanism) -> list[tuple[FloatArray, FloatArray]]:
    """By period the allocation ``(buyers or actions, ...)``, and what it is at most."""
    if isinstance(mechanism, Mechanism):
        return [(x, np.ones_like(x)) for x in mechanism.allocation]
    tree = mechanism.tree
    masses = [mechanism.mass(t)[tree.slot[t]] for t in range(tree.horizon)]
    return [(x.T, np.broadcast_to(mass, x.T.shape)) for x, mass in zip(mechanism.allocation, masses, strict=True)]


def _exactly(mechanism: Mechanism | SequenceMechanism) -> tuple[Answer, Where | None]:
    """The same by loops in fractions."""
    require_few(sum(x.size for x in mechanism.allocation), "the check of deterministic")
    verdict = ExactVerdict(VERIFY_TOLERANCE)
    above = [Fraction(1)]
    for t, x in enumerate(mechanism.allocation):
        rows = np.moveaxis(x, 0, -1).reshape(-1, len(x)) if isinstance(mechanism, Mechanism) else x
        after = list[Fraction]()
        for node, row in enumerate(rows.tolist()):
            weights = [Fraction(entry) for entry in row]
            most = Fraction(1) if isinstance(mechanism, Mechanism) else above[int(mechanism.tree.slot[t][node])]
            off = [min(abs(weight), abs(most - weight)) for weight in weights]
            if isinstance(mechanism, Mechanism) and mechanism.environment.slots is not None:
                exact = mechanism.environment.exact
                slots = exact.slots if exact is not None and exact.slots is not None else mechanism.environment.slots
                off = _exactly_off(weights, [Fraction(weight) for weight in slots[t]])
            for k, gain in enumerate(off):
                verdict.add(gain, (t, k, node))
            if isinstance(mechanism, SequenceMechanism):
                after += weights if mechanism.tree.branches[t] > 1 else [sum(weights, Fraction(0))]
        above = after
    if verdict.place is None:
        return verdict.answer, None
    t, k, node = verdict.place
    if isinstance(mechanism, Mechanism):
        shape = mechanism.allocation[t].shape[1:]
        return verdict.answer, (t, k, tuple(int(part) for part in np.unravel_index(node, shape)))
    return verdict.answer, (t, k, (node,))


def _exactly_off(allocation: list[Fraction], weights: list[Fraction]) -> list[Fraction]:
    """The same as `off_slots`, of one profile."""
    left, off = [*weights, *[Fraction(0)] * len(allocation)], [Fraction(0)] * len(allocation)
    for i in sorted(range(len(allocation)), key=lambda i: -allocation[i]):
        nearest = min(left, key=lambda weight: abs(weight - allocation[i]))
        off[i] = abs(nearest - allocation[i])
        left.remove(nearest)
    return off


def _counterexample(
    mechanism: Mechanism | SequenceMechanism, gain: float, t: int, first: int, place: tuple[int, ...]
) -> PaymentCounterexample:
    if isinstance(mechanism, Mechanism):
        past = mechanism.tree.history(t, place[0])
        return PaymentCounterexample(Deterministic(), first, t, past, None, None, gain, reports=place[1:])
    tree, node = mechanism.tree, place[0]
    before = tree.history(t, int(tree.slot[t][node]))
    types = np.unravel_index(int(tree.profile[t][node]), tree.process.shape[t])
    return PaymentCounterexample(
        Deterministic(),
        EVERYBODY,
        t,
        tuple(reports for reports, _ in before),
        None,
        None,
        gain,
        reports=tuple(int(k) for k in types),
        actions=tuple(action for _, action in before),
        action=first,
    )
