"""Random environments by seed for the tests of bank accounts, and what every one of those mechanisms must keep."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo

FAST, SLOW = range(40), range(40, 200)
BATCHES = [pytest.param(FAST, id="forty-instances"), pytest.param(SLOW, id="all-instances", marks=pytest.mark.slow)]
SHAPES = [pytest.param(1, id="one-buyer"), pytest.param(2, id="two-buyers")]
HALF = ["1/2", "1/2"]


def environment(seed, buyers):
    """Unequal supports, zero probabilities, ties between buyers, single types and periods; half with costs, discounts.

    One buyer: at most 4 periods of 4 types; two: 2 of 3; three: 2 of 2.
    """
    rng = np.random.default_rng([buyers, seed])
    most_periods, most_types = {1: (4, 4), 2: (2, 3), 3: (2, 2)}[buyers]
    periods = int(rng.integers(1, most_periods + 1))
    values, probabilities = [], []
    for _ in range(buyers):
        counts = rng.integers(1, most_types + 1, size=periods)
        values.append([sorted(rng.choice(13, size=k, replace=False).tolist()) for k in counts])
        weights = [rng.integers(0, 5, size=k) for k in counts]
        weights = [w if w.sum() else w + 1 for w in weights]
        probabilities.append([[Fraction(int(part), int(w.sum())) for part in w] for w in weights])
    plain = seed % 2 == 0
    cost = 0 if plain else rng.integers(0, 5, size=periods).tolist()
    return mo.IndependentTypes(values, probabilities, cost, "1" if plain else rng.choice(["1", "9/10", "1/2"]))


def require_theorems(bank):
    """The notions that it claims hold at every history, its conditions at every balance, and outcomes agree."""
    mechanism = bank.to_mechanism()
    assert mechanism.claims == bank.claims
    report = mo.verify(mechanism)
    assert set(report) == set(bank.claims) and report.holds, report
    conditions = bank.conditions()
    assert set(conditions) == {"IC", "BI", "BU"} and conditions.holds, conditions
    exact = bank.outcome("balance distribution")
    for found in (bank.outcome("enumeration"), mechanism.outcome):
        assert found.revenue == pytest.approx(exact.revenue, abs=1e-9)
        assert found.welfare == pytest.approx(exact.welfare, abs=1e-9)
        assert found.utilities == pytest.approx(exact.utilities, abs=1e-9)
