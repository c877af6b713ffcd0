"""Allocation and payments of a readable mechanism as fractions, verified without rounding.

Fractions beside the numbers of a mechanism are a guess (`mechopt.show.explain.exact.guesses`). They are kept only if,
in fractions throughout, the allocation is feasible, every constraint of the optimum has no gain above 0 (or above what
misreports may gain), and the objective is the proved optimum.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray, IntArray, to_exact
from mechopt.environment.supply import Slots
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import EpsilonIC, slack_of
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.automaton import Automaton
from mechopt.show.explain.exact.guesses import guesses
from mechopt.solve.result import Optimum
from mechopt.verification.exact import ExactProcess, fractions
from mechopt.verification.independent.exact import exact_gain as independent_gain
from mechopt.verification.payments.exact import exact_gain as payment_gain
from mechopt.verification.rounding import Status

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
    if best.exact is None or getattr(environment, "seller_values", None) is not None:
        return None
    exact = environment.exact
    if exact is None or exact.discounts or sum(part.size for part in mechanism.allocation) > MOST_NODES:
        return None
    try:
        for guess in guesses(mechanism, best.exact, partial(_value, best.objective)):
            if _proved(best, guess):
                return _independent_paid(guess) if isinstance(guess, Mechanism) else _persistent_paid(guess)
    except LimitError:
        return None
    return None


def _proved(best: Optimum, guess: Any) -> bool:
    """Whether the fractions are feasible, satisfy all constraints and earn the optimum."""
    if not (_feasible(guess) and _value(best.objective, guess) == best.exact):
        return False
    agents = range(guess.environment.agents)
    gain: Any = independent_gain
    if isinstance(guess, SequenceMechanism):
        from mechopt.verification.persistent.exact import exact_gain as gain
    for asked in (*best.ic, *best.ir):
        for i in agents:
            most = slack_of(best.subject_to, i) if asked.role == "ic" else Fraction(0)
            if gain(asked, guess, 0.0, [i])[0].exact > most:
                return False
    others = [asked for asked in best.subject_to if not isinstance(asked, EpsilonIC)]
    return all(payment_gain(asked, guess, 0.0)[0].status is Status.SATISFIED for asked in others)


def _supplied(allocation: Array, weights: tuple[Fraction, ...]) -> bool:
    """Whether every number of buyers gets at most that many of the first slots together."""
    most = np.cumsum(np.array([*weights, *[Fraction(0)] * len(allocation)][: len(allocation)], dtype=object))
    largest_first = np.sort(allocation.reshape(len(allocation), -1), axis=0)[::-1]
    return bool((np.cumsum(largest_first, axis=0) <= most[:, None]).all())


def _feasible(guess: Mechanism | SequenceMechanism) -> bool:
    if isinstance(guess, Mechanism):
        exact = guess.environment.exact
        assert exact is not None
        slots: Slots = ((Fraction(1),),) * len(guess.allocation) if exact.slots is None else exact.slots
        return all(
            min(part.ravel()) >= 0 and _supplied(part, weights)
            for part, weights in zip(guess.allocation, slots, strict=True)
        )
    tree, mass = guess.tree, np.array([Fraction(1)], dtype=object)
    for t, part in enumerate(guess.allocation):
        if min(part.ravel()) < 0 or (part.sum(axis=1) != mass[tree.slot[t]]).any():
            return False
        if t + 1 < tree.horizon:
            mass = (part if tree.branches[t] > 1 else part.sum(axis=1)[:, None]).ravel()
    return True


def _value(objective: Objective, guess: Mechanism | SequenceMechanism) -> Fraction:
    """The objective, by plain loops from the definitions; agents' utilities are welfare less revenue."""
    revenue, welfare = _independent_money(guess) if isinstance(guess, Mechanism) else _persistent_money(guess)
    weights = [to_exact(weight) for weight in (objective.revenue, objective.welfare, objective.utility)]
    return sum((w * part for w, part in zip(weights, (revenue, welfare, welfare - revenue), strict=True)), Fraction(0))


def _independent_money(guess: Mechanism) -> tuple[Fraction, Fraction]:
    """Revenue and welfare."""
    env, exact = guess.environment, guess.environment.exact
    assert exact is not None
    reach, revenue, welfare = [Fraction(1)], Fraction(0), Fraction(0)
    for t in range(env.horizon):
        rows = [exact.probabilities[i][t] for i in range(env.agents)]
        chances = [prod(row, start=Fraction(1)) for row in product(*rows)]
        profiles = list(product(*(exact.values[i][t] for i in range(env.agents))))
        reach = [chance * p for chance in reach for p in chances]
        paid = guess.payment[t].reshape(env.agents, -1).sum(axis=0)
        sold = guess.allocation[t].reshape(env.agents, -1)
        weight, cost = exact.discount**t, Fraction(exact.cost[t])
        for node, chance in enumerate(reach):
            spent = cost * sum(sold[:, node], Fraction(0))
            worth = sum(
                (x * v for x, v in zip(sold[:, node], profiles[node % len(profiles)], strict=True)), Fraction(0)
            )
            revenue += weight * chance * (paid[node] - spent)
            welfare += weight * chance * (worth - spent)
    return revenue, welfare


def _persistent_money(guess: SequenceMechanism) -> tuple[Fraction, Fraction]:
    """Revenue and welfare."""
    tree, process = guess.tree, ExactProcess(guess.environment)
    exact: Any = guess.environment.exact
    revenue, welfare, reach, agents = Fraction(0), Fraction(0), list[Fraction](), range(guess.environment.agents)
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
            for action, x in enumerate(guess.allocation[t][node]):
                if x and chance:
                    worth = sum((process.worth(t, i, action)[number] for i in agents), Fraction(0))
                    revenue -= process.discount**t * chance * x * costs[action]
                    welfare += process.discount**t * chance * x * (worth - costs[action])
            revenue += process.discount**t * chance * guess.payment[t][:, node].sum()
        reach = here
    return revenue, welfare


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
