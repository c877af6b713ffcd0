"""The values of the catalogue, derived again: closed forms of the papers, or programs of a few lines that write out
every incentive constraint. Nothing here imports mechopt.
"""

from fractions import Fraction as F
from itertools import pairwise, product
from math import comb

import numpy as np
from scipy.optimize import linprog

HALF, THIRD = F(1, 2), F(1, 3)
SIX = [F(2 * k + 1, 12) for k in range(6)]
"""Midpoints of a grid of six cells of [0, 1]."""


# one buyer or seller


def posted(values, probabilities, cost=0):
    """Largest profit at one price."""
    return max(
        (price - cost) * sum(p for v, p in zip(values, probabilities, strict=True) if v >= price) for price in values
    )


def mean(values, probabilities):
    """Expected value."""
    return sum(v * p for v, p in zip(values, probabilities, strict=True))


def virtual(values, probabilities):
    """Virtual values of a buyer, regular or not."""
    above = [sum(probabilities[k + 1 :]) for k in range(len(values))]
    steps = [*(b - a for a, b in pairwise(values)), 0]
    return [v - step * rest / p for v, p, step, rest in zip(values, probabilities, steps, above, strict=True)]


def menu(worth, probabilities):
    """Largest revenue from types that value options ``worth[type][option]``, lotteries allowed; all misreports."""
    types, options = len(worth), len(worth[0])
    columns = types * (options + 1)  # chances of options, then the payment, by type

    def row(entries):
        line = np.zeros(columns)
        for (t, option), number in entries:
            line[t * (options + 1) + option] += float(number)
        return line

    def truth(t, report, sign):
        return [((report, a), sign * worth[t][a]) for a in range(options)] + [((report, options), -sign)]

    rows = [row(truth(t, r, 1) + truth(t, t, -1)) for t in range(types) for r in range(types) if r != t]
    rows += [row(truth(t, t, -1)) for t in range(types)]
    rows += [row([((t, a), 1) for a in range(options)]) for t in range(types)]
    limits = [0.0] * (len(rows) - types) + [1.0] * types
    bounds = [(0, None)] * options + [(None, None)]
    gain = row([((t, options), p) for t, p in enumerate(probabilities)])
    return -linprog(-gain, np.array(rows), limits, bounds=bounds * types).fun


def prices_for_two_goods(types, probabilities):
    """Largest revenue from prices of two goods and their bundle; ties are broken for the seller."""
    goods = sorted({v for pair in types for v in pair})
    bundles = sorted({a + b for a in goods for b in goods})

    def sold(prices):
        total = 0
        for (a, b), p in zip(types, probabilities, strict=True):
            offers = [(0, 0), (a - prices[0], prices[0]), (b - prices[1], prices[1]), (a + b - prices[2], prices[2])]
            total += p * max(offers)[1]
        return total

    return max(sold(prices) for prices in product(goods, goods, bundles))


def ex_post_screening(first, distributions, values, cost=0):
    """Sequential screening in which nobody may lose once she knows her value: first report, then value; all misreports.

    A misreport of the first type is followed by truth, which the second round makes best.
    """
    stages, count = len(first), len(values)
    place = {(s, v, what): 2 * (s * count + v) + what for s in range(stages) for v in range(count) for what in (0, 1)}

    def row(entries):
        line = np.zeros(len(place))
        for key, number in entries:
            line[place[key]] += float(number)
        return line

    def utility(s, true, report, sign):
        return [((s, report, 0), sign * values[true]), ((s, report, 1), -sign)]

    rows = [
        row(utility(s, v, r, 1) + utility(s, v, v, -1))
        for s in range(stages)
        for v, r in product(range(count), repeat=2)
        if v != r
    ]
    for s, r in product(range(stages), repeat=2):
        told = [
            (key, n * distributions[s][v])
            for v in range(count)
            for key, n in utility(r, v, v, 1) + utility(s, v, v, -1)
        ]
        rows.append(row(told))
    rows += [row(utility(s, v, v, -1)) for s in range(stages) for v in range(count)]
    profit = row(
        [
            entry
            for s in range(stages)
            for v in range(count)
            for entry in (
                ((s, v, 1), first[s] * distributions[s][v]),
                ((s, v, 0), -cost * first[s] * distributions[s][v]),
            )
        ]
    )
    return -linprog(-profit, np.array(rows), np.zeros(len(rows)), bounds=[(0, 1), (None, None)] * (stages * count)).fun


