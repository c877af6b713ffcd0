"""Worst cases: known limits are reached, searches repeat and resume, states of other searches are refused."""

import json

import pytest

import mechopt as mo
from mechopt.study.search.worst_case import Family


def test_balance_mechanism_comes_within_two_thousandths_of_a_third():
    found = mo.mechanisms.worst_case(mo.non_clairvoyant_balance, Family(1, 2, 2), budget=500, seed=1)
    assert 1 / 3 - 1e-9 <= found.ratio <= 1 / 3 + 0.002
    best = mo.optimum(found.environment)
    assert mo.non_clairvoyant_balance(found.environment).revenue / best.value == pytest.approx(found.ratio, abs=1e-9)


def test_two_period_mechanism_comes_within_two_thousandths_of_a_half():
    found = mo.mechanisms.worst_case(mo.two_period, Family(1, 2, 2), budget=500, seed=1)
    assert 1 / 2 - 1e-9 <= found.ratio <= 1 / 2 + 0.002


def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(tmp_path):
    family, state = Family(1, 2, 2), tmp_path / "state.json"
    whole = mo.mechanisms.worst_case(mo.repeated_myerson, family, budget=120, seed=3)
    mo.mechanisms.worst_case(mo.repeated_myerson, family, budget=70, seed=3, state=state)
    resumed = mo.mechanisms.worst_case(mo.repeated_myerson, family, budget=120, seed=3, state=state)
    assert (resumed.ratio, resumed.environment) == (whole.ratio, whole.environment)
    assert (resumed.evaluations, resumed.starts) == (120, whole.starts)


def test_worst_instance_is_exact():
    found = mo.mechanisms.worst_case(mo.repeated_myerson, Family(2, 1, 3), budget=5)
    assert found.environment.exact is not None
    assert found.environment.shape == ((3, 3),)


def test_states_of_other_searches_and_damaged_ones_are_refused(tmp_path):
    state = tmp_path / "state.json"
    mo.mechanisms.worst_case(mo.repeated_myerson, Family(1, 1, 2), budget=5, seed=3, state=state)
    with pytest.raises(mo.InputError, match=r"belongs to a search of .* with seed 3"):
        mo.mechanisms.worst_case(mo.repeated_myerson, Family(1, 2, 2), budget=5, seed=3, state=state)
    state.write_text(json.dumps({"seed": 3}))
    with pytest.raises(mo.InputError, match="not the state of a search, or damaged"):
        mo.mechanisms.worst_case(mo.repeated_myerson, Family(1, 1, 2), budget=5, seed=3, state=state)


def test_bad_families_and_budgets_are_refused():
    with pytest.raises(mo.InputError, match="periods is 0"):
        Family(periods=0)
    with pytest.raises(mo.InputError, match="budget is 0"):
        mo.mechanisms.worst_case(mo.repeated_myerson, Family(), budget=0)
