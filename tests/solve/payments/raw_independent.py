"""Rows of constraints on payments by their definitions, on the raw program of the constraints;
plain loops, fractions.
"""

from collections import defaultdict
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from tests.papers.raw_program import BOUNDS, Game, at, raw_program


def payment_forms(env, name):
    """Forms and constants (form, c) that mean form + c >= 0, for a constraint by its name."""
    game = Game(env)
    label, _, text = name.partition(":")
    amounts = [Fraction(part) for part in text.split(",")] if text else []
    paths = list(product(*(game.profiles(t) for t in range(game.periods))))
    nodes = sorted({path[: t + 1] for path in paths for t in range(game.periods)}, key=lambda n: (len(n), n))

    def amount(i):
        return amounts[i if len(amounts) > 1 else 0]

    def balance(node):
        t = len(node) - 1
        paid = {("p", i, node): Fraction(1) for i in range(game.buyers)}
        return paid | {("x", i, node): -game.cost[t] for i in range(game.buyers)}

    if label == "ex-ante-budget-balance":
        total = {}
        for node in nodes:
            reach = prod((game.probability(t, m) for t, m in enumerate(node)), start=Fraction(1))
            for column, a in balance(node).items():
                total[column] = a * reach * game.discount ** (len(node) - 1)
        yield total, 0
    elif label in ("weak-budget-balance", "strong-budget-balance"):
        for node in nodes:
            yield balance(node), 0
            if label.startswith("strong"):
                yield {c: -a for c, a in balance(node).items()}, 0
    elif label in ("budget", "prefix-budget"):
        for node, i in product(nodes, range(game.buyers)):
            if label == "prefix-budget" or len(node) == game.periods:
                yield {("p", i, node[: t + 1]): -(game.discount**t) for t in range(len(node))}, amount(i)
    else:
        for node, i in product(nodes, range(game.buyers)):
            if label != "payment-cap":
                yield {("p", i, node): Fraction(1)}, 0
            if label != "no-subsidy":
                yield {("p", i, node): Fraction(-1)}, amount(i) if amounts else 0


def raw_value(env, ic, ir, names, deterministic=False):
    """Largest revenue net of costs, or None where nothing satisfies it all; of all ways to sell where none is drawn."""
    program = raw_program(env, ic, ir)
    number = {column: k for k, column in enumerate(program.columns)}
    forms = [({c: -a for c, a in row.items()}, 0) for row in program.rows]
    forms += [(dict.fromkeys(supply, 1), 1) for supply in program.supply]
    forms += [({c: -a for c, a in form.items()}, side) for name in names for form, side in payment_forms(env, name)]
    entries = [(r, number[c], float(a)) for r, (form, _) in enumerate(forms) for c, a in form.items()]
    r, c, a = map(np.array, zip(*entries, strict=True))

    def solved(sold):
        found = linprog(
            [-float(program.objective[column]) for column in program.columns],
            csr_array((a, (r, c)), shape=(len(forms), len(number))),
            [float(side) for _, side in forms],
            bounds=[sold.get(column, BOUNDS[column[0]]) for column in program.columns],
            method="highs-ds",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if found.status == 2:
            return None
        assert found.status == 0, found.message
        return at(program.objective, dict(zip(program.columns, found.x.tolist(), strict=True)))

    if not deterministic:
        return solved({})
    values = [solved(sold) for sold in sales([c for c in program.columns if c[0] == "x"])]
    return max((value for value in values if value is not None), default=None)


def sales(columns):
    """Every way to sell to one buyer or to nobody at each node, as bounds of the columns."""
    nodes = defaultdict(list)
    for column in columns:
        nodes[column[2]].append(column)
    for winners in product(*([*at_node, None] for at_node in nodes.values())):
        yield {column: (int(column in winners),) * 2 for column in columns}