def without_money(periods, values, probabilities, cost):
    """Largest expected surplus of an item a period that is given away, all misreports at all histories of reports."""
    kinds = range(len(values))
    nodes = [h for t in range(1, periods + 1) for h in product(kinds, repeat=t)]
    column = {h: k for k, h in enumerate(nodes)}

    def chance(h):
        return float(np.prod([float(probabilities[k]) for k in h]))

    def continuation(h):
        """Expected later value after h, as coefficients of allocations."""
        line = np.zeros(len(nodes))
        for later in nodes:
            if len(later) > len(h) and later[: len(h)] == h:
                rest = later[len(h) :]
                line[column[later]] += chance(rest) * float(values[later[-1]])
        return line

    rows = []
    for h in nodes:
        for report in kinds:
            told, true = (*h[:-1], report), float(values[h[-1]])
            line = continuation(told) - continuation(h)
            line[column[told]] += true
            line[column[h]] -= true
            rows.append(line)
    goal = np.array([chance(h) * (float(values[h[-1]]) - float(cost)) for h in nodes])
    return -linprog(-goal, np.array(rows), np.zeros(len(rows)), bounds=[(0, 1)] * len(nodes)).fun


# two parties and more


def second_best(profiles):
    """Largest expected gain from trade whose expected virtual gain is not negative.

    Myerson and Satterthwaite's program for regular types: whole and partial trades in the order of the ratio.
    ``profiles`` has the chance, the gain and the virtual gain of each profile.
    """
    good = [(p * gain, p * money) for p, gain, money in profiles if gain > 0]
    total, budget = F(0), F(0)
    for gain, money in sorted(good, key=lambda pair: pair[1] / pair[0], reverse=True):
        share = F(1) if money >= 0 or budget >= -money else budget / -money
        total, budget = total + share * gain, budget + share * money
    return total


def traders(buyers, costs, chances):
    """Profiles for `second_best`: types of the buyer, costs of the seller, and their chances."""
    worth = virtual(buyers, chances)
    below = [sum(chances[:k]) for k in range(len(costs))]
    asked = [c + (c - costs[k - 1] if k else 0) * below[k] / chances[k] for k, c in enumerate(costs)]
    return [
        (chances[b] * chances[c], buyers[b] - costs[c], worth[b] - asked[c])
        for b in range(len(buyers))
        for c in range(len(costs))
    ]


def citizens(n):
    """A public good that costs 3/8 a head, worth 0 or 1 to each: profiles by the number of ones."""
    cost = F(3 * n, 8)
    return [(F(comb(n, k), 2**n), k - cost, 2 * k - n - cost) for k in range(n + 1)]


def ex_post_welfare(weight):
    """Largest expected value of an item under periodic ex post IC and IR, signals 1, 2, 4; all misreports."""
    signals = (1, 2, 4)
    profiles = list(product(range(3), repeat=2))
    column = {
        (profile, i, what): 4 * k + 2 * i + what
        for k, profile in enumerate(profiles)
        for i in (0, 1)
        for what in (0, 1)
    }
    worth = {
        (profile, i): signals[profile[i]] + weight * signals[profile[1 - i]] for profile in profiles for i in (0, 1)
    }
    rows, limits = [], []
    for profile, i in product(profiles, (0, 1)):
        for report in range(3):
            told = (report, profile[1]) if i == 0 else (profile[0], report)
            line = np.zeros(len(column))
            line[column[told, i, 0]] += float(worth[profile, i])
            line[column[told, i, 1]] -= 1
            if told != profile:
                line[column[profile, i, 0]] -= float(worth[profile, i])
                line[column[profile, i, 1]] += 1
            else:
                line = -line
            rows.append(line)
            limits.append(0.0)
    for profile in profiles:
        line = np.zeros(len(column))
        line[[column[profile, i, 0] for i in (0, 1)]] = 1
        rows.append(line)
        limits.append(1.0)
    goal = np.zeros(len(column))
    for profile, i in product(profiles, (0, 1)):
        goal[column[profile, i, 0]] = float(worth[profile, i]) / 9
    return -linprog(-goal, np.array(rows), limits, bounds=[(0, None), (None, None)] * 18).fun


def largest(*bidders):
    """Expected largest of virtual values that are not negative; each bidder has (values, probabilities)."""
    total = F(0)
    for profile in product(*(range(len(values)) for values, _ in bidders)):
        chance, best = F(1), F(0)
        for k, (values, probabilities) in zip(profile, bidders, strict=True):
            chance, best = chance * probabilities[k], max(best, virtual(values, probabilities)[k])
        total += chance * best
    return total


