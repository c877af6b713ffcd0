"""Optima where types persist by enumeration: one row for every pure reporting strategy of every first type.

Written from the definitions with tuples and dictionaries, and solved by scipy; nothing is shared with the library's
programs and trees. Variables are the realisation weight of each action after a history and the present reports, and
each agent's weighted payment there, present value. A history is all reports so far, with all actions where these move
types or are seen. The others tell the truth.
"""

from itertools import product

import numpy as np
from scipy.optimize import linprog

import mechopt as mo


class Instance:
    """Types, laws and values of an environment by type profile, as plain Python."""

    def __init__(self, env):
        self.env, self.agents, self.periods, self.shape = env, env.agents, env.horizon, env.shape
        self.private = isinstance(env, mo.MarkovTypes)

    def profiles(self, t):
        return list(product(*map(range, self.shape[t])))

    def actions(self, t):
        return range(len(self.env.costs[t]))

    def first(self, types):
        if self.private:
            return float(np.prod([row[k] for row, k in zip(self.env.initial, types, strict=True)]))
        return float(self.env.initial[types])

    def moved(self, t, types, action, after):
        """Probability of the types of period t + 1."""
        if self.private:
            chances = [self.env.kernel[i][t][action, types[i], after[i]] for i in range(self.agents)]
            return float(np.prod(chances))
        return float(self.env.kernel[t][(action, *types, *after)])

    def value(self, t, i, action, types):
        worth = self.env.values[i][t][(action, types[i]) if self.private else (action, *types)]
        return float(worth) * self.weight(t, i)

    def weight(self, t, i):
        """Present value of money of period t to agent i."""
        return (self.env.discounts[i] if self.env.discounts else self.env.discount) ** t

    def option(self, i, k):
        """What a type has outside at contracting."""
        return 0.0 if self.env.outside is None else float(self.env.outside[i][0][k])

    def cost(self, t, action, types):
        """What an action costs the seller less what it is worth to her."""
        gains = self.env.seller_values
        gain = 0.0
        if gains is not None and self.private:
            gain = sum(row[t][action, k] for row, k in zip(gains, types, strict=True))
        elif gains is not None:
            gain = gains[t][(action, *types)]
        return float(self.env.costs[t][action] - gain) * self.env.discount**t

    @property
    def steered(self):
        """Whether some action moves types."""
        return any(
            self.moved(t, types, a, after) != self.moved(t, types, 0, after)
            for t in range(self.periods - 1)
            for types, after in product(self.profiles(t), self.profiles(t + 1))
            for a in self.actions(t)
        )


