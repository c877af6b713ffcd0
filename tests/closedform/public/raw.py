"""Separable environments by period and public state: random ones, and their numbers in plain loops.

Nothing is shared with the library but the input tables. `optimum` is a linear program over histories for one agent;
`bound` enumerates policies by recursion for any number of agents.
"""

from itertools import chain, combinations, product

import numpy as np

import mechopt as mo
from mechopt.families import PublicState, SeparableStates
from tests.closedform.separable_programs import Program, add


def distribution(rng, *shape):
    weights = rng.integers(1, 5, shape)
    totals = np.broadcast_to(weights.sum(axis=-1, keepdims=True), weights.shape)
    return np.vectorize(lambda w, total: f"{w}/{total}")(weights, totals).tolist()


def fractions(table):
    return [fractions(part) for part in table] if isinstance(table, (list, np.ndarray)) else f"{int(table)}/8"


def random_cells(seed, forms, types, signals, actions, horizon, states, null=True):
    """Cells by period and state, and a public state that the actions move where ``states`` is above 1."""
    rng = np.random.default_rng([seed, horizon, states, *types])
    levels = [sorted(rng.choice(np.arange(1, 17), size=k, replace=False).tolist()) for k in types]
    distributions = [distribution(rng, k) for k in types]
    firsts = [distribution(rng, z) for z in signals]
    discount = ["1", "4/5"][seed % 2]

    def cell():
        base, rate = [], []
        for form, z in zip(forms, signals, strict=True):
            low = 0 if form == "multiplicative" else -6
            table = rng.integers(low, 9, (actions, z))
            slope = rng.integers(0, 7, actions)
            if null:
                table[0], slope[0] = 0, 0
            base.append(fractions(table))
            rate.append(fractions(slope) if form == "additive" else None)
        cost = rng.integers(0, 9, actions)
        cost[0] = 0 if null else cost[0]
        return mo.SeparableTypes(
            initial_values=[list(range(k)) for k in types],
            initial_probabilities=distributions,
            base=base,
            signal_initial=firsts,
            signal_kernel=[distribution(rng, actions, z, z) for z in signals],
            form=forms,
            level=[fractions(row) for row in levels],
            rate=rate,
            cost=fractions(cost),
            horizon=horizon,
            discount=discount,
        )

    cells = [[cell() for _ in range(states)] for _ in range(horizon)]
    moved = PublicState(
        [f"s{s}" for s in range(states)], distribution(rng, states), distribution(rng, actions, states, states)
    )
    return cells, moved if states > 1 else ()


def random_environment(*arguments, **options):
    return SeparableStates(*random_cells(*arguments, **options))


def moves_of(state):
    """First distribution and kernel ``[action][state][next]`` in floats."""
    if state == ():
        return [1.0], None
    return [float(p) for p in state.initial], [[[float(p) for p in row] for row in part] for part in state.kernel]


def step(moves, a, s, states):
    return [1.0] if moves is None else [moves[a][s][to] for to in range(states)]


def bound(cells, state):
    """(8) by recursion: every set of agents, every profile, every state."""
    first, moves = moves_of(state)
    one = cells[0][0]
    n, states, total = one.agents, len(first), 0.0
    groups = list(chain.from_iterable(combinations(range(n), size) for size in range(n + 1)))

    def virtual(t, s, a, i, k, z):
        env = cells[t][s]
        f, level = env.initial_probabilities[i], env.level[i]
        h = sum(f[k + 1 :]) / f[k]
        gap = level[k + 1] - level[k] if k + 1 < len(f) else 0.0
        low = level[k] - h * gap
        if env.form[i] == "multiplicative":
            return low * env.base[i][a, z]
        return low * env.rate[i][a] + env.base[i][a, z]

    for profile in product(*(range(k) for k in one.initial_shape)):
        chance = np.prod([one.initial_probabilities[i][k] for i, k in enumerate(profile)])
        for s0 in range(states):
            best = -np.inf
            for group in groups:

                def welfare(t, s, z, group=group, profile=profile):
                    if t == len(cells):
                        return 0.0
                    env, found = cells[t][s], -np.inf
                    for a in range(len(env.actions)):
                        value = sum(virtual(t, s, a, i, profile[i], z[q]) for q, i in enumerate(group)) - env.cost[a]
                        if t + 1 < len(cells):
                            for to, move in enumerate(step(moves, a, s, states)):
                                for later in product(*(range(one.signal_shape[i]) for i in group)):
                                    p = move * np.prod(
                                        [env.signal_kernel[i][a, z[q], later[q]] for q, i in enumerate(group)]
                                    )
                                    value += one.discount * p * welfare(t + 1, to, later)
                        found = max(found, value)
                    return found

                value = 0.0
                for z in product(*(range(one.signal_shape[i]) for i in group)):
                    p = np.prod([one.signal_initial[i][z[q]] for q, i in enumerate(group)])
                    value += one.discount * p * welfare(0, s0, z)
                best = max(best, value)
            total += chance * first[s0] * best
    return total


