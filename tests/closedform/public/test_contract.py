"""Menus, relaxed optima and regimes of separable environments by period and public state, against raw programs."""

import json
from itertools import product

import pytest
from typer.testing import CliRunner

import mechopt as mo
from mechopt.cli.app import application
from mechopt.families import PublicState, SeparableStates
from mechopt.mechanisms import diagnose
from tests.closedform.public import raw
from tests.closedform.public.test_random import by_period, by_state, two_by_period, two_by_state
from tests.closedform.separable_programs import random_separable


def earned(env, offer, s0, k):
    """What type k makes of a contract, and what the seller earns by it, in plain recursion."""
    cells, moves = env.cells, env.state_kernel
    d, f = env.discount, cells[0][0].signal_initial[0]

    def value(t, s, z):
        if t == len(cells):
            return 0.0, 0.0
        cell, best = cells[t][s], None
        for a in range(len(cell.actions)):
            price = offer.price[t, s, a]
            own, seller = cell.value_tables[0][a, k, z] - price, price - cell.cost[a]
            for to, y in product(range(len(env.state_initial)), range(len(f))) if t + 1 < len(cells) else ():
                chance = moves[a, s, to] * cell.signal_kernel[0][a, z, y]
                if chance:
                    after = value(t + 1, to, y)
                    own, seller = own + d * chance * after[0], seller + d * chance * after[1]
            if best is None or own > best[0] + 1e-8 or (own > best[0] - 1e-8 and seller > best[1]):
                best = own, seller
        return best

    parts = [value(0, s0, z) for z in range(len(f))]
    mine, theirs = (d * sum(p * part[q] for p, part in zip(f, parts, strict=True)) for q in (0, 1))
    return mine - offer.upfront, theirs + offer.upfront


def check(cells, state):
    """A menu: what it earns, that it is incentive compatible, and that it attains the bound where prices implement."""
    env = SeparableStates(cells, state)
    menu, pivot = mo.optimal_contract(env), mo.virtual_pivot(env)
    best = raw.optimum(cells, state)
    for s0, k in product(range(len(env.state_initial)), range(env.initial_shape[0])):
        offers = [(*earned(env, offer, s0, k), c) for c, offer in enumerate(menu.menu) if offer.state == s0]
        utility = max([0.0, *(u for u, _, _ in offers)])
        assert menu.utility[s0, k] == pytest.approx(utility, abs=1e-6)
        if menu.choice[s0, k] >= 0:
            mine, theirs, _ = next(offer for offer in offers if offer[2] == menu.choice[s0, k])
            assert menu.profit_by_type[s0, k] == pytest.approx(theirs, abs=1e-6)
            assert mine == pytest.approx(utility, abs=1e-6)
    assert menu.profit <= best + 1e-6 <= mo.mechanisms.virtual_bound(env) + 2e-6
    if menu.implements and menu.bound >= pivot.bound - 1e-9:
        assert menu.attains
    if pivot.regime == "a":
        assert menu.attains
    written = menu.to_mechanism()
    assert written.revenue == pytest.approx(menu.profit, abs=1e-6)
    assert mo.verify(written, ["bayesian", "interim"]).violated == ()
    relaxed = raw.optimum(cells, state, relaxed=True)
    assert mo.relaxed_optimum(env).value == pytest.approx(relaxed, abs=1e-6)
    assert best <= relaxed + 1e-7
    found = diagnose(env)
    attained = best >= found.bound - 1e-6
    assert attained == (found.regime in ("a", "b"))
    assert found.optimum.value == pytest.approx(best, abs=1e-6)
    return found.regime, menu.attains and menu.bound >= found.bound - 1e-9  # not an ironed one


def test_menus_of_random_environments():
    found = [check(*make(seed)) for make in (by_period, by_state) for seed in range(6)]
    assert {"a"} <= {regime for regime, _ in found}


@pytest.mark.slow
@pytest.mark.parametrize("make", [by_period, by_state])
def test_menus_of_random_environments_in_bulk(make):
    found = [check(*make(2000 + seed)) for seed in range(110)]
    # a menu attains the bound in every case a, in most of b, in none of c
    assert all(attains for regime, attains in found if regime == "a")
    assert not any(attains for regime, attains in found if regime == "c")
    assert sum(attains for regime, attains in found if regime == "b") >= 1


@pytest.mark.parametrize("seed", range(4))
def test_states_that_change_nothing_give_the_plain_menu(seed):
    env = random_separable(["multiplicative"], [3], [2], 2, 2, 0.9, seed)
    state = PublicState(["a", "b"], ["1/3", "2/3"], [["1/2", "1/2"], ["1/4", "3/4"]])
    plain, same = mo.optimal_contract(env), mo.optimal_contract(SeparableStates(env, state))
    assert same.bound == pytest.approx(plain.bound, abs=1e-9)
    assert same.profit >= plain.profit - 1e-7  # prices may change over periods
    assert mo.relaxed_optimum(SeparableStates(env, state)).value == pytest.approx(
        mo.relaxed_optimum(env).value, abs=1e-7
    )
    assert diagnose(SeparableStates(env, state)).regime == diagnose(env).regime


def test_regimes_of_two_buyers_are_those_of_programs():
    for make, seed in product((two_by_period, two_by_state), range(3)):
        env = SeparableStates(*make(seed))
        found, pivot = diagnose(env), mo.virtual_pivot(env)
        best = mo.optimum(env)
        assert found.bound == pytest.approx(raw.bound(*make(seed)), abs=1e-7)
        assert found.optimum.value == pytest.approx(best.value, abs=1e-7)
        attained = found.bound - best.value <= 1e-5 * max(1, abs(found.bound))
        assert (found.regime in ("a", "b")) == attained
        if pivot.regime == "a":
            assert found.regime == "a"
        relaxed = mo.relaxed_optimum(env)
        assert best.value <= relaxed.value + 1e-7 <= found.bound + 2e-6


def test_prices_that_follow_the_state():
    # worth 1 or 2 at a low state, three times that at a high one, which comes at even odds; cost 1 or 4
    low = mo.SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0], [1]]], [[1]], [[[1]]], cost=[0, 1], horizon=2)
    high = mo.SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0], [3]]], [[1]], [[[1]]], cost=[0, 4], horizon=2)
    env = SeparableStates([[low, high]] * 2, PublicState(["low", "high"], [1, 0], [["1/2", "1/2"]] * 2))
    menu = mo.optimal_contract(env)
    # virtual levels are 0 and 2: the high type buys always, for (2 - 1) + (2 - 1 + 6 - 4) / 2, half of the time
    assert menu.bound == pytest.approx((1 + 3 / 2) / 2)
    assert menu.attains
    assert menu.choice.tolist()[0] == [-1, 0]


def test_several_buyers_have_no_menu():
    with pytest.raises(mo.InputError, match="for one agent, not 2"):
        mo.optimal_contract(SeparableStates(*two_by_period(0)))


def test_the_command_says_the_regime(tmp_path):
    path, env = tmp_path / "states.toml", SeparableStates(*by_state(0))
    path.write_text(env.to_toml())
    run = CliRunner().invoke(application(), ["diagnose", str(path), "--json"])
    assert run.exit_code == 0, run.output
    said, found = json.loads(run.stdout), diagnose(env)
    assert (said["regime"], said["sees"]) == (found.regime, found.sees)
    assert said["bound"] == pytest.approx(found.bound)