class Strategies:
    """The program against all strategies of agents who see ``"all"``, the ``"actions"``, or their ``"own"`` past.

    A strategy says what to report at each thing that an agent can know: her types so far and her own reports, and the
    others' reports and the actions where she sees them.
    """

    def __init__(self, env, sees="all"):
        self.game, self.sees = Instance(env), sees
        self.recorded = self.game.steered or sees == "actions"
        self.free = sees == "own" and self.game.steered  # she cannot tell which reports her past allows
        self.column, self.flows, self.histories = {}, [], [[] for _ in range(env.horizon)]
        self._number(0, (), None)

    def reports(self, t, i, history):
        """What agent i may report after a history of (reports, action or None): what her own reports allow."""
        game = self.game
        if self.free:
            return range(game.shape[t][i])
        if t == 0:
            return sorted({m[i] for m in game.profiles(0) if game.first(m) > 0})
        told, action = history[-1]
        before = [m for m in game.profiles(t - 1) if m[i] == told[i]]
        return sorted({n[i] for n in game.profiles(t) for m in before if game.moved(t - 1, m, action or 0, n) > 0})

    def _number(self, t, history, mass):
        """Number the columns; the weights after each report sum to what led there."""
        game = self.game
        self.histories[t].append(history)
        for told in product(*(self.reports(t, i, history) for i in range(game.agents))):
            flow = {} if mass is None else {mass: -1.0}
            for name in [*(("weight", a) for a in game.actions(t)), *(("paid", i) for i in range(game.agents))]:
                column = self.column.setdefault((name[0], history, told, name[1]), len(self.column))
                flow |= {column: 1.0} if name[0] == "weight" else {}
            self.flows.append((flow, 1.0 if mass is None else 0.0))
            if t + 1 < game.periods:
                for a in game.actions(t) if self.recorded else ():
                    self._number(t + 1, (*history, (told, a)), self.column["weight", history, told, a])
                if not self.recorded:
                    self._number(t + 1, (*history, (told, None)), mass)

    def knows(self, i, history, own):
        told = tuple(reports[i] for reports, _ in history)
        seen = {"all": history, "actions": tuple(action for _, action in history), "own": ()}
        return told, seen[self.sees], own

    def outcomes(self, t, i, points, choose):
        """Utility of period t as coefficients, and what follows; points are (chance, history, types, own types)."""
        game, utility, after = self.game, np.zeros(len(self.column)), []
        for chance, history, types, own in points:
            told = (*types[:i], choose(history, own), *types[i + 1 :])
            utility[self.column["paid", history, told, i]] -= chance
            for a in game.actions(t):
                utility[self.column["weight", history, told, a]] += chance * game.value(t, i, a, types)
            for into, later, likely in self._next(t, history, told, types):
                after.append((chance * likely, into, later, (*own, later[i])))
        return utility, after

    def _next(self, t, history, told, types):
        """Later histories and types, and the probability of the types given the action."""
        game = self.game
        for a in game.actions(t) if self.recorded else (None,):
            for later in game.profiles(t + 1) if t + 1 < game.periods else ():
                if (likely := game.moved(t, types, a or 0, later)) > 0:
                    yield (*history, (told, a)), later, likely

    def strategies(self, t, i, points):
        """Utility of every pure strategy from period t on, as coefficients."""
        held = {}
        for _, history, _, own in points:
            held.setdefault(self.knows(i, history, own), []).append(history)
        options = [set.intersection(*(set(self.reports(t, i, h)) for h in histories)) for histories in held.values()]
        for chosen in product(*options):
            plan = dict(zip(held, chosen, strict=True))
            utility, after = self.outcomes(t, i, points, lambda h, own, plan=plan: plan[self.knows(i, h, own)])
            for rest in self.strategies(t + 1, i, after) if after else (0,):
                yield utility + rest

    def truth(self, t, i, points):
        utility, after = self.outcomes(t, i, points, lambda history, own: own[-1])
        return utility + self.truth(t + 1, i, after) if after else utility

    def incentives(self, i, points):
        """Rows that are to be at least 0, from what a first type of agent i knows."""
        truth = self.truth(0, i, points)
        return [truth - utility for utility in self.strategies(0, i, points)]

    def paths(self, i):
        """Utility of agent i along every path of types of positive probability, where no action is recorded."""
        points = [((), m, (m[i],), np.zeros(len(self.column))) for m in self.game.profiles(0) if self.game.first(m) > 0]
        for t in range(self.game.periods):
            ended, points = points, []
            for history, types, own, before in ended:
                utility, _ = self.outcomes(t, i, [(1.0, history, types, own)], lambda history, own: own[-1])
                total = before + utility
                following = list(self._next(t, history, types, types))
                points += [(into, later, (*own, later[i]), total) for into, later, _ in following]
                if not following:
                    yield total

    def optimum(self, ex_post=False):
        """Largest expected revenue net of costs with participation at contracting, or on every path."""
        game, above, least = self.game, [], []
        for i in range(game.agents):
            for k in range(game.shape[0][i]):
                points = [(game.first(m), (), m, (k,)) for m in game.profiles(0) if m[i] == k and game.first(m) > 0]
                rows = [self.truth(0, i, points), *self.incentives(i, points)] if points else []
                above += rows
                least += [sum(point[0] for point in points) * game.option(i, k), *[0.0] * (len(rows) - 1)][: len(rows)]
            paths = list(self.paths(i)) if ex_post else []
            above += paths
            least += [game.option(i, 0)] * len(paths)
        whole = np.unique(np.column_stack([above, least]).round(13), axis=0)
        above, least = whole[:, :-1], whole[:, -1]
        flows = np.zeros((len(self.flows), len(self.column)))
        for r, (row, _) in enumerate(self.flows):
            flows[r, list(row)] = list(row.values())
        bounds = [(0 if name[0] == "weight" else None, None) for name in self.column]
        sides = [side for _, side in self.flows]
        found = linprog(-self.revenue(), -above, -least, flows, sides, bounds)
        assert found.status == 0, found.message
        return -found.fun

    def revenue(self):
        """Expected payments less costs, everybody truthful."""
        game, revenue = self.game, np.zeros(len(self.column))
        points = [(game.first(m), (), m) for m in game.profiles(0) if game.first(m) > 0]
        for t in range(game.periods):
            after = []
            for chance, history, types in points:
                for i in range(game.agents):
                    received = game.env.discount**t / game.weight(t, i)
                    revenue[self.column["paid", history, types, i]] += chance * received
                for a in game.actions(t):
                    revenue[self.column["weight", history, types, a]] -= chance * game.cost(t, a, types)
                for into, later, likely in self._next(t, history, types, types):
                    after.append((chance * likely, into, later))
            points = after
        return revenue


class OneMisreport(Strategies):
    """One misreport by one of the steps in the order of types, after any truthful history, and truth after it."""

    def __init__(self, env, steps):
        super().__init__(env)
        self.steps = steps

    def incentives(self, i, points):
        return list(self._lies(0, i, points))

    def _lies(self, t, i, points):
        for history, own in sorted({(point[1], point[3]) for point in points}):
            here = [point for point in points if (point[1], point[3]) == (history, own)]
            truth = self.truth(t, i, here)
            for report in self.reports(t, i, history):
                if report - own[-1] in self.steps:
                    utility, after = self.outcomes(t, i, here, lambda history, own, report=report: report)
                    yield truth - utility - (self.truth(t + 1, i, after) if after else 0)
        _, after = self.outcomes(t, i, points, lambda history, own: own[-1])
        if after:
            yield from self._lies(t + 1, i, after)


class InformedMisreport(Strategies):
    """One misreport of any kind at any public history, the others' present types known, and truth after it."""

    def incentives(self, i, points):
        rows = []
        for t, level in enumerate(self.histories):
            for history, types, report in product(level, self.game.profiles(t), range(self.game.shape[t][i])):
                here = [(1.0, history, types, (types[i],))]
                utility, after = self.outcomes(t, i, here, lambda history, own, report=report: report)
                rest = self.truth(t + 1, i, after) if after else 0
                rows.append(self.truth(t, i, here) - utility - rest)
        return rows
