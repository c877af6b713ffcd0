"""`mechopt epsilon` and `mechopt winner-pay`."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.bidders import auction_of, bidders, monomials, signal_numbers
from mechopt.core.errors import InputError
from tests.interdependent_instances import random_environment

GRID, AUCTION = "liu-2025/affine-grid", "liu-2025/winner-pay"


def test_epsilon_of_the_grid_by_hand(mechopt):
    # the other's value is concave in one's own signal: at 1/2 it is 1/9 above the mean of its neighbours', and an
    # expected transfer that is affine in the signal misses such a target by half of that
    status, out, _ = mechopt("epsilon", GRID, "--json")
    document = json.loads(out)
    assert status == 0 and document["epsilon"] == pytest.approx(1 / 18, rel=1e-9)
    assert document["verified"]["periodic_ex_post_ic"]["gain"] == pytest.approx(document["gain"], rel=1e-9)
    assert document["gain"] <= document["gain_bound"] < document["lemma_bound"] / 15
    status, out, _ = mechopt("epsilon", GRID, "--bound", "1/2", "--degree", "0")
    assert status == 0 and "largest payment  0.5" in out


def test_a_finite_horizon(mechopt):
    status, out, _ = mechopt("epsilon", "liu-2025/crossed-signals", "--json")
    assert status == 0 and json.loads(out)["epsilon"] < 1e-9


def test_the_auction(mechopt):
    status, out, _ = mechopt("winner-pay", AUCTION, "--json")
    document = json.loads(out)
    assert status == 0 and document["gamma"] == pytest.approx(2, rel=1e-12)
    assert (
        document["equilibrium"] and document["efficient"] and not document["mirror"] and document["deviation"] is None
    )
    status, out, _ = mechopt("winner-pay", AUCTION, "--mirror", "--json")
    document = json.loads(out)  # the winner's payoff is (gamma - 1)(other's signal - own): -2 at signals 2 and 0
    assert document["gain"] == pytest.approx(2, rel=1e-9) and document["deviation"]["bidder"] in ("A", "B")
    status, out, _ = mechopt("winner-pay", AUCTION)
    assert status == 0 and "an equilibrium; efficient" in out


def test_an_environment_that_is_no_auction_is_refused_with_the_place(mechopt):
    status, _, err = mechopt("winner-pay", "liu-2025/crossed-signals")
    assert status == 2 and "horizon" in err and "agents[0].types" in err
    env = modelfile.load(AUCTION)
    values = env.profile_values[0].copy()
    values[1, 0, 2, 1] = 1
    with pytest.raises(InputError, match=r"agents\[1\].values\[0\]\[2\]\[1\]: is 1, not 0"):
        bidders(replace(env, values=values, exact=None))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 3.0])
def test_gamma_is_read_off(gamma):
    env = modelfile.load(AUCTION)
    own = np.arange(3.0)
    values = np.zeros((2, 3, 3, 3))
    values[0, 0], values[1, 1] = own[:, None] + gamma * own, own + gamma * own[:, None]
    env = replace(env, values=values, actions=("to A", "to B", "keep"), kernel=env.kernel[0][0], exact=None, cost=0)
    found = auction_of(env)
    assert found.gamma == pytest.approx(gamma, abs=1e-12) and found.equilibrium and found.efficient


def test_polynomials_of_own_and_of_others_signals(mechopt):
    env = modelfile.load(GRID)
    assert signal_numbers(env)[0] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    np.testing.assert_allclose(monomials(env, 1)[0], [[1, 1 / 6], [1, 1 / 2], [1, 5 / 6]])
    three = random_environment(0, sizes=(2, 3, 2), horizon="infinite")
    assert monomials(three, 2)[0].shape == (6, 6)
    best = {}
    for options in ((), ("--basis", "0"), ("--basis", "1"), ("--basis", "2"), ("--degree", "0"), ("--degree", "1")):
        best[options] = json.loads(mechopt("epsilon", GRID, "--json", *options)[1])["epsilon"]
    # a constant transfer misses targets from 7/36 to 31/36 by a third; one that is affine is as good as any
    assert best["--basis", "0"] == pytest.approx(1 / 3) and best["--basis", "1"] == pytest.approx(1 / 18)
    assert best["--basis", "2"] == pytest.approx(best[()], abs=1e-9)
    assert best["--degree", "0"] >= best["--degree", "1"] - 1e-9 >= best[()] - 2e-9
    with pytest.raises(InputError, match="named by different numbers"):
        monomials(modelfile.load("liu-2025/crossed-signals"), 1)
