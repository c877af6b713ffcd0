"""Persistent types: the optimum under constraints on payments by a program of its own, in plain loops.

Full support, so that every report can be made. A node is a tuple over periods of (reports, action), the last action
missing; every action is recorded where actions move types, and none elsewhere. Columns: x, the realisation weight of
node and action; p, weighted payments by agent, node and action (one where none is recorded), present values; P, sums of
payments on the way, where a budget asks for them. Values of truth and of misreports are written out as linear forms.
"""

from collections import defaultdict
from itertools import product

import numpy as np
from scipy.optimize import linprog


class Raw:
    def __init__(self, env, steered):
        self.env, self.n, self.periods, self.steered = env, env.agents, env.horizon, steered
        self.rows, self.index = [], {}

    def column(self, *name):
        return self.index.setdefault(name, len(self.index))

    def profiles(self, t):
        return list(product(*(range(k) for k in self.env.shape[t])))

    def actions(self, t):
        return range(len(self.env.costs[t]))

    def branches(self, t):
        return self.actions(t) if self.steered else (None,)

    def slots(self, t):
        steps = [product(self.profiles(s), self.branches(s)) for s in range(t)]
        return list(product(*steps))

    def nodes(self, t):
        return [(slot, m) for slot in self.slots(t) for m in self.profiles(t)]

    def drawn(self, t, branch):
        return self.actions(t) if branch is None else (branch,)

    def move(self, t, i, a, k):
        return self.env.kernel[i][t][a, k]

    def chance(self, t, slot, m, skip=None):
        """Probability of the types m after truthful reports, of all agents but one."""
        total = 1.0
        for i in range(self.n):
            if i != skip:
                last, action = slot[-1] if slot else (None, None)
                total *= self.move(t - 1, i, action or 0, last[i])[m[i]] if slot else self.env.initial[i][m[i]]
        return total

    def flow(self, t, i, node, k, branch):
        form, weight = defaultdict(float), self.weight(t, i)
        for a in self.drawn(t, branch):
            form[self.column("x", node, a)] += weight * self.env.values[i][t][a, k]
        form[self.column("p", i, node, branch)] -= 1.0
        return form

    def weight(self, t, i):
        """Present value of money of period t to agent i."""
        return (self.env.discounts[i] if self.env.discounts else self.env.discount) ** t

    def received(self, t, i):
        """The seller's present value of a payment by the agent's."""
        return self.env.discount**t / self.weight(t, i)

    def option(self, t, i, slot, k):
        """Outside option of a type at a slot, times the slot's weight, as a form."""
        form = defaultdict(float)
        if self.env.outside is not None:
            node = (slot, self.profiles(t)[0])
            for a in self.actions(t):
                form[self.column("x", node, a)] += self.weight(t, i) * self.env.outside[i][t][k]
        return form

    def value(self, t, i, node, k):
        """Present value to true type k of agent i at a node, truthful afterwards."""
        slot, m = node
        total = defaultdict(float)
        for branch in self.branches(t):
            add(total, self.flow(t, i, node, k, branch))
            if t + 1 < self.periods:
                after = (*slot, (m, branch))
                for later in self.profiles(t + 1):
                    own = self.move(t, i, branch or 0, k)[later[i]]
                    weight = own * self.chance(t + 1, after, later, skip=i)
                    add(total, self.value(t + 1, i, (after, later), later[i]), weight)
        return total


def add(total, form, weight=1.0):
    for column, a in form.items():
        total[column] += weight * a


def own(m, i, k):
    return (*m[:i], k, *m[i + 1 :])