def burnt(values, probabilities):
    """Two bidders whose payments are burnt, with utility virtual values that rise, or fall everywhere (a lottery)."""
    before = [0, *values]
    rates = [(v - before[k]) * sum(probabilities[k:]) / probabilities[k] for k, v in enumerate(values)]
    if sorted(rates, reverse=True) == rates:
        return mean(values, probabilities)
    assert sorted(rates) == rates
    return sum(
        probabilities[a] * probabilities[b] * max(rates[a], rates[b]) for a, b in product(range(len(values)), repeat=2)
    )


def battaglini(periods, low, high, first_high, stay):
    """Battaglini's closed form: only the history of low types is distorted, by ever less."""
    first_low, total = 1 - first_high, F(0)
    chance = {0: first_low, 1: first_high}
    all_low = first_low
    for t in range(periods):
        surplus = chance[0] * low + chance[1] * high
        # on the all-low history the virtual value replaces the low value
        distorted = max(low - (high - low) * first_high / first_low * ((2 * stay - 1) / stay) ** t, F(0))
        total += surplus - all_low * (low - distorted)
        chance = {0: chance[0] * stay + chance[1] * (1 - stay), 1: chance[1] * stay + chance[0] * (1 - stay)}
        all_low *= stay
    return total


EQUAL3 = [THIRD] * 3
GOODS = {
    "hart-reny-2015/lotteries": ([1, 2, 4], [F(1, 6), HALF, THIRD]),
    "hart-nisan-2017/neither-separate-nor-bundled": ([0, 1, 2], EQUAL3),
    "hart-nisan-2017/bundle": ([1, 2], [HALF, HALF]),
}


def goods(name):
    """Types (pairs of values) and probabilities of two goods with the same distribution."""
    values, chances = GOODS[name]
    return list(product(values, values)), [p * q for p, q in product(chances, chances)]


def lotteries(name):
    """Largest revenue from two goods."""
    types, probabilities = goods(name)
    return menu([[0, a, b, a + b] for a, b in types], probabilities)


TRAVELLERS = [[0, 0, HALF, HALF, 0, 0], [F(1, 4), F(1, 4), 0, 0, F(1, 4), F(1, 4)]]
TRAVEL = [F(1, 4) + F(k, 2) for k in range(6)]
RISING = [[F(k, 10) for k in (4, 3, 2, 1)], [F(k, 10) for k in (1, 2, 3, 4)]]
FRESH = [F(1, 2), F(1, 4), F(1, 4)]
RENTS = [F(1, 10), F(1, 5), F(3, 10)]

