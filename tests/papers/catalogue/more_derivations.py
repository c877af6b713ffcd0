"""More values of the catalogue, derived again: the seller's own payoff, outside options, several units, stocks.

Nothing here imports mechopt.
"""

from fractions import Fraction as F
from itertools import product

import numpy as np
from scipy.optimize import linprog

from tests.papers.catalogue.derivations import EQUAL3, HALF, virtual


def screened(worth, gains, probabilities, outside):
    """Largest expected payoff of a principal who gets ``gains[type][option]`` and is paid; all misreports.

    Each type is to get at least ``outside[type]``; ``worth[type][option]`` is hers.
    """
    types, options = len(worth), len(worth[0])
    columns = types * (options + 1)  # chances of options, then the payment, by type

    def utility(true, report, sign):
        line = np.zeros(columns)
        first = report * (options + 1)
        line[first : first + options] = [sign * float(number) for number in worth[true]]
        line[first + options] = -sign
        return line

    rows = [utility(t, r, 1) + utility(t, t, -1) for t, r in product(range(types), repeat=2) if r != t]
    rows += [utility(t, t, -1) for t in range(types)]
    limits = [0.0] * (types * (types - 1)) + [-float(number) for number in outside]
    chances = np.kron(np.eye(types), [1.0] * options + [0.0])
    goal = np.concatenate(
        [float(p) * np.array([*map(float, row), 1.0]) for p, row in zip(probabilities, gains, strict=True)]
    )
    bounds = ([(0, None)] * options + [(None, None)]) * types
    return -linprog(-goal, np.array(rows), limits, chances, [1.0] * types, bounds).fun


def two_periods(worth, gains, stay, money):
    """Largest expected payoff of a principal over two periods, against every reporting strategy of an agent with two
    types; with payments and participation at contracting, or with neither.
    """
    kinds = (0, 1)
    nodes = [(a,) for a in kinds] + list(product(kinds, repeat=2))
    column = {node: 2 * k for k, node in enumerate(nodes)}  # chance of action 0, then the payment
    chance = {(a, b): stay if a == b else 1 - stay for a, b in product(kinds, repeat=2)}

    def got(true, node):
        """Her utility at a node where her type is ``true``: constant, and coefficients."""
        line = np.zeros(2 * len(nodes))
        line[column[node]] = worth[0][true] - worth[1][true]
        line[column[node] + 1] = -1.0
        return worth[1][true], line

    def lifetime(true, first, later):
        """Utility from reporting ``first``, then ``later[type]``."""
        constant, line = got(true, (first,))
        for following in kinds:
            more, coefficients = got(following, (first, later[following]))
            constant += chance[true, following] * more
            line = line + chance[true, following] * coefficients
        return constant, line

    rows, limits = [], []
    for true in kinds:
        honest, truth = lifetime(true, true, kinds)
        for first, later in product(kinds, product(kinds, repeat=2)):
            other, line = lifetime(true, first, later)
            rows.append(line - truth)
            limits.append(honest - other)
        if money:
            rows.append(-truth)
            limits.append(honest)
    goal, constant = np.zeros(2 * len(nodes)), 0.0
    for node in nodes:
        reach = 0.5 * (chance[node] if len(node) == 2 else 1.0)
        constant += reach * gains[1][node[-1]]
        goal[column[node]] = reach * (gains[0][node[-1]] - gains[1][node[-1]])
        goal[column[node] + 1] = reach
    bounds = [(0, 1), (None, None) if money else (0, 0)] * len(nodes)
    return constant - linprog(-goal, np.array(rows), limits, bounds=bounds).fun


