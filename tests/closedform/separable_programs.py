"""Random separable environments, and the best mechanism for one agent by a linear program over histories.

Written from the definitions, with a solver that the library does not use: nothing is shared with it but the arrays.
"""

import numpy as np
from scipy.optimize import linprog

from mechopt.environment.separable import SeparableTypes


def random_separable(forms, types, signals, actions, horizon, discount, seed=0, null=True, controlled=True, grid=None):
    """Levels at random, or even ones on [0.2, 1] with ``grid``; with ``null`` action 0 is worth and costs nothing."""
    rng = np.random.default_rng([seed, actions, sum(types)])
    levels = [np.linspace(0.2, 1, k) if grid else np.sort(rng.uniform(0.1, 2, size=k)) for k in types]
    distributions = [np.ones(k) if grid == "uniform" else rng.dirichlet(3 * np.ones(k)) for k in types]
    bases = []
    for form, z in zip(forms, signals, strict=True):
        base = rng.uniform(0, 1, size=(actions, z)) if form == "multiplicative" else rng.normal(size=(actions, z)) / 2
        bases.append(np.where(np.arange(actions)[:, None] == 0, 0, base) if null else base)
    rates = [rng.uniform(0, 1, size=actions) if form == "additive" else None for form in forms]
    rates = [None if r is None else np.where((np.arange(actions) == 0) & null, 0, r) for r in rates]
    return SeparableTypes(
        initial_values=[np.arange(k) for k in types],
        initial_probabilities=[distribution / distribution.sum() for distribution in distributions],
        base=bases,
        signal_initial=[rng.dirichlet(np.ones(z)) for z in signals],
        signal_kernel=[rng.dirichlet(np.ones(z), size=(actions, z) if controlled else z) for z in signals],
        form=forms,
        level=levels,
        rate=rates,
        cost=np.where((np.arange(actions) == 0) & null, 0, rng.uniform(0, 0.4, size=actions)),
        horizon=horizon,
        discount=discount,
    )


class Program:
    """Maximise a linear function subject to rows ``expression <= 0``; expressions are dicts from column to number."""

    def __init__(self):
        self.columns, self.bounds, self.rows, self.equal, self.right = 0, [], [], [], []

    def column(self, low=None):
        self.bounds.append((low, None))
        self.columns += 1
        return {self.columns - 1: 1.0}

    def maximise(self, objective):
        def matrix(rows):
            dense = np.zeros((len(rows), self.columns))
            for r, row in enumerate(rows):
                for c, number in row.items():
                    dense[r, c] = number
            return dense

        cost = -matrix([objective])[0]
        result = linprog(
            cost,
            matrix(self.rows),
            np.zeros(len(self.rows)),
            matrix(self.equal),
            np.array(self.right),
            bounds=self.bounds,
            method="highs",
        )
        assert result.status == 0, result.message
        return -result.fun


def add(*terms):
    """Sum of (number, expression) pairs."""
    total = {}
    for number, expression in terms:
        for column, coefficient in expression.items():
            total[column] = total.get(column, 0.0) + number * coefficient
    return total


def first_distribution(env, k):
    distribution = env.signal_initial[0]
    return distribution[k] if distribution.ndim > 1 else distribution


def optimum(env, signals_private=True):
    """Largest profit from one agent who may be left out at contracting.

    With private signals she may use any reporting strategy; else only her initial type is private. Payments may depend
    on everything reported, and are present values.
    """
    types, size = env.initial_shape[0], env.signal_shape[0]
    actions, values = range(len(env.actions)), env.value_tables[0]
    program, objective = Program(), []
    truth, lies = [], []
    for report in range(types):
        upfront, inside = program.column(), program.column(0)
        outside = program.column(0)
        program.equal.append(add((1, inside), (1, outside)))
        program.right.append(1.0)
        free = [program.column(0) for _ in range(env.horizon)]  # what is done when nobody is included costs the least
        for t, column in enumerate(free, 1):
            program.equal.append(add((1, column), (-1, outside)))
            program.right.append(0.0)
            objective.append((-env.initial_probabilities[0][report] * env.discount**t * env.cost.min(), column))
        node = grow(env, program, inside, 1)
        objective.append((env.initial_probabilities[0][report], upfront))
        objective.append((env.initial_probabilities[0][report], earned(env, node, first_distribution(env, report), 1)))
        for k in range(types):
            honest = add((-1, upfront), (1, utility(env, node, first_distribution(env, k), values[:, k], 1)))
            if k == report:
                truth.append(honest)
            if signals_private:
                best = strategy(env, program, node, values[:, k], 1)
                honest = add((-1, upfront), *zip(first_distribution(env, k), best, strict=True))
            lies.append((k, honest))
    assert actions and size
    for k, lie in lies:
        program.rows.append(add((1, lie), (-1, truth[k])))
    program.rows += [add((-1, u)) for u in truth]
    return program.maximise(add(*objective))


def grow(env, program, mass, t):
    """Weights and payments by report from period t on: a list over signals of (weights, payment, nodes by action)."""
    node = []
    for _ in range(env.signal_shape[0]):
        weights = [program.column(0) for _ in env.actions]
        program.equal.append(add(*((1, w) for w in weights), (-1, mass)))
        program.right.append(0.0)
        after = [grow(env, program, w, t + 1) for w in weights] if t < env.horizon else None
        node.append((weights, program.column(), after))
    return node


def earned(env, node, distribution, t):
    """Expected payments less costs when reports are true."""
    parts = []
    for z, chance in enumerate(distribution):
        weights, payment, after = node[z]
        parts.append((chance, payment))
        parts += [(-chance * env.discount**t * env.cost[a], w) for a, w in enumerate(weights)]
        for a in range(len(weights)) if after else ():
            parts.append((chance, earned(env, after[a], env.signal_kernel[0][a, z], t + 1)))
    return add(*parts)


def utility(env, node, distribution, values, t):
    """Expected values less payments when reports of signals are true."""
    parts = []
    for z, chance in enumerate(distribution):
        weights, payment, after = node[z]
        parts.append((-chance, payment))
        parts += [(chance * env.discount**t * values[a, z], w) for a, w in enumerate(weights)]
        for a in range(len(weights)) if after else ():
            parts.append((chance, utility(env, after[a], env.signal_kernel[0][a, z], values, t + 1)))
    return add(*parts)


def strategy(env, program, node, values, t):
    """Bounds from above on what the best reporting strategy is worth from period t on, by true signal."""
    later = [
        [strategy(env, program, child, values, t + 1) for child in after] if after else None for _, _, after in node
    ]
    bounds = []
    for z in range(env.signal_shape[0]):
        best = program.column()
        for report, (weights, payment, _) in enumerate(node):
            parts = [(-1, payment), (-1, best)]
            for a, w in enumerate(weights):
                parts.append((env.discount**t * values[a, z], w))
                if later[report]:
                    parts += zip(env.signal_kernel[0][a, z], later[report][a], strict=True)
            program.rows.append(add(*parts))
        bounds.append(best)
    return bounds
