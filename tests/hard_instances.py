"""Instances on which floats struggle: sizes of many orders, rare types, near ties, powers of two, zeros."""

import random
from fractions import Fraction

import mechopt as mo

CONSTRAINTS = [
    (mo.DIC(), mo.EPIR()),
    (mo.DIC(), mo.Interim()),
    (mo.DIC(), mo.PPIR()),
    (mo.DIC(), mo.PeriodicIR()),
    (mo.PPIC(), mo.PFIR()),
    (mo.ExPostIC(), mo.EPIR()),
    (mo.SuperDIC(), mo.Interim()),
    ((mo.PPIC(), mo.INDU()), mo.PEIR()),
    ((), mo.EPIR()),
]


def number(chance, kind):
    """A positive number of some kind, exact."""
    if kind == "sizes":
        return Fraction(chance.randint(1, 99)) * Fraction(10) ** chance.randint(-7, 6)
    if kind == "small":
        return Fraction(chance.randint(1, 9))
    if kind == "ugly":
        return Fraction(chance.randint(1, 99991), 997)
    return Fraction(chance.randint(1, 64), 2 ** chance.randint(0, 12))


def values(chance, count, kind):
    if kind == "ties":
        start = number(chance, "small")
        return [start + Fraction(k * chance.randint(1, 3), 10 ** chance.randint(6, 12)) for k in range(count)]
    return [number(chance, kind) for _ in range(count)]


def distribution(chance, count):
    kind = chance.choice(["rare", "dyadic", "ugly", "zeros", "halves"])
    if kind == "rare":
        weights = [Fraction(1)] + [
            Fraction(1, chance.choice([3, 7, 10**6, 10**9, 3 * 10**9])) for _ in range(count - 1)
        ]
    elif kind == "dyadic":
        weights = [Fraction(chance.randint(1, 63)) for _ in range(count)]
        weights[0] += 64 * count - sum(weights)
    elif kind == "ugly":
        weights = [Fraction(chance.randint(1, 99991)) for _ in range(count)]
    elif kind == "zeros":
        weights = [Fraction(chance.randint(0, 2)) for _ in range(count)]
        weights[chance.randrange(count)] += 1
    else:
        weights = [Fraction(1)] * count
        weights[0] += Fraction(chance.choice([-1, 0, 1]), 10 ** chance.randint(7, 13))
    chance.shuffle(weights)
    return [weight / sum(weights) for weight in weights]


def hard_instance(seed):
    """Environment, incentive and participation constraints, and the form of the program."""
    chance = random.Random(seed)
    buyers = chance.choice([1, 1, 2])
    periods = chance.randint(1, 3 if buyers == 1 else 2)
    kind = chance.choice(["sizes", "small", "ugly", "dyadic", "ties"])
    rows = []
    for _ in range(buyers):
        counts = [chance.randint(1, 3 if buyers * periods < 4 else 2) for _ in range(periods)]
        found = [sorted(set(values(chance, count, kind))) for count in counts]
        rows.append([(support, distribution(chance, len(support))) for support in found])
    cost = chance.choice([0, 0, number(chance, kind if kind != "ties" else "small")])
    env = mo.IndependentTypes(
        [[support for support, _ in row] for row in rows],
        [[distribution for _, distribution in row] for row in rows],
        cost,
        chance.choice(["1", "9/10", "1/3"]),
    )
    ic, ir = chance.choice(CONSTRAINTS)
    return env, ic, ir


PERSISTENT = [
    (mo.BayesianIC(), mo.Interim()),
    (mo.BayesianIC(), mo.EPIR()),
    (mo.BayesianIC("own"), mo.Interim()),
    (mo.PeriodicExPostIC(), mo.PeriodicExPostIR()),
    (mo.BayesianIC(), mo.PeriodicIR()),
    (mo.AdjacentIC(), mo.PPIR()),
    (mo.DownwardIC(), mo.PFIR()),
]


def hard_persistent(seed):
    """The same where types are persistent: environment, incentive and participation constraints."""
    chance = random.Random(seed)
    agents = chance.choice([1, 1, 2])
    kind = chance.choice(["sizes", "small", "ugly", "dyadic", "ties"])
    counts = [chance.randint(1, 3 if agents == 1 else 2) for _ in range(agents)]
    tables, kernels, initial = [], [], []
    for i, count in enumerate(counts):
        support = sorted(values(chance, count, kind))
        tables.append([[0] * count, *(support if other == i else [0] * count for other in range(agents))])
        kernels.append([distribution(chance, count) for _ in range(count)])
        initial.append(distribution(chance, count))
    cost = chance.choice([0, 0, number(chance, "small")])
    env = mo.MarkovTypes(
        tables,
        kernels,
        initial,
        cost=[0] + [cost] * agents,
        horizon=chance.randint(1, 3 if agents == 1 else 2),
        discount=chance.choice(["1", "9/10", "1/3"]),
    )
    return env, *chance.choice(PERSISTENT)
