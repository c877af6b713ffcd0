"""The best mechanism that does not know the future, by definition: one raw program a scenario, columns shared.

What is sold and charged is a column for each sequence of names of distributions so far and history of reports; each
scenario's rows are those of `tests.papers.raw_program` for its environment, and those of payments below.
"""

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from mechopt import Scenarios
from tests.papers.raw_program import Form, Game, raw_program

SHAPES = {
    "one period": [["a"]],
    "one or two": [["a"], ["a", "b"]],
    "fork": [["a", "b"], ["a", "c"]],
    "fork and stop": [["a"], ["a", "b"], ["a", "c"]],
    "chain": [["a"], ["a", "b"], ["a", "b", "c"]],
    "one, two or three": [["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"]],
    "two roots": [["a"], ["b", "a"], ["b", "a", "a"]],
    "late fork": [["a", "b"], ["a", "b", "a"], ["a", "b", "c"]],
}


def random_scenarios(rng, shape, agents=1, most=3, costly=False, discount=1):
    """Random distributions on a shape, probabilities in eighths, zeros among them; a cost for some of the items."""

    def one(name):
        types = int(rng.integers(1, most + 1))
        values = sorted(int(v) for v in rng.choice(10, types, replace=False))
        cuts = np.sort(rng.integers(0, 9, types - 1))
        distribution = np.diff([0, *cuts, 8])
        return {"name": name, "values": values, "probabilities": [Fraction(int(p), 8) for p in distribution]}

    buyers = [[one(name) for name in "abc"] for _ in range(agents)]
    cost = {name: int(rng.integers(0, 4)) for name in "abc"} if costly else 0
    return Scenarios(buyers[0], SHAPES[shape], discount, buyers[1:], cost)


def payment_forms(game: Game, name: str, amount: Fraction = Fraction(0)) -> Iterable[Form]:
    """Forms that are at least 0 (with a constant under the key None) where payments satisfy a constraint."""
    for t in range(game.periods):
        for h, m in product(game.histories(t), game.profiles(t)):
            for i in range(game.buyers):
                paid = {("p", i, (*h, m)): Fraction(1)}
                if name in ("no-money", "no-subsidy"):
                    yield paid
                if name == "no-money":
                    yield {column: -number for column, number in paid.items()}
                if name == "payment-cap":
                    yield {("p", i, (*h, m)): Fraction(-1), None: amount}


def solve(columns, cost, rows, upper):
    """Largest cost @ x over rows (a constant under None) at least 0; ``upper`` by column, else free, x from 0."""
    number = {column: position for position, column in enumerate(columns)}
    entries = [(r, number[c], -float(a)) for r, form in enumerate(rows) for c, a in form.items() if c is not None]
    r, c, a = map(np.array, zip(*entries, strict=True))
    sides = np.array([float(form.get(None, 0)) for form in rows])
    objective = np.zeros(len(columns))
    for column, number_ in cost.items():
        objective[number[column]] = -float(number_)
    bounds = [upper(column) for column in columns]
    matrix = csr_array((a, (r, c)), shape=(len(rows), len(columns)))
    found = linprog(objective, matrix, sides, bounds=bounds, method="highs-ds")
    assert found.status == 0, found.message
    return -found.fun


def bounds_of(column):
    """Of a column: shares are from 0 to 1, regret and allocations at least 0, payments free."""
    return {"share": (0, 1), "regret": (0, None), "x": (0, None), "p": (None, None)}[column[0]]


def scenario_parts(scenarios, ic, ir, payments=()):
    """By scenario: its raw program, and all rows that are at least 0, supply and payments among them."""
    parts = []
    for env in scenarios.environments:
        program, game = raw_program(env, ic, ir), Game(env)
        rows = list(program.rows) + [
            {**dict.fromkeys(cell, Fraction(-1)), None: Fraction(1)} for cell in program.supply
        ]
        for name, amount in payments:
            rows += payment_forms(game, name, Fraction(amount))
        parts.append((program, rows))
    return parts


def raw_benchmarks(scenarios, ic, ir, payments=()):
    """What a clairvoyant seller earns, by scenario."""
    return [
        solve(program.columns, program.objective, rows, bounds_of)
        for program, rows in scenario_parts(scenarios, ic, ir, payments)
    ]


def raw_best(scenarios, ic=("dic",), ir=("epir",), payments=(), objective="ratio", benchmarks=None):
    """Largest least share, largest mean share under the weights, or smallest largest shortfall."""
    best = raw_benchmarks(scenarios, ic, ir, payments) if benchmarks is None else benchmarks
    columns, rows, shares = {("regret",) if objective == "regret" else ("share",): None}, [], []
    (goal,) = columns
    for s, (program, own) in enumerate(scenario_parts(scenarios, ic, ir, payments)):
        names = scenarios.sequences[s]

        def placed(form, names=names):
            return {c if c is None else (c[0], c[1], names[: len(c[2])], c[2]): a for c, a in form.items()}

        columns |= dict.fromkeys(placed(dict.fromkeys(program.columns)))
        rows += map(placed, own)
        revenue = placed(program.objective)
        if objective == "regret":
            rows.append(revenue | {goal: 1, None: -best[s]})
        elif scenarios.environments[s].first_best > 0:
            shares.append((scenarios.weights[s], {c: float(a) / best[s] for c, a in revenue.items()}))
    if objective == "ratio":
        rows += [share | {goal: -1} for _, share in shares]
    if objective == "weighted":
        total, mean = float(sum(weight for weight, _ in shares)), {goal: -1.0}
        for weight, share in shares:
            for column, number in share.items():
                mean[column] = mean.get(column, 0.0) + float(weight) / total * number
        rows.append(mean)
    found = solve(list(columns), {goal: -1 if objective == "regret" else 1}, rows, bounds_of)
    return -found if objective == "regret" else found


def reached(scenarios) -> int:
    """Histories of all scenarios."""
    return sum(prod(map(prod, env.shape)) for env in scenarios.environments)
