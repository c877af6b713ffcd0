"""How large a program is that a certificate claims to be about, told from the model before anything is built.

The counts are those of the rows and columns that the checker would make, or above them: for persistent types the values
of misreports are counted as if every type could be reported everywhere.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mechopt.core.numbers import Array
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import BayesianIC, Constraint, DominantIC, PeriodicExPostIC, SuperDIC
from mechopt.mechanism.payments import EpsilonIC, PaymentConstraint
from mechopt.proof.constraints import INDEPENDENT, PERSISTENT, CertificateError, compared

MOST = 10**7
"""Rows and columns together that are checked unless asked for more: some minutes, and about 3 GB."""
UNCOUNTED = 1e150
"""Histories of a period after which the rest is not counted: products of such numbers need not be floats."""
LARGEST = 1e300
"""What is said of a program that is larger than can be counted."""

Checkable = IndependentTypes | MarkovTypes | InterdependentTypes


def require_size(
    environment: Checkable,
    form: str,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
    most: int,
    subject_to: tuple[PaymentConstraint, ...],
) -> None:
    """Refuse a program with more rows and columns than allowed.

    Raises
    ------
    CertificateError
        With the prediction.
    """
    if isinstance(environment, IndependentTypes):
        entries = independent_entries(environment, form, ic, subject_to)
    else:
        entries = persistent_entries(environment, ic, ir, len(subject_to))
    require_at_most(entries, most)


def require_at_most(entries: int, most: int) -> None:
    """Refuse what is larger than allowed.

    Raises
    ------
    CertificateError
        With the prediction.
    """
    if entries > most:
        written = f"about {entries:,}" if entries < 10**15 else f"more than 10^{(entries.bit_length() - 1) * 3 // 10}"
        raise CertificateError(
            f"size: the program has {written} rows and columns; at most {most:,} are checked. "
            "Raise most= (--most) if there is the time and memory"
        )


def independent_entries(
    environment: IndependentTypes,
    form: str,
    ic: tuple[Constraint, ...],
    subject_to: tuple[PaymentConstraint, ...] = (),
) -> int:
    """Columns, and rows as if every constraint that is asked for had its own.

    Where misreports may gain something no constraint implies another, and all pairs of types have rows.
    """
    buyers, types = environment.agents, environment.shape
    histories = [1]
    for row in types:
        histories.append(histories[-1] * prod(row))
    columns = buyers * sum(histories)
    rows = buyers * sum(histories[:-1])
    if form == "promise":
        return columns + rows + sum(histories[1:])
    columns += buyers * sum(histories[1:]) + (buyers * sum(histories[:-1]) if form == "payment" else 0)
    sets = 2**buyers - 1 if environment.slots is not None else int(buyers > 1)
    rows += sets * sum(histories[1:])
    longest = len(types) if SuperDIC() in ic else 0  # rows for each future
    loose = any(isinstance(constraint, EpsilonIC) for constraint in subject_to)
    asked = len(ic if loose else INDEPENDENT.unimplied(ic)) if form == "payment" else 1
    for t, row in enumerate(types):
        reports = sum(row) - buyers if loose else 2 * buyers
        rows += reports * asked * histories[longest or t + 1]
        rows += len(subject_to) * buyers * histories[t + 1]
        rows += 2 * buyers * histories[t + 1] if form == "payment" else 0  # participation
    return columns + rows


def persistent_entries(
    environment: MarkovTypes | InterdependentTypes,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
    payments: int = 0,
) -> int:
    """Transition probabilities, nodes, and rows as if every type had a row for every report of its slot."""
    asked = set(PERSISTENT.unimplied(ic))
    bases = compared(asked, set(PERSISTENT.unimplied(ir)))
    hidden = any(isinstance(constraint, BayesianIC) and constraint.sees != "all" for constraint in asked)
    shape, actions = environment.shape, environment.action_counts
    supports = [_supports(environment, t) for t in range(len(shape) - 1)]
    moved = [
        any(bool((part != part[:1]).any()) for part in _distributions(environment, t)) for t in range(len(shape) - 1)
    ]
    every = PeriodicExPostIC(rereport=True) in asked or (BayesianIC("own") in asked and any(moved))
    distribution = environment.initial if isinstance(environment, InterdependentTypes) else None
    first = [
        (environment.initial[i] if distribution is None else distribution.sum(axis=_others(distribution.ndim, i))) > 0
        for i in range(environment.agents)
    ]
    nodes = _outer([np.ones(len(part)) if every else part for part in first])
    total: float = 0
    slots, cells, pasts = 1.0, [1.0] * environment.agents, [1.0] * environment.agents
    first_dominant = next((int(c.later) for c in asked if isinstance(c, DominantIC)), len(shape))
    ways = [prod(map(prod, shape[t + 1 :])) * 2 * (len(shape) - t) * (max(actions) + 1) for t in range(len(shape))]
    for t, row in enumerate(shape):
        found = float(nodes.sum())
        if found > UNCOUNTED:
            return int(LARGEST)
        total += found * (actions[t] + 1 + 3 * environment.agents)  # weights, flow, payments, participation
        total += slots * environment.agents * (1 + actions[t])  # realised utilities
        if payments:  # rows, and sums of payments with theirs
            total += (payments + 2) * found * environment.agents * (1 + actions[t])
        before = shape[t - 1] if t and isinstance(environment, InterdependentTypes) else (1,) * environment.agents
        for i, count in enumerate(row):
            total += slots * count * (count + 1) * before[i] if {"interim", "strategy"} & set(bases) else 0
            total += slots * prod(row) * (count + 1) if "ex post" in bases else 0
            total += cells[i] * pasts[i] * count * (count + 1) if hidden else 0
            total += found * (count - 1) * ways[t] if t >= first_dominant else 0
            cells[i], pasts[i] = cells[i] * count * actions[t], pasts[i] * count
        if t + 1 < len(shape):
            total += actions[t] * float(prod(row)) * prod(shape[t + 1])
            branches = range(actions[t] if moved[t] or BayesianIC("actions") in asked else 1)
            slots, nodes = found * len(branches), _grown(nodes, supports[t], branches, every)
    return int(min(total, LARGEST))


def _others(axes: int, own: int) -> tuple[int, ...]:
    return tuple(axis for axis in range(axes) if axis != own)


def _outer(parts: list[Array]) -> Array:
    """Histories by profile of the first period."""
    nodes: Array = np.ones(())
    for part in parts:
        nodes = np.multiply.outer(nodes, part.astype(np.float64))
    return nodes


def _distributions(environment: MarkovTypes | InterdependentTypes, t: int) -> list[Array]:
    """Transition probabilities of a period, action first: of each agent, or of all together."""
    if isinstance(environment, MarkovTypes):
        return [environment.kernel[i][t] for i in range(environment.agents)]
    return [environment.kernel[t]]


def _supports(environment: MarkovTypes | InterdependentTypes, t: int) -> list[Array]:
    """By agent, which types may follow which own report, for some types of the others: ``(action, K, K')``."""
    if isinstance(environment, MarkovTypes):
        return [distribution > 0 for distribution in _distributions(environment, t)]
    joint, agents = environment.kernel[t] > 0, environment.agents
    found = list[Array]()
    for i in range(agents):
        kept = (0, 1 + i, 1 + agents + i)
        found.append(np.asarray(joint.any(axis=tuple(axis for axis in range(joint.ndim) if axis not in kept))))
    return found


def _grown(nodes: Array, supports: list[Array], branches: range, every: bool) -> Array:
    """Histories by profile one period later."""
    total: Array = np.zeros(())
    for branch in branches:
        after = nodes
        for support in supports:  # takes the first axis away and puts the next type last
            allowed = np.ones_like(support[0]) if every else support[branch]
            after = np.tensordot(after, allowed.astype(np.float64), (0, 0))
        total = total + after
    return total
