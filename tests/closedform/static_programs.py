"""One-period programs over every profile, in plain loops: the reference for the auctions in closed form.

A buyer is a pair (values, probabilities). Variables: x[i, profile] in [0, 1], p[i, profile]. Incentive and
participation rows are Bayesian (over the others' types) or, with ``dominant``, for every profile of the others.
"""

from itertools import product
from math import prod

import numpy as np
from scipy.optimize import linprog


class Program:
    """Maximise a linear objective over mechanisms; rows are ``{variable: coefficient} <= bound``."""

    def __init__(self, buyers, dominant, free_payments):
        self.buyers, self.dominant = buyers, dominant
        self.profiles = list(product(*(range(len(values)) for values, _ in buyers)))
        names = [(kind, i, a) for kind in "xp" for i in range(len(buyers)) for a in self.profiles]
        self.column = {name: k for k, name in enumerate(names)}
        least = -np.inf if free_payments else 0
        self.bounds = [(0, 1) if kind == "x" else (least, None) for kind, _, _ in names]
        self.rows = [({("x", i, a): 1 for i in range(len(buyers))}, 1) for a in self.profiles]
        for i, (values, _) in enumerate(buyers):
            for others in self.settings(i):
                for k in range(len(values)):
                    truth = self.utility(i, k, k, others)
                    self.rows.append((self.scaled(truth, -1), 0))
                    for report in range(len(values)):
                        if report != k:
                            lie = self.utility(i, k, report, others)
                            self.rows.append((lie | self.scaled(truth, -1), 0))

    @staticmethod
    def scaled(row, by):
        return {name: by * coefficient for name, coefficient in row.items()}

    def distribution(self, profile, without=None):
        return prod(float(p[k]) for i, ((_, p), k) in enumerate(zip(self.buyers, profile, strict=True)) if i != without)

    def settings(self, i):
        """What the others may do, as lists of (profile with any entry for i, weight)."""
        rivals = [a for a in self.profiles if a[i] == 0]
        if self.dominant:
            return [[(a, 1.0)] for a in rivals]
        return [[(a, self.distribution(a, without=i)) for a in rivals]]

    def utility(self, i, true_type, report, others):
        row = {}
        for a, weight in others:
            reported = (*a[:i], report, *a[i + 1 :])
            row["x", i, reported] = weight * float(self.buyers[i][0][true_type])
            row["p", i, reported] = -weight
        return row

    def maximum(self, objective, extra=()):
        """Value at the optimum; ``extra`` are rows over further variables, whose names are strings with a bound."""
        for name, bound in extra:
            self.column[name] = len(self.column)
            self.bounds.append((0, bound))
        cost, matrix = np.zeros(len(self.column)), np.zeros((len(self.rows), len(self.column)))
        for name, coefficient in objective.items():
            cost[self.column[name]] -= coefficient
        for r, (row, _) in enumerate(self.rows):
            for name, coefficient in row.items():
                matrix[r, self.column[name]] = coefficient
        tolerances = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        limits = [bound for _, bound in self.rows]
        solution = linprog(cost, A_ub=matrix, b_ub=limits, bounds=self.bounds, options=tolerances)
        assert solution.status == 0, solution.message
        return -solution.fun


def largest_revenue(buyers, cost, dominant):
    program = Program(buyers, dominant, free_payments=True)
    objective = {}
    for i, a in product(range(len(buyers)), program.profiles):
        objective["p", i, a], objective["x", i, a] = program.distribution(a), -program.distribution(a) * cost
    return program.maximum(objective)


def largest_welfare(buyers, cost, dominant):
    program = Program(buyers, dominant, free_payments=True)
    return program.maximum(
        {
            ("x", i, a): program.distribution(a) * (buyers[i][0][a[i]] - cost)
            for i, a in product(range(len(buyers)), program.profiles)
        }
    )


def largest_capped_utility(buyers, caps, dominant):
    """Maximum of sum_i min(cap_i, E u_i) with payments >= 0 at every profile."""
    program = Program(buyers, dominant, free_payments=False)
    for i in range(len(buyers)):
        expected = {}
        for a in program.profiles:
            expected["x", i, a] = -program.distribution(a) * float(buyers[i][0][a[i]])
            expected["p", i, a] = program.distribution(a)
        program.rows.append((expected | {f"u{i}": 1}, 0))
    extra = [(f"u{i}", None if cap == np.inf else float(cap)) for i, cap in enumerate(caps)]
    return program.maximum({name: 1 for name, _ in extra}, extra)


def assert_dominant_and_individually_rational(mechanism, slack=1e-9):
    """Every buyer, profile and misreport; payments >= 0; at most one item."""
    n, values = len(mechanism.buyers), [v for v, _ in mechanism.buyers]
    for a in product(*(range(len(v)) for v in values)):
        assert sum(mechanism.allocation[(i, *a)] for i in range(n)) <= 1 + slack
        for i in range(n):
            truth = values[i][a[i]] * mechanism.allocation[(i, *a)] - mechanism.payment[(i, *a)]
            assert truth >= -slack, (i, a)
            assert mechanism.payment[(i, *a)] >= 0, (i, a)
            assert mechanism.allocation[(i, *a)] >= 0, (i, a)
            for report in range(len(values[i])):
                b = (i, *a[:i], report, *a[i + 1 :])
                assert values[i][a[i]] * mechanism.allocation[b] - mechanism.payment[b] <= truth + slack, (i, a, report)