def raw_value(env, ir, names, steered, deterministic=False, epsilon=()):
    """Largest expected revenue net of costs under periodic ex post IC, or None where nothing does.

    Misreports of each agent may gain ``epsilon``.

    Where nothing is drawn, of all policies: at histories that a policy does not come to, nothing is done or paid.
    """
    raw = Raw(env, steered)
    objective = defaultdict(float)
    ge, eq = [], []  # (form, side): form >= side, form = side
    for t in range(raw.periods):
        for node in raw.nodes(t):
            slot, m = node
            weights = {raw.column("x", node, a): 1.0 for a in raw.actions(t)}
            if slot and steered:
                weights[raw.column("x", (slot[:-1], slot[-1][0]), slot[-1][1])] = -1.0
            eq.append((weights, 0.0 if slot and steered else 1.0))
            reach = np.prod([raw.chance(s, slot[:s], (*(r for r, _ in slot), m)[s]) for s in range(t + 1)])
            for branch, i in product(raw.branches(t), range(raw.n)):
                objective[raw.column("p", i, node, branch)] += reach * raw.received(t, i)
            for a in raw.actions(t):
                gain = sum(row[t][a, k] for row, k in zip(env.seller_values or (), m, strict=False))
                objective[raw.column("x", node, a)] += reach * env.discount**t * (gain - env.costs[t][a])
            for i in range(raw.n):
                for r in set(range(env.shape[t][i])) - {m[i]}:
                    form = raw.value(t, i, node, m[i])
                    add(form, raw.value(t, i, (slot, own(m, i, r)), m[i]), -1.0)
                    if epsilon:
                        add(form, {raw.column("x", node, a): epsilon[i] for a in raw.actions(t)})
                    ge.append((form, 0.0))
        for slot, i in product(raw.slots(t), range(raw.n)):
            if ir == "periodic" or (ir == "interim" and t == 0):
                for k in range(env.shape[t][i]):
                    form = defaultdict(float)
                    for m in raw.profiles(t):
                        if m[i] == k:
                            add(form, raw.value(t, i, (slot, m), k), raw.chance(t, slot, m, skip=i))
                    add(form, raw.option(t, i, slot, k), -1.0)
                    ge.append((form, 0.0))
    if ir == "ex-ante":
        for i in range(raw.n):
            form = defaultdict(float)
            for m in raw.profiles(0):
                add(form, raw.value(0, i, ((), m), m[i]), raw.chance(0, (), m))
                add(form, raw.option(0, i, (), m[i]), -raw.chance(0, (), m))
            ge.append((form, 0.0))
    if ir == "epir":
        for (slot, m), i in product(raw.nodes(raw.periods - 1), range(raw.n)):
            form = defaultdict(float)
            for t, r in enumerate((*(r for r, _ in slot), m)):
                add(form, raw.flow(t, i, (slot[:t], r), r[i], None))
            add(form, raw.option(0, i, (), 0), -1.0)
            ge.append((form, 0.0))
    for name in names:
        for form, side, equal in payments(raw, name):
            (eq if equal else ge).append((form, side))
    size = len(raw.index)
    cost = np.zeros(size)
    for column, a in objective.items():
        cost[column] -= a

    def dense(rows):
        matrix = np.zeros((len(rows), size))
        for r, (form, _) in enumerate(rows):
            for column, a in form.items():
                matrix[r, column] += a
        return matrix, np.array([side for _, side in rows])

    (upper, most), (left, right) = dense(ge), dense(eq)

    def solved(weights):
        bounds = [weights.get(name, (0, None) if name[0] == "x" else (None, None)) for name in raw.index]
        found = linprog(cost, -upper, -most, left, right, bounds, method="highs")
        if found.status == 2:
            return None
        assert found.status == 0, found.message
        return -found.fun

    if not deterministic:
        return solved({})
    values = [solved(weights) for weights in policies(raw)]
    return max((value for value in values if value is not None), default=None)


def policies(raw):
    """Every choice of one action at each node that earlier choices lead to, as bounds of x, and of p elsewhere."""

    def at_period(t, slots):
        if t == raw.periods:
            yield {}
            return
        nodes = [(slot, m) for slot in slots for m in raw.profiles(t)]
        for actions in product(raw.actions(t), repeat=len(nodes)):
            chosen = dict(zip(nodes, actions, strict=True))
            after = [(*slot, (m, a if raw.steered else None)) for (slot, m), a in chosen.items()]
            for later in at_period(t + 1, after):
                yield {("x", node, a): (1, 1) for node, a in chosen.items()} | later

    for taken in at_period(0, [()]):
        reached = {name[1] for name in taken}
        bounds = {}
        for name in raw.index:
            if name[0] == "x":
                bounds[name] = taken.get(name, (0, 0))
            elif name[0] == "p":
                done = name[2] in reached and (not raw.steered or ("x", name[2], name[3]) in taken)
                bounds[name] = (None, None) if done else (0, 0)
        yield bounds


def payments(raw, name):
    """Forms that are at least (or equal to) a side."""
    env, (label, _, text) = raw.env, name.partition(":")
    amounts = [float(part) for part in text.split(",")] if text else []
    everywhere = [(t, node) for t in range(raw.periods) for node in raw.nodes(t)]

    def amount(i):
        return amounts[i if len(amounts) > 1 else 0]

    def weight(t, node, branch, factor):
        return {raw.column("x", node, a): factor for a in raw.drawn(t, branch)}

    def balance(t, node):
        form = {raw.column("p", i, node, b): raw.received(t, i) for i in range(raw.n) for b in raw.branches(t)}
        for a in raw.actions(t):
            form[raw.column("x", node, a)] = -(env.discount**t) * env.costs[t][a]
        return form

    if label == "ex-ante-budget-balance":
        total = defaultdict(float)
        for t, (slot, m) in everywhere:
            path = (*(r for r, _ in slot), m)
            add(total, balance(t, (slot, m)), np.prod([raw.chance(s, slot[:s], path[s]) for s in range(t + 1)]))
        yield total, 0.0, False
    elif label in ("weak-budget-balance", "strong-budget-balance"):
        for t, node in everywhere:
            yield balance(t, node), 0.0, label.startswith("strong")
    elif label in ("budget", "prefix-budget"):
        for i, (t, node) in product(range(raw.n), everywhere):
            slot, m = node
            total = {raw.column("P", i, node, b): 1.0 for b in raw.branches(t)}
            for b in raw.branches(t):
                total[raw.column("p", i, node, b)] = -raw.received(t, i)
            if slot:
                total[raw.column("P", i, (slot[:-1], slot[-1][0]), slot[-1][1])] = -1.0
            yield total, 0.0, True
            if label == "prefix-budget" or t + 1 == raw.periods:
                for b in raw.branches(t):
                    yield {raw.column("P", i, node, b): -1.0, **weight(t, node, b, amount(i))}, 0.0, False
    else:
        for i, (t, node) in product(range(raw.n), everywhere):
            for b in raw.branches(t):
                paid = raw.column("p", i, node, b)
                if label == "payment-cap":
                    yield {paid: -1.0, **weight(t, node, b, raw.weight(t, i) * amount(i))}, 0.0, False
                else:
                    yield {paid: 1.0}, 0.0, label == "no-money"