VALUES = {
    "athey-segal-2013/balanced": lambda: 2 * F(1, 4) * (1 + 3 + 1),
    "baron-besanko-1984/permanent-type": lambda: posted([1, 2, 3], FRESH) * (1 + F(9, 10) + F(81, 100)),
    "baron-besanko-1984/fresh-types": lambda: (
        posted([1, 2, 3], FRESH) + mean([1, 2, 3], FRESH) * (F(9, 10) + F(81, 100))
    ),
    "battaglini-2005/two-types": lambda: battaglini(3, 1, 2, F(3, 5), F(3, 4)),
    "battaglini-2005/vanishing-distortions": lambda: battaglini(10, 1, 2, F(3, 5), F(3, 4)),
    "bergemann-castro-weintraub-2020/sequential": lambda: ex_post_screening(
        [HALF, HALF], [[F(8, 10), F(1, 10), F(1, 10)], [F(2, 10), F(4, 10), F(4, 10)]], [1, 2, 4]
    ),
    "bulow-klemperer-1996/optimal-for-two": lambda: largest(*[([F(v) for v in range(1, 11)], [F(1, 10)] * 10)] * 2),
    "courty-li-2000/tickets": lambda: sum(
        first * mean([max(v - 1, 0) for v in TRAVEL], distribution)
        for first, distribution in zip((THIRD, 2 * THIRD), TRAVELLERS, strict=True)
    ),
    "courty-li-2000/tickets-without-advance-payment": lambda: ex_post_screening(
        [THIRD, 2 * THIRD], TRAVELLERS, TRAVEL, 1
    ),
    "cramton-gibbons-klemperer-1987/equal-shares": lambda: sum(F(1, 36) * abs(a - b) / 2 for a, b in product(SIX, SIX)),
    "cramton-gibbons-klemperer-1987/one-owner": lambda: second_best(traders(SIX, SIX, [F(1, 6)] * 6)),
    "cremer-mclean-1985/dominant-strategies": lambda: THIRD * 10 + (1 - THIRD) * 100,
    "cremer-mclean-1988/two-periods": lambda: THIRD * 10 + (1 - THIRD) * 100 + F(5, 18) * 10 + F(13, 18) * 100,
    "dasgupta-maskin-2000/single-crossing": lambda: sum(
        F(1, 9) * (max(a, b) + F(min(a, b), 2)) for a, b in product((1, 2, 4), repeat=2)
    ),
    "dasgupta-maskin-2000/crossed": lambda: ex_post_welfare(2),
    "eso-szentes-2007/information": lambda: sum(
        F(1, 6) * max(known + learned, 0) for known in virtual([1, 2, 3], EQUAL3) for learned in (-2, 1)
    ),
    "gershkov-et-al-2013/dominant-strategies": lambda: largest(([1, 2, 4], EQUAL3), ([1, 3], [HALF, HALF])),
    "guo-hoerner-2018/two-periods": lambda: without_money(2, [1, 3], [HALF, HALF], F(11, 5)),
    "guo-hoerner-2018/three-periods": lambda: without_money(3, [1, 3], [HALF, HALF], F(11, 5)),
    "guo-hoerner-2018/four-periods": lambda: without_money(4, [1, 3], [HALF, HALF], F(11, 5)),
    **{name: lambda name=name: lotteries(name) for name in GOODS},
    "hartline-roughgarden-2008/lottery": lambda: burnt([1, 2, 3], EQUAL3),
    "hartline-roughgarden-2008/auction": lambda: burnt([1, 2, 8], [F(4, 5), F(3, 20), F(1, 20)]),
    "kakade-lobel-nazerzadeh-2013/correlated": lambda: F(3, 2) - HALF / 2,
    "kakade-lobel-nazerzadeh-2013/non-separable": lambda: F(21, 10),
    "kraehmer-strausz-2015/static-contract": lambda: posted(
        [1, 2, 3, 4], [(a + b) / 2 for a, b in zip(*RISING, strict=True)]
    ),
    # types 1 and 3, budget 2: the low type gets half at price 1/2, which leaves the high type 1 of 3
    "laffont-robert-1996/budget": lambda: HALF * HALF + HALF * 2,
    "mailath-postlewaite-1990/two-citizens": lambda: second_best(citizens(2)),
    "mailath-postlewaite-1990/four-citizens": lambda: second_best(citizens(4)),
    "mailath-postlewaite-1990/six-citizens": lambda: second_best(citizens(6)),
    "mussa-rosen-1978/qualities": lambda: sum(HALF * v * v / 2 for v in virtual([4, 5], [HALF, HALF])),
    "myerson-1981/correlated-values": lambda: THIRD * 10 + (1 - THIRD) * 100,
    "myerson-1981/two-bidders-five-values": lambda: largest(*[([F(v) for v in range(1, 6)], [F(1, 5)] * 5)] * 2),
    "myerson-satterthwaite-1983/bilateral-trade": lambda: second_best(traders(SIX, SIX, [F(1, 6)] * 6)),
    "myerson-satterthwaite-1983/broker": lambda: sum(
        p * max(money, 0) for p, _, money in traders(SIX, SIX, [F(1, 6)] * 6)
    ),
    "myerson-satterthwaite-1983/dominant-strategies": lambda: max(
        sum(F(1, 36) * (v - c) for v, c in product(SIX, SIX) if c <= price <= v) for price in SIX
    ),
    "riordan-sappington-1988/public-signal": lambda: HALF * 1 + HALF * 3,
    "skrzypacz-toikka-2015/one-meeting": lambda: second_best(traders([2, 6], [1, 5], [HALF, HALF])),
    "skrzypacz-toikka-2015/permanent-types": lambda: 3 * second_best(traders([2, 6], [1, 5], [HALF, HALF])),
    "skrzypacz-toikka-2015/fresh-types": lambda: 3 * F(1, 4) * (1 + 5 + 1),
    "stokey-1979/constant-price": lambda: (
        posted(RENTS, [F(1, 4), F(1, 4), HALF]) * sum(F(9, 10) ** t for t in range(4))
    ),
}
"""Optimal value of each model of the catalogue that states one, by name."""


def beta_index(successes, failures, discount, depth=120):
    """Gittins index of a Beta arm by calibration: the retirement payment that leaves its owner indifferent."""

    def gains(payment):
        """Whether trying once more is worth more than the payment for ever."""
        retire = payment / (1 - discount)
        values = [
            max((successes + a) / (successes + failures + depth), payment) / (1 - discount) for a in range(depth + 1)
        ]
        for n in range(depth - 1, -1, -1):
            chances = [(successes + a) / (successes + failures + n) for a in range(n + 1)]
            tried = [c * (1 + discount * values[a + 1]) + (1 - c) * discount * values[a] for a, c in enumerate(chances)]
            values = [max(value, retire) for value in tried] if n else tried
        return values[0] > retire

    lower, upper = 0.0, 1.0
    while upper - lower > 1e-6:
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if gains(middle) else (lower, middle)
    return lower
