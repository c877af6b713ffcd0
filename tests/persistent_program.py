"""One agent whose type persists: the optimum by a linear program over report and action histories, in plain loops.

Nothing but the environment is shared with the library. Variables by public slot h (reports and actions so far), report
r and action a: the realisation weight y(h, r, a), the weighted payment p(h, r, a), and the weighted utility U(h, k) of
every type k, possible or not. Rows: weights add up; U(h, k) is at least what each possible report brings, and is what
the own one brings. EPIR: payments leave no utility before the last period (timing is free), and none is negative there.
"""

from itertools import product

import numpy as np
from scipy.optimize import linprog


def optimal_revenue(env, ex_post):
    """Largest expected revenue net of costs under one-shot IC at every history and true type, present value."""
    horizon, index = env.horizon, {}

    def column(*name):
        return index.setdefault(name, len(index))

    equal, above, bounds = [], [], {}
    objective = {}

    def stage(t):
        return env.values[0][t], env.discount**t, len(env.costs[t])

    def visit(t, slot, distribution, reach, mass):
        """Rows of a slot; ``reach`` is its probability given its actions, ``mass`` the column of its weight."""
        values, weight, actions = stage(t)
        types = range(values.shape[1])
        support = [k for k in types if distribution[k] > 0]
        for r in support:
            row = {column("y", slot, r, a): 1.0 for a in range(actions)}
            if mass is not None:
                row[mass] = -1.0
            equal.append((row, 1.0 if mass is None else 0.0))
        for k in types:
            bounds[column("U", slot, k)] = (None, None)
            for r in support:
                row = {column("U", slot, k): 1.0}
                for a in range(actions):
                    row[column("y", slot, r, a)] = row.get(column("y", slot, r, a), 0.0) - weight * values[a, k]
                    row[column("p", slot, r, a)] = 1.0
                    bounds[column("p", slot, r, a)] = (None, None)
                    if t + 1 < horizon:
                        for after, chance in enumerate(env.kernel[0][t][a, k]):
                            row[column("U", (*slot, r, a), after)] = -chance
                (equal if r == k else above).append((row, 0.0))
        if t == 0 and not ex_post:
            above.extend(({column("U", slot, k): 1.0}, 0.0) for k in types)
        for r, a in product(support, range(actions)):
            pay, take = column("p", slot, r, a), column("y", slot, r, a)
            objective[pay] = reach * distribution[r]
            objective[take] = -reach * distribution[r] * weight * env.costs[t][a]
            if ex_post:
                rows = above if t + 1 == horizon else equal
                rows.append(({take: weight * values[a, r], pay: -1.0}, 0.0))
            if t + 1 < horizon:
                visit(t + 1, (*slot, r, a), env.kernel[0][t][a, r], reach * distribution[r], take)

    visit(0, (), env.initial[0], 1.0, None)
    cost = np.zeros(len(index))
    for at, entry in objective.items():
        cost[at] = -entry

    def dense(rows):
        matrix = np.zeros((len(rows), len(index)))
        for at, (row, _) in enumerate(rows):
            for where, entry in row.items():
                matrix[at, where] = entry
        return matrix, np.array([side for _, side in rows])

    left, right = dense(equal)
    lower, least = dense(above) if above else (np.zeros((0, len(index))), np.zeros(0))
    limits = [bounds.get(at, (0, None)) for at in range(len(index))]
    found = linprog(cost, -lower, -least, left, right, limits, method="highs")
    assert found.status == 0, found.message
    return -found.fun
