"""Tables of mechanisms, row by row against what the mechanism holds."""

import numpy as np
import pytest

import mechopt as mo

HALF = ["1/2", "1/2"]


def test_a_bank_table_has_a_row_a_balance_and_report():
    """First item at 1/2, whose utility of 1/2 or 3/2 is the balance; then price 2, or 3/2 for both."""
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2)
    none = np.zeros((2, 2))
    first = mo.results.BankPeriod([0], [[1, 1]], [[0.5, 0.5]], [[0, 1]], [[0, 0]])
    frame = mo.results.BankTable(
        env, [first, mo.results.BankPeriod([0.5, 1.5], [[0, 1], [1, 1]], [[0, 2], [1.5, 1.5]], none, none)]
    )
    frame = frame.to_frame()
    assert frame.columns.tolist() == ["period", "balance", "reach", "report", "allocation", "payment", "after"]
    assert frame.to_numpy().tolist() == [
        [0, 0, 1, 1, 1, 0.5, 0.5],
        [0, 0, 1, 2, 1, 0.5, 1.5],
        [1, 0.5, 0.5, 1, 0, 0, 0],
        [1, 0.5, 0.5, 2, 1, 2, 0],
        [1, 1.5, 0.5, 1, 1, 1.5, 0],
        [1, 1.5, 0.5, 2, 1, 1.5, 0],
    ]


def test_a_mechanism_of_current_reports_has_a_row_a_period_profile_and_agent():
    env = mo.MarkovTypes(
        [[[0, 0], [0, 2]]], [[[HALF[0:1] * 2] * 2] * 2], [HALF], discount="1/2", actions=["keep", "sell"]
    )
    price = np.array([0.0, 1.0])
    frame = mo.results.MarkovMechanism(env, [np.array([0, 1])], [[price + 3, price]]).to_frame()
    assert frame.to_dict("records") == [
        {"period": 0, "reports": (0,), "agent": 0, "action": "keep", "payment": 3.0},
        {"period": 0, "reports": (1,), "agent": 0, "action": "sell", "payment": 4.0},
        {"period": 1, "reports": (0,), "agent": 0, "action": "keep", "payment": 0.0},
        {"period": 1, "reports": (1,), "agent": 0, "action": "sell", "payment": 1.0},
    ]


@pytest.mark.parametrize("build", [mo.repeated_myerson, mo.give_for_free])
def test_other_forms_are_written_out(build):
    bank = build(mo.IndependentTypes.iid([1, 2], HALF, horizon=2))
    assert bank.to_frame().equals(bank.to_mechanism().to_frame())


def test_what_has_no_form_is_refused():
    from mechopt.mechanism.frame import to_frame

    with pytest.raises(mo.InputError, match="a dict is in no form that is tabulated"):
        to_frame({})
