"""States against a plain recursion over histories; folding against words that both automata spell."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.show.explain.automaton import automaton
from mechopt.show.explain.play import play_of
from tests.persistent_instances import random_markov


def future(play, t, slot):
    """Everything that a mechanism does from a slot on, as nested tuples."""
    rows = []
    for node in np.flatnonzero(play.slot[t] == slot):
        did = tuple(np.round(play.allocation[t][node], 6)), tuple(np.round(play.payment[t][:, node], 6) + 0.0)
        after = ()
        if t + 1 < play.horizon:
            after = tuple(
                future(play, t + 1, s) if play.mass[t + 1][s] > 1e-9 else None for s in play.following[t][node]
            )
        rows.append((int(play.profile[t][node]), did, after))
    return tuple(rows)


def optima():
    for seed in range(8):
        yield mo.optimum(random_markov(seed, periods=3, actions=2, sparse=bool(seed % 2))).mechanism
    yield mo.optimum(mo.IndependentTypes.iid([1, 2, 5], ["1/3"] * 3, horizon=3)).mechanism
    yield mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=2)).mechanism


@pytest.mark.parametrize("mechanism", list(optima()), ids=lambda m: type(m).__name__)
def test_slots_are_in_one_state_exactly_if_their_futures_agree(mechanism):
    play = play_of(mechanism)
    found = automaton(play)
    for t in range(play.horizon):
        live = np.flatnonzero(play.mass[t] > 1e-9)
        futures = {int(slot): future(play, t, slot) for slot in live}
        number = {what: k for k, what in enumerate(dict.fromkeys(futures.values()))}
        assert found.state[t][live].tolist() == [number[futures[int(slot)]] for slot in live]


@pytest.mark.parametrize("mechanism", list(optima()), ids=lambda m: type(m).__name__)
def test_modes_spell_what_the_mechanism_does(mechanism):
    """Follow modes alone, with the rules of any of their states, through every history."""
    play = play_of(mechanism)
    found = automaton(play)
    rule = {}
    for t in range(play.horizon):
        for node in range(len(play.slot[t])):
            state = found.state[t][play.slot[t][node]]
            if state >= 0:
                key = int(found.mode[t][state]), int(play.profile[t][node])
                did = np.round(np.append(play.allocation[t][node], play.payment[t][:, node]), 5).tolist()
                assert np.allclose(rule.setdefault(key, did), did, atol=2e-5)


def test_periods_of_different_values_are_not_folded_into_one():
    env = mo.IndependentTypes([[[1, 3], [2, 6]]], [[["1/2", "1/2"], ["1/2", "1/2"]]])
    found = automaton(play_of(mo.give_for_free(env).to_mechanism()))
    assert found.modes == 2


def test_a_history_that_the_mechanism_never_comes_to_has_no_state():
    """Action 1 moves types and is worth nothing: it is never taken, and what would follow it is left aside."""
    env = mo.MarkovTypes(
        [[[1, 2], [0, 0]]], [[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]], [["1/2", "1/2"]], horizon=2, actions=["use", "idle"]
    )
    play = play_of(mo.optimum(env, objective=mo.Welfare()).mechanism)
    found = automaton(play)
    assert play.slots[1] == 4 and play.histories == 3
    assert sorted(found.state[1])[:2] == [-1, -1]