def sold_twice(first, second, chance, lotteries):
    """Largest revenue from two items, two values each, against every reporting strategy, no path at a loss.

    Without lotteries by going through all deterministic allocations.
    """
    kinds = (0, 1)
    nodes = [(a,) for a in kinds] + list(product(kinds, repeat=2))
    column = {node: 2 * k for k, node in enumerate(nodes)}  # chance of a sale, then the payment

    def got(worth, node):
        line = np.zeros(2 * len(nodes))
        line[column[node]], line[column[node] + 1] = worth, -1.0
        return line

    def lifetime(true, report, later):
        line = got(first[true], (report,))
        return line + sum(chance[true][b] * got(second[b], (report, later[b])) for b in kinds)

    rows = [
        lifetime(true, report, later) - lifetime(true, true, kinds)
        for true, report in product(kinds, repeat=2)
        for later in product(kinds, repeat=2)
    ]
    rows += [-got(first[a], (a,)) - got(second[b], (a, b)) for a, b in product(kinds, repeat=2)]
    goal = np.zeros(2 * len(nodes))
    for node in nodes:
        goal[column[node] + 1] = 0.5 * (chance[node[0]][node[1]] if len(node) == 2 else 1.0)

    def revenue(sales):
        bounds = [bound for sale in sales for bound in (sale, (None, None))]
        found = linprog(-goal, np.array(rows), np.zeros(len(rows)), bounds=bounds)
        return -found.fun if found.success else 0.0  # no payments go with such sales

    if lotteries:
        return revenue([(0, 1)] * len(nodes))
    return max(revenue([(x, x) for x in sales]) for sales in product(kinds, repeat=len(nodes)))


def ranked(weights, bidders, values, probabilities):
    """Expected sum of weights times virtual values that are not negative, the larger ones first."""
    worth, total = virtual(values, probabilities), F(0)
    for profile in product(range(len(values)), repeat=bidders):
        best = sorted((max(worth[k], 0) for k in profile), reverse=True)
        chance = F(1)
        for k in profile:
            chance *= probabilities[k]
        total += chance * sum(w * v for w, v in zip(weights, best, strict=False))
    return total


def stopped(periods, values, probabilities):
    """One unit for customers who come one a period: sell where the virtual value beats what waiting is worth."""
    waiting = F(0)
    for _ in range(periods):
        waiting = sum(p * max(v, waiting) for v, p in zip(virtual(values, probabilities), probabilities, strict=True))
    return waiting


def regulated(costs, probabilities, surplus):
    """Expected surplus less virtual cost at the best quantity of each cost."""
    total = F(0)
    for k, (cost, p) in enumerate(zip(costs, probabilities, strict=True)):
        steps = (cost - costs[k - 1]) * sum(probabilities[:k]) / p if k else 0
        total += p * max(s - (cost + steps) * q for q, s in enumerate(surplus))
    return total


FORCED = ([[2, 1], [0, 0]], [[2, 0], [0, 3]], 0.75)
"""The agent's values and the principal's, by action and type, and the chance that a type stays."""

TWICE = ([3, 6], [2, 6], [[1 / 2, 1 / 2], [2 / 3, 1 / 3]])
"""Values of the first and second item, and the chances of the second's by the first's."""

MORE_VALUES = {
    "papadimitriou-et-al-2022/lotteries": lambda: sold_twice(*TWICE, True),
    "papadimitriou-et-al-2022/deterministic": lambda: sold_twice(*TWICE, False),
    "baron-myerson-1982/regulation": lambda: regulated([1, 2, 3], EQUAL3, [0, 5, 8, 9]),
    "zhang-conitzer-2021/with-payments": lambda: two_periods(*FORCED, True),
    "zhang-conitzer-2021/without-payments": lambda: two_periods(*FORCED, False),
    "maskin-riley-1989/two-units": lambda: ranked([1, 1], 3, [1, 2, 4], EQUAL3),
    "edelman-ostrovsky-schwarz-2007/positions": lambda: ranked([1, HALF], 3, [1, 2, 4], EQUAL3),
    "gallego-van-ryzin-1994/one-unit": lambda: stopped(4, [1, 2, 3], [HALF, F(1, 4), F(1, 4)]),
    "lewis-sappington-1989/countervailing": lambda: screened(
        [[0, 2, 3], [0, 4, 6]], [[0, -1, -3], [0, -1, -3]], [HALF, HALF], [0, 3]
    ),
    "stiglitz-1977/insurance": lambda: screened(
        [[0, 3, 4], [0, 4.5, 8]], [[0, -1, -2], [0, -2.5, -5]], [HALF, HALF], [0, 0]
    ),
}
