"""What types make of contracts, in fractions, by loops; it shares nothing with the check in floats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mechopt.verification.exact import fixed_point, require_few
from mechopt.verification.menu.use import Use, prices_by_period

Values = list[Fraction]


def exact_uses(mechanism: Any) -> list[list[Use]]:
    """What each type makes of each contract; see `mechopt.verification.menu.check`.

    Raises
    ------
    LimitError
        If there are too many products.
    """
    env = mechanism.environment
    source: Any = env.exact if env.exact is not None else env
    types, signals, actions = env.initial_shape[0], env.signal_shape[0], len(env.actions)
    rounds = signals**2 if env.infinite else env.horizon  # of policies that improve, each an elimination
    require_few(len(mechanism.menu) * types * (types + actions) * signals**2 * rounds, "the check of a menu")
    d = Fraction(source.discount)
    kernel = [[[Fraction(p) for p in row] for row in matrix] for matrix in source.signal_kernel[0]]
    kernel = (kernel * actions)[:actions]  # one that moves by no action is listed once
    found = list[list[Use]]()
    for c in range(len(mechanism.menu)):
        prices = [[Fraction(p) for p in row] for row in prices_by_period(mechanism, c)]
        said = mechanism.purchases[c]
        rows = list[Use]()
        for k in range(types):
            flows = [
                [
                    [Fraction(env.exact_value_tables[0][a][k][z]) - price[a] for z in range(signals)]
                    for a in range(actions)
                ]
                for price in prices
            ]
            told = [
                _followed(flows, kernel, d, [[int(a) for a in row] for row in said[r]], env.infinite)
                for r in range(types)
            ]
            start = [[int(a) for a in row] for row in said[k]]
            rows.append(Use(_best(flows, kernel, d, start, env.infinite), [part[0] for part in told], told[k], 0.0))
        found.append(rows)
    return found


def _ahead(row: Values, following: Values) -> Fraction:
    return sum((p * v for p, v in zip(row, following, strict=True) if p), Fraction(0))


def _followed(flows: Any, kernel: Any, d: Fraction, policy: list[list[int]], infinite: bool) -> list[Values]:
    """Value of purchases from each period on."""
    signals = range(len(kernel[0]))
    if infinite:
        taken = policy[0]
        return [fixed_point([kernel[taken[z]][z] for z in signals], [flows[0][taken[z]][z] for z in signals], d)]
    rows = [[Fraction(0) for _ in signals]]
    for t in reversed(range(len(flows))):
        a = policy[t]
        rows.append([flows[t][a[z]][z] + d * _ahead(kernel[a[z]][z], rows[-1]) for z in signals])
    return rows[:0:-1]


def _best(flows: Any, kernel: Any, d: Fraction, policy: list[list[int]], infinite: bool) -> Values:
    """Largest value as of the first period: backwards, or by policy iteration."""
    signals, actions = range(len(kernel[0])), range(len(kernel))
    if not infinite:
        value = [Fraction(0) for _ in signals]
        for flow in reversed(flows):
            value = [max(flow[a][z] + d * _ahead(kernel[a][z], value) for a in actions) for z in signals]
        return value
    taken = list(policy[0])
    while True:
        value, better = _followed(flows, kernel, d, [taken], True)[0], False
        for z, now in enumerate(value):
            for a in actions:
                if (told := flows[0][a][z] + d * _ahead(kernel[a][z], value)) > now:
                    taken[z], now, better = a, told, True
        if not better:
            return value
