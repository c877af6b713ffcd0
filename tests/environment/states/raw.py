"""Persistent types with a public state: the optimum by a program of its own, in plain loops.

A node is the history (s_0, m_0, a_0, ..., s_t, m_t) of states, reports and actions. Columns: x, the weight of the
mechanism's own choices at a node and action; p, payments times that weight by agent, node and action, present values.
Truth is best at every history for every private type, the others' types known (periodic ex post), or in expectation
over the others' types (interim), where there is one period or one agent.
"""

from collections import defaultdict
from itertools import product

import numpy as np
from scipy.optimize import linprog


class Raw:
    """One base environment (`MarkovTypes`) and one state: names of values, first distribution, kernel by action."""

    def __init__(self, env, first, moves, forbidden, values=None, gains=None):
        self.env, self.n, self.periods = env, env.agents, env.horizon
        self.first, self.moves, self.forbidden, self.values, self.gains = first, moves, forbidden, values, gains
        self.states = range(len(first))
        self.index = {}

    def column(self, *name):
        return self.index.setdefault(name, len(self.index))

    def profiles(self, t):
        return list(product(*(range(k) for k in self.env.shape[t])))

    def actions(self, t):
        return range(len(self.env.costs[t]))

    def nodes(self, t):
        """Histories of positive probability of the states."""
        if t == 0:
            return [((s, m),) for s in self.states if self.first[s] for m in self.profiles(0)]
        found = []
        for past in self.nodes(t - 1):
            s = past[-1][0]
            for a in self.actions(t - 1):
                for later in self.states:
                    if self.moves[a][s][later]:
                        found += [(*past, a, (later, m)) for m in self.profiles(t)]
        return found

    def worth(self, t, i, a, k, s):
        if self.values is not None and self.values[i] is not None:
            return float(self.values[i][s][a][k])
        return float(self.env.values[i][t][a, k])

    def others(self, t, node, m, skip):
        """Probability of the types m of period t of all agents but one, after the node's last reports and action."""
        total = 1.0
        for j in range(self.n):
            if j != skip:
                distribution = self.env.initial[j] if t == 0 else self.env.kernel[j][t - 1][node[-1], node[-2][1][j]]
                total *= distribution[m[j]]
        return total

    def value(self, t, i, node, k):
        """Present value to true type k at a node, truth afterwards."""
        total, weight, s = defaultdict(float), self.env.discount**t, node[-1][0]
        for a in self.actions(t):
            total[self.column("x", node, a)] += weight * self.worth(t, i, a, k, s)
            total[self.column("p", i, node, a)] -= 1.0
            if t + 1 < self.periods:
                for later, m in product(self.states, self.profiles(t + 1)):
                    after = (*node, a)
                    chance = self.moves[a][s][later] * self.env.kernel[i][t][a, k, m[i]]
                    chance *= self.others(t + 1, after, m, i)
                    if chance:
                        for column, b in self.value(t + 1, i, (*after, (later, m)), m[i]).items():
                            total[column] += chance * b
        return total

    def reach(self, node):
        total, states, reports, actions = 1.0, node[::2], [], node[1::2]
        for t, (s, m) in enumerate(states):
            before = states[t - 1][0] if t else None
            total *= self.first[s] if t == 0 else self.moves[actions[t - 1]][before][s]
            for j in range(self.n):
                distribution = (
                    self.env.initial[j] if t == 0 else self.env.kernel[j][t - 1][actions[t - 1], reports[-1][j]]
                )
                total *= distribution[m[j]]
            reports.append(m)
        return total


def raw_value(raw, ic="ex-post", ir="interim", names=()):
    """Largest expected revenue, or None where nothing satisfies it all."""
    env, objective, ge, eq = raw.env, defaultdict(float), [], []
    for t in range(raw.periods):
        for node in raw.nodes(t):
            (s, m), before = node[-1], node[:-1]
            weights = {raw.column("x", node, a): 1.0 for a in raw.actions(t)}
            if t:
                weights[raw.column("x", before[:-1], before[-1])] = -1.0
            eq.append((weights, 0.0 if t else 1.0))
            for a in raw.actions(t):
                if (s, a) in raw.forbidden:
                    eq.append(({raw.column("x", node, a): 1.0}, 0.0))
                gain = 0.0 if raw.gains is None else raw.gains[a][s]
                objective[raw.column("x", node, a)] += raw.reach(node) * env.discount**t * (gain - env.costs[t][a])
                for i in range(raw.n):
                    objective[raw.column("p", i, node, a)] += raw.reach(node)
                    if "no-subsidy" in names:
                        ge.append(({raw.column("p", i, node, a): 1.0}, 0.0))
        pasts = dict.fromkeys((node[:-1], node[-1][0]) for node in raw.nodes(t))
        for (past, s), i in product(pasts, range(raw.n)):
            for k, r in product(range(env.shape[t][i]), repeat=2):
                forms = []
                for m in raw.profiles(t):
                    if m[i] != k:
                        continue
                    form = raw.value(t, i, (*past, (s, m)), k)
                    if r != k:
                        for column, b in raw.value(t, i, (*past, (s, (*m[:i], r, *m[i + 1 :]))), k).items():
                            form[column] -= b
                    forms.append((raw.others(t, past, m, i), form))
                expected = defaultdict(float)
                for chance, form in forms:
                    for column, b in form.items():
                        expected[column] += chance * b
                if r != k:
                    ge += [(form, 0.0) for _, form in forms] if ic == "ex-post" else [(expected, 0.0)]
                elif ir == "periodic" or (ir == "interim" and t == 0):
                    ge.append((expected, 0.0))
    budget = next((float(name.partition(":")[2]) for name in names if name.startswith("budget")), None)
    if budget is not None:
        for node, i in product(raw.nodes(raw.periods - 1), range(raw.n)):
            for a in raw.actions(raw.periods - 1):
                ge.append((paid(raw, node, a, i, budget), 0.0))
    size = len(raw.index)
    cost = np.zeros(size)
    for column, b in objective.items():
        cost[column] -= b

    def dense(rows):
        matrix = np.zeros((len(rows), size))
        for number, (form, _) in enumerate(rows):
            for column, b in form.items():
                matrix[number, column] += b
        return matrix, np.array([side for _, side in rows])

    (upper, most), (left, right) = dense(ge), dense(eq)
    bounds = [(0, None) if name[0] == "x" else (None, None) for name in raw.index]
    found = linprog(cost, -upper, -most, left, right, bounds, method="highs")
    if found.status == 2:
        return None
    assert found.status == 0, found.message
    return -found.fun


def paid(raw, node, a, i, budget):
    raise NotImplementedError("budgets on paths are compared where one mechanism draws nothing before")
