"""Allocation and payments of a readable mechanism as fractions, verified without rounding.

The simple fractions beside the numbers of a mechanism are a guess. They are kept only if, in fractions throughout, the
allocation is feasible, every constraint of the optimum has no gain above 0, and the revenue is the proved optimum.
"""

from __future__ import annotations

from copy import copy
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.objective import Revenue
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.automaton import Automaton
from mechopt.solve.result import Optimum
from mechopt.verification.exact import ExactProcess, fractions
from mechopt.verification.rounding import Status

DENOMINATORS = 64, 3_000, 10**5, 10**6, 10**7
"""Largest denominators that are tried in turn."""
NEAR = 1e-9
"""Distance within which a fraction stands for a number, relative to the largest."""
MOST_NODES = 3_000
"""Nodes of a mechanism up to which it is verified in fractions."""

Paid = tuple[Array, ...]
"""By period, fractions ``(n, nodes)``: payment from agent to seller, money of the period."""


def paid_in_fractions(best: Optimum, mechanism: Mechanism | SequenceMechanism) -> Paid | None:
    """Payments of a mechanism that earns an exact optimum, as fractions; None where none are proved.

    Parameters
    ----------
    best : Optimum
        With ``exact``.
    mechanism : Mechanism or SequenceMechanism
        A readable one, in floats.
    """
    environment = mechanism.environment
    gains = getattr(environment, "seller_values", None)
    if best.exact is None or best.subject_to or best.objective != Revenue() or gains is not None:
        return None
    exact = environment.exact
    if exact is None or exact.discounts or sum(part.size for part in mechanism.allocation) > MOST_NODES:
        return None
    if isinstance(mechanism, Mechanism) and mechanism.environment.slots is not None:
        return None
    for denominator in DENOMINATORS:
        guess = copy(mechanism)
        for name in ("allocation", "payment"):
            object.__setattr__(guess, name, tuple(_guessed(part, denominator) for part in getattr(mechanism, name)))
        if any(part is None for part in (*guess.allocation, *guess.payment)):
            continue
        try:
            if _proved(best, guess):
                return _independent_paid(guess) if isinstance(guess, Mechanism) else _persistent_paid(guess)
        except LimitError:
            return None
    return None


def _guessed(part: Array, denominator: int) -> Array | None:
    """The simplest fractions beside numbers; None where some number has none."""
    near = NEAR * max(1.0, float(np.abs(part).max(initial=0.0)))
    values, place = np.unique(part, return_inverse=True)
    found = [Fraction(value).limit_denominator(denominator) for value in values.tolist()]
    if any(abs(float(f) - value) > near for f, value in zip(found, values.tolist(), strict=True)):
        return None
    return np.array([*found, None], dtype=object)[:-1][place].reshape(part.shape)


def _proved(best: Optimum, guess: Any) -> bool:
    """Whether the fractions are feasible, satisfy all constraints and earn the optimum."""
    if not (_feasible(guess) and _revenue(guess) == best.exact):
        return False
    agents = list(range(guess.environment.agents))
    gain: Any
    if isinstance(guess, Mechanism):
        from mechopt.verification.independent.exact import exact_gain as independent_gain

        gain = independent_gain
    else:
        from mechopt.verification.persistent.exact import exact_gain as persistent_gain

        gain = persistent_gain
    return all(gain(asked, guess, 0.0, agents)[0].status is Status.SATISFIED for asked in (*best.ic, *best.ir))


def _feasible(guess: Mechanism | SequenceMechanism) -> bool:
    if isinstance(guess, Mechanism):
        supply: Any = guess.environment.supply if hasattr(guess.environment, "supply") else 1
        most = [Fraction(s) for s in supply] if np.ndim(supply) else [Fraction(supply)] * guess.environment.horizon
        return all(
            min(part.ravel()) >= 0 and max(part.ravel()) <= 1 and max(part.sum(axis=0).ravel()) <= units
            for part, units in zip(guess.allocation, most, strict=True)
        )
    tree, mass = guess.tree, np.array([Fraction(1)], dtype=object)
    for t, part in enumerate(guess.allocation):
        if min(part.ravel()) < 0 or (part.sum(axis=1) != mass[tree.slot[t]]).any():
            return False
        if t + 1 < tree.horizon:
            mass = (part if tree.branches[t] > 1 else part.sum(axis=1)[:, None]).ravel()
    return True


