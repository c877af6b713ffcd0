"""The program of robust scenarios by its definition, all misreports written out."""

from itertools import product
from math import prod

import numpy as np
from scipy.optimize import linprog

from mechopt.environment.scenarios import Scenarios


def tables(scenarios, rate=1):
    """Distributions as they are given, in another currency."""
    return [
        {"name": name, "values": rate * one.values, "probabilities": one.probabilities}
        for name, one in scenarios.distributions.items()
    ]


class Reference:
    """The program by definition: allocation and payment at every prefix of names and reports, every misreport a row.

    Columns are numbered as they come; a linear form is a dict from columns to floats.
    """

    def __init__(self, scenarios: Scenarios) -> None:
        self.scenarios, self.number, self.rows = scenarios, {"guarantee": 0}, []
        for s in range(len(scenarios)):
            for history in self.histories(s, self.periods(s)):
                self.rows.append(self.utility(s, history))  # EPIR at the scenario's own end
            for t in range(self.periods(s)):
                for history, k, j in product(self.histories(s, t), self.types(s, t), self.types(s, t)):
                    if k != j:
                        truth, lie = (self.gains(s, history, k, report) for report in (k, j))
                        self.rows.append(combine([(1, truth), (-1, lie)]))

    def periods(self, s):
        return len(self.scenarios.sequences[s])

    def distribution(self, s, t):
        return self.scenarios.distributions[self.scenarios.sequences[s][t]]

    def types(self, s, t):
        return range(len(self.distribution(s, t).values))

    def histories(self, s, length, start=0):
        return product(*(self.types(s, t) for t in range(start, length)))

    def column(self, kind, s, node):
        return self.number.setdefault((kind, self.scenarios.sequences[s][: len(node)], node), len(self.number))

    def now(self, s, node, true):
        """Present value of the utility at the last report of ``node`` if the true type is ``true``."""
        t = len(node) - 1
        weight = self.scenarios.discount**t
        value = self.distribution(s, t).values[true]
        return {self.column("x", s, node): weight * value, self.column("p", s, node): -weight}

    def utility(self, s, path, start=0):
        return combine((1, self.now(s, path[: t + 1], path[t])) for t in range(start, len(path)))

    def gains(self, s, history, true, report):
        """Utility of this period and expected utility of all later ones in scenario s."""
        node, last = (*history, report), self.periods(s)
        terms = [(1, self.now(s, node, true))]
        for future in self.histories(s, last, len(node)):
            chance = prod(self.distribution(s, t).probabilities[k] for t, k in enumerate(future, start=len(node)))
            terms.append((chance, self.utility(s, (*node, *future), len(node))))
        return combine(terms)

    def revenue(self, s):
        terms = []
        for t in range(self.periods(s)):
            for node in self.histories(s, t + 1):
                chance = prod(self.distribution(s, u).probabilities[k] for u, k in enumerate(node))
                terms.append((chance * self.scenarios.discount**t, {self.column("p", s, node): 1.0}))
        return combine(terms)

    def best(self, objective, rows=()):
        matrix = np.zeros((len(self.rows) + len(rows), len(self.number)))
        for r, form in enumerate([*self.rows, *rows]):
            matrix[r, list(form)] = list(form.values())
        cost = np.zeros(len(self.number))
        cost[list(objective)] = list(objective.values())
        kinds = [key if key == "guarantee" else key[0] for key in self.number]
        bounds = [{"guarantee": (0, 1), "x": (0, 1), "p": (None, None)}[kind] for kind in kinds]
        result = linprog(-cost, -matrix, np.zeros(len(matrix)), bounds=bounds, method="highs-ds")
        assert result.status == 0, result.message
        return -result.fun

    def guarantee(self):
        """Largest alpha; the optimum of a scenario is that of the same program for it alone."""
        rows = []
        for s, sequence in enumerate(self.scenarios.sequences):
            alone = Reference(Scenarios(tables(self.scenarios), [sequence], self.scenarios.discount))
            rows.append(combine([(1, self.revenue(s)), (-alone.best(alone.revenue(0)), {0: 1.0})]))
        return self.best({0: 1.0}, rows)


def combine(terms):
    total = {}
    for weight, form in terms:
        for column, coefficient in form.items():
            total[column] = total.get(column, 0.0) + weight * coefficient
    return total
