"""Mechanisms from tables and back, for both kinds of types; what is wrong with a table is said with its row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mechopt as mo
from tests.persistent_instances import battaglini, random_markov

TWO = mo.IndependentTypes(
    [[[1, 2], [3]], [[0, 1, 4], [1, 2]]],
    [[["1/2", "1/2"], [1]], [["1/3", "1/3", "1/3"], ["1/4", "3/4"]]],
)


def same(one, other):
    assert type(one) is type(other)
    for name in ("allocation", "payment"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-15)


@pytest.mark.parametrize("column", ["history", "past"])
@pytest.mark.parametrize("csv", [False, True])
def test_round_trip_for_independent_types(tmp_path, csv, column):
    best = mo.optimum(TWO).mechanism
    frame = best.to_frame().drop(columns=["past" if column == "history" else "history", "reach"])
    shuffled = frame.sample(frac=1, random_state=1)
    if csv:
        shuffled.to_csv(tmp_path / "table.csv", index=False, float_format="%.17g")
    again = mo.Mechanism.from_frame(tmp_path / "table.csv" if csv else shuffled, TWO, best.claims)
    same(best, again)
    assert mo.verify(again).holds


@pytest.mark.parametrize("csv", [False, True])
@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_round_trip_for_persistent_types(tmp_path, seed, controlled, csv):
    env = random_markov(seed, periods=2, controlled=controlled, sparse=seed % 2 == 1)
    best = mo.optimum(env, subject_to="no-subsidy").mechanism
    frame = best.to_frame().sample(frac=1, random_state=1)
    if csv:
        frame.to_csv(tmp_path / "table.csv", index=False, float_format="%.17g")
    again = mo.SequenceMechanism.from_frame(tmp_path / "table.csv" if csv else frame, env, best.claims)
    same(best, again)
    whole = mo.Mechanism.from_frame(frame.drop(columns="paid"), env)  # payments of a node, divided as the weights are
    assert whole.revenue == pytest.approx(best.revenue)
    assert whole.utilities == pytest.approx(best.utilities)


def test_a_mechanism_by_hand_is_verified():
    env = battaglini(1)
    rows = {"period": 0, "history": "[]", "reports": ["0", "1"], "action": ["keep", "sell"], "weight": 1}
    good = mo.Mechanism.from_frame(pd.DataFrame(rows | {"payment": [0, 2]}), env)
    assert mo.verify(good, [mo.BayesianIC(), mo.Interim(), mo.NoSubsidy()]).holds
    assert good.revenue == pytest.approx(1.2)
    greedy = mo.Mechanism.from_frame(pd.DataFrame(rows | {"payment": [0, 2.5]}), env)
    assert mo.verify(greedy, [mo.BayesianIC(), mo.Interim()]).violated == ("bayesian", "interim")


def changed(frame, **columns):
    return frame.assign(**columns)


FRAME = mo.optimum(TWO).mechanism.to_frame()
CHAIN = mo.optimum(battaglini(2)).mechanism.to_frame()
STEERED = mo.optimum(random_markov(0, periods=2, controlled=True), subject_to="no-subsidy").mechanism.to_frame()
DRAWN = pd.DataFrame(
    {"period": 0, "history": "[]", "reports": [0, 0, 1], "action": ["keep", "sell", "sell"], "weight": [0.5, 0.5, 1]}
)
"""A lottery over two actions of one node."""


@pytest.mark.parametrize(
    ("env", "table", "words"),
    [
        (TWO, FRAME.drop(columns="payment"), "payment: is not a column"),
        (TWO, FRAME.drop(index=0), "has no row for period, buyer, history and reports [0, 0, 0, 0, 0]"),
        (TWO, pd.concat([FRAME, FRAME[:1]]), "is the second for"),
        (TWO, changed(FRAME, report_0=7.0), "report_0[0]: 7.0 is not known there; known: 1.0, 2.0"),
        (TWO, changed(FRAME, payment=np.nan), "payment[0]: is nan"),
        (TWO, changed(FRAME, payment="much"), "payment: holds something that is not a number"),
        (TWO, changed(FRAME, period=2), "period[0]: is 2; give a whole number from 0 to 1"),
        (TWO, changed(FRAME, history=99), "history[0]: is 99"),
        (TWO, changed(FRAME, allocation=1.0), "in sum over buyers"),
        (battaglini(2), CHAIN.drop(columns="weight"), "weight: is not a column"),
        (battaglini(2), CHAIN.drop(index=0), "allocation[0]"),
        (battaglini(2), changed(CHAIN, action="give"), "action[0]: 'give' is not known there; known: keep, sell"),
        (battaglini(2), changed(CHAIN, history="[9]"), "history[0]: '[9]' is not known there"),
        (battaglini(2), changed(CHAIN, reports="(2,)"), "reports[0]: (2,) cannot be reported after []"),
        (TWO, changed(FRAME, history=0.5), "history[0]: is 0.5"),
        (battaglini(2), changed(CHAIN, payment=7.0), "payment[0]: is 7, the rows of agent 0 at (0,) amount to"),
        (battaglini(2), changed(CHAIN, payment=np.inf), "payment[0]: is inf"),
        (battaglini(2), changed(CHAIN, payment="x"), "payment: holds something that is not a number"),
        (battaglini(1), changed(DRAWN, payment=[0, 2, 2]), "payment[0]: is 0, the rows of agent 0 at 0 amount to 2"),
        (battaglini(1), changed(DRAWN, paid=[0, 2, 2]), "paid[0]: is 0, the rows of agent 0 at 0 amount to 2"),
        (random_markov(0, periods=2, controlled=True), changed(STEERED, payment=7.0), "payment[0]: is 7, the rows of"),
        (TWO, 5, "a int is not a table; give a pandas DataFrame"),
        (TWO, "nowhere.csv", "nowhere.csv: cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(env, table, words):
    with pytest.raises(mo.InputError) as caught:
        mo.Mechanism.from_frame(table, env)
    assert words in str(caught.value)