def _revenue(guess: Mechanism | SequenceMechanism) -> Fraction:
    """Expected payments net of costs, by plain loops from the definitions."""
    return _independent_revenue(guess) if isinstance(guess, Mechanism) else _persistent_revenue(guess)


def _independent_revenue(guess: Mechanism) -> Fraction:
    env, exact = guess.environment, guess.environment.exact
    assert exact is not None
    reach, total = [Fraction(1)], Fraction(0)
    for t in range(env.horizon):
        distribution = [
            prod(row, start=Fraction(1)) for row in product(*(exact.probabilities[i][t] for i in range(env.agents)))
        ]
        reach = [chance * p for chance in reach for p in distribution]
        paid = guess.payment[t].reshape(env.agents, -1).sum(axis=0)
        sold = guess.allocation[t].reshape(env.agents, -1).sum(axis=0)
        weight, cost = exact.discount**t, Fraction(exact.cost[t])
        total += weight * sum((c * (p - cost * x) for c, p, x in zip(reach, paid, sold, strict=True)), Fraction(0))
    return total


def _persistent_revenue(guess: SequenceMechanism) -> Fraction:
    tree, process = guess.tree, ExactProcess(guess.environment)
    exact: Any = guess.environment.exact
    total, reach = Fraction(0), list[Fraction]()
    for t in range(tree.horizon):
        row = exact.cost[t] if isinstance(exact.cost[0], tuple) else exact.cost
        costs = fractions(np.array(row, dtype=object))
        slot, profile, here = tree.slot[t].tolist(), tree.profile[t].tolist(), list[Fraction]()
        for node, (at, number) in enumerate(zip(slot, profile, strict=True)):
            if t == 0:
                chance = process.initial[number]
            else:
                before, branch = divmod(at, tree.branches[t - 1])
                action = branch if tree.branches[t - 1] > 1 else 0
                chance = reach[before] * process.moves(t - 1, action, int(tree.profile[t - 1][before]))[number]
            here.append(chance)
            spent = sum((c * x for c, x in zip(costs, guess.allocation[t][node], strict=True)), Fraction(0))
            total += process.discount**t * chance * (guess.payment[t][:, node].sum() - spent)
        reach = here
    return total


def _independent_paid(guess: Mechanism) -> Paid:
    return tuple(part.reshape(guess.environment.agents, -1) for part in guess.payment)


def _persistent_paid(guess: SequenceMechanism) -> Paid:
    """Payments at a node, without its realisation weight."""
    tree, mass, found = guess.tree, np.array([Fraction(1)], dtype=object), list[Array]()
    for t, part in enumerate(guess.payment):
        weight = mass[tree.slot[t]]
        total = part.sum(axis=2)
        found.append(
            np.array([[p / w if w else Fraction(0) for p, w in zip(row, weight, strict=True)] for row in total])
        )
        if t + 1 < tree.horizon:
            sold = guess.allocation[t]
            mass = (sold if tree.branches[t] > 1 else sold.sum(axis=1)[:, None]).ravel()
    return tuple(found)


def at_node(
    found: Automaton, members: list[tuple[int, IntArray]], profile: int, paid: FloatArray, proved: Paid
) -> tuple[Fraction, ...] | None:
    """Proved payments at the node whose payments a rule shows; None where another node of the state has others."""
    told = set()
    for t, slots in members:
        nodes = np.concatenate([found.nodes(t, int(slot)) for slot in slots])
        for node in nodes[found.play.profile[t][nodes] == profile].tolist():
            if found.play.reach[t][node] > 0 or np.array_equal(found.play.payment[t][:, node], paid):
                told.add(tuple(proved[t][:, node].tolist()))
    return told.pop() if len(told) == 1 else None
