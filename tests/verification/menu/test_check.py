"""Menus of contracts, with any horizon, against plain loops and the check over histories."""

import dataclasses

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification.menu.check import menu_checks
from tests.closedform.separable_programs import random_separable

NAMES = (mo.BayesianIC(), mo.Interim(), mo.PeriodicIR())
FOR_EVER = """
kind = "separable"
horizon = "infinite"
discount = "9/10"
actions = ["none", "basic", "full"]
cost = [0, "1/4", "1/2"]
[[agents]]
initial.values = [1, 2, 4]
initial.probabilities = ["1/3", "1/3", "1/3"]
signals = ["idle", "busy"]
signal_initial = ["1/2", "1/2"]
signal_kernel = [["2/3", "1/3"], ["1/3", "2/3"]]
base = [[0, 0], ["1/4", "1/2"], ["1/3", 1]]
"""


def instance(seed, horizon=None):
    """A menu as it is, with contracts for the wrong types, or with fees changed."""
    form = ["multiplicative", "additive"][seed % 2]
    horizon = horizon or 1 + seed % 3
    env = random_separable([form], [2 + seed % 2], [2], 2 + seed % 3 // 2, horizon, 0.8, seed)
    menu = mo.optimal_contract(env)
    if seed % 4 == 1:
        return dataclasses.replace(menu, choice=np.roll(menu.choice, 1))
    if seed % 4 == 2:
        offers = tuple(offer._replace(upfront=offer.upfront + 0.2) for offer in menu.menu)
        return dataclasses.replace(menu, menu=offers)
    return menu


def raw(menu):
    """What each type makes of each contract, by loops over periods: best, and with what is said of each type."""
    env, found = menu.environment, {}
    d, kernel = env.discount, np.broadcast_to(env.signal_kernel[0], (len(env.actions), 2, 2))
    for c, offer in enumerate(menu.menu):
        for k in range(env.initial_shape[0]):
            for said in (None, *range(env.initial_shape[0])):
                value = [0.0, 0.0]
                periods = 300 if env.infinite else env.horizon
                for t in reversed(range(periods)):
                    price = np.asarray(menu.prices[c])
                    price = price[t] if price.ndim == 2 else price
                    after = []
                    for z in range(2):
                        options = [
                            env.value_tables[0][a, k, z] - price[a] + d * float(kernel[a, z] @ value)
                            for a in range(len(env.actions))
                        ]
                        bought = None if said is None else menu.purchases[c][said][0 if env.infinite else t][z]
                        after.append(max(options) if bought is None else options[bought])
                    value = after
                mean = d * sum(env.signal_initial[0][z] * value[z] for z in (0, 1))
                found[c, k, said] = mean - offer.upfront
    return found


def check(seed, horizon=None):
    menu = instance(seed, horizon)
    worth, types = raw(menu), range(menu.environment.initial_shape[0])

    def of(k, report, said):
        c = int(menu.choice[report])
        return 0.0 if c < 0 else worth[c, k, said]

    truth = [of(k, k, k) for k in types]
    low = max(of(k, r, r) - truth[k] for k in types for r in types)
    high = max(of(k, r, None) - truth[k] for k in types for r in types)
    for exact in (False, True):
        report = menu_checks(menu, NAMES, exact)
        found = report["bayesian"]
        assert found.status == ("violated" if low > 1e-6 else "satisfied" if high < 1e-9 else "undecided")
        assert low - 1e-8 <= found.gain + found.rounding
        assert found.gain - found.rounding <= high + 1e-8
        assert (report["interim"].status == "satisfied") == (min(truth) >= -1e-9)
        assert report["interim"].gain == pytest.approx(max(0, -min(truth)), abs=1e-8)
    return report


def test_gains_are_those_of_loops():
    answers = {str(part.status) for seed in range(16) for part in check(seed).values()}
    assert {"satisfied", "violated"} <= answers
    answers = {str(part.status) for seed in range(8) for part in check(seed, "infinite").values()}
    assert {"satisfied", "violated"} <= answers


@pytest.mark.slow
def test_gains_are_those_of_loops_in_bulk():
    for seed in range(100, 220):
        check(seed, "infinite" if seed % 2 else None)


def test_the_answer_is_that_over_histories():
    for seed in range(24):
        menu = instance(seed)
        ours, theirs = menu_checks(menu, NAMES, False), mo.verify(menu.to_mechanism(), NAMES)
        for name in NAMES:
            if ours[name].status != "undecided":
                assert ours[name].status == theirs[name].status, (seed, name)
        assert mo.verify(menu, NAMES).to_frame().equals(theirs.to_frame())


def test_every_claim_of_a_comparison_for_ever_is_verified():
    rows = {row.name: row for row in mo.compare(mo.loads(FOR_EVER)).entries}
    for name in ("virtual-pivot", "optimal-contract", "dynamic-pivot"):
        report = rows[name].report
        assert report.holds, name
        assert {mo.BayesianIC(), mo.Interim()} <= set(report), name


def test_what_goes_over_histories_is_refused_for_ever():
    with pytest.raises(mo.InputError, match="goes over histories"):
        mo.verify(mo.optimal_contract(mo.loads(FOR_EVER)), mo.EPIR())