def optimum(cells, state, relaxed=False):
    """Largest profit from one agent, with an action that is worth and costs nothing; she sees the state.

    Relaxed: her later signals are seen, so that she misreports her initial type alone.
    """
    first, moves = moves_of(state)
    one, states, horizon = cells[0][0], len(first), len(cells)
    types, size, d = one.initial_shape[0], one.signal_shape[0], one.discount
    program, objective = Program(), []

    def grow(mass, t, s):
        node = []
        for _ in range(size):
            weights = [program.column(0) for _ in one.actions]
            program.equal.append(add(*((1, w) for w in weights), (-1, mass)))
            program.right.append(0.0)
            after = [[grow(w, t + 1, to) for to in range(states)] for w in weights] if t < horizon else None
            node.append((weights, program.column(), after, s))
        return node

    def following(part, a, s, t, z, of):
        env = cells[t - 1][s]
        return [
            (move, of(part[a][to], env.signal_kernel[0][a, z], t + 1))
            for to, move in enumerate(step(moves, a, s, states))
            if move
        ]

    def earned(node, chances, t):
        parts = []
        for z, chance in enumerate(chances):
            weights, payment, after, s = node[z]
            parts.append((chance, payment))
            parts += [(-chance * d**t * cells[t - 1][s].cost[a], w) for a, w in enumerate(weights)]
            for a in range(len(weights)) if after else ():
                parts += [(chance * move, e) for move, e in following(after, a, s, t, z, earned)]
        return add(*parts)

    def utility(k):
        def of(node, chances, t):
            parts = []
            for z, chance in enumerate(chances):
                weights, payment, after, s = node[z]
                parts.append((-chance, payment))
                values = cells[t - 1][s].value_tables[0][:, k, z]
                parts += [(chance * d**t * values[a], w) for a, w in enumerate(weights)]
                for a in range(len(weights)) if after else ():
                    parts += [(chance * move, e) for move, e in following(after, a, s, t, z, of)]
            return add(*parts)

        return of

    def strategy(k):
        def bounds(node, t):
            later = [
                [[bounds(child, t + 1) for child in by_state] for by_state in after] if after else None
                for _, _, after, _ in node
            ]
            found = []
            for z in range(size):
                best = program.column()
                for report, (weights, payment, _, s) in enumerate(node):
                    parts = [(-1, payment), (-1, best)]
                    for a, w in enumerate(weights):
                        parts.append((d**t * cells[t - 1][s].value_tables[0][a, k, z], w))
                        for to, move in enumerate(step(moves, a, s, states)) if later[report] else ():
                            rows = zip(cells[t - 1][s].signal_kernel[0][a, z], later[report][a][to], strict=True)
                            parts += [(move * p, e) for p, e in rows]
                    program.rows.append(add(*parts))
                found.append(best)
            return found

        return lambda node: add(*zip(one.signal_initial[0], bounds(node, 1), strict=True))

    for s0 in range(states):
        truth, misreports = [], []
        for report in range(types):
            upfront, mass = program.column(), program.column(0)
            program.equal.append(mass)
            program.right.append(1.0)
            node = grow(mass, 1, s0)
            weight = first[s0] * one.initial_probabilities[0][report]
            objective += [(weight, upfront), (weight, earned(node, one.signal_initial[0], 1))]
            for k in range(types):
                if k == report:
                    truth.append(add((-1, upfront), (1, utility(k)(node, one.signal_initial[0], 1))))
                told = utility(k)(node, one.signal_initial[0], 1) if relaxed else strategy(k)(node)
                misreports.append((k, add((-1, upfront), (1, told))))
        for k, misreport in misreports:
            program.rows.append(add((1, misreport), (-1, truth[k])))
        program.rows += [add((-1, u)) for u in truth]
    return program.maximise(add(*objective))
