"""Agents who discount otherwise than the seller: tables that are verified and earn the optimum, their own utilities."""

import json
import re

import numpy as np
import pytest

import mechopt as mo


def fresh(rng):
    n, periods = int(rng.integers(1, 3)), int(rng.integers(2, 4))
    values = [np.sort(rng.choice(8, 2, replace=False)).tolist() for _ in range(n)]
    own = [f"{k}/10" for k in rng.integers(4, 10, n)]
    half = [["1/2", "1/2"]] * periods
    return mo.IndependentTypes(
        [[row] * periods for row in values],
        [half] * n,
        discount="4/5",
        discounts=own,
        cost=[int(rng.integers(2))] * periods,
    )


def moving(rng):
    kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
    if rng.integers(2):
        kernel = [kernel, [["1/2", "1/2"], ["1/5", "4/5"]]]
    values = [[[0, 0], np.sort(rng.choice(8, 2, replace=False)).tolist()]]
    own = [f"{rng.integers(4, 10)}/10"]
    return mo.MarkovTypes(values, [kernel], [["1/3", "2/3"]], horizon=3, discount="4/5", discounts=own)


@pytest.mark.parametrize("draw", [fresh, moving])
@pytest.mark.parametrize("seed", range(8))
def test_the_table_is_verified_and_earns_the_optimum(draw, seed):
    env = draw(np.random.default_rng([14, seed]))
    limits = ["no-subsidy", "payment-cap:9"][seed % 2]
    best = mo.optimum(env, ir="interim", subject_to=limits)
    found = best.explain()
    assert found.note == "" and found.report.holds
    assert found.mechanism.revenue == pytest.approx(best.value, abs=1e-8 * max(1, abs(best.value)))
    shown = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', found.to_html(), re.DOTALL)[1])
    assert np.array(shown["present"]) == pytest.approx(np.array(env.own_present_value))
