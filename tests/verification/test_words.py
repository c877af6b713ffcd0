"""What a counterexample says in words and in plain values."""

import mechopt as mo
from mechopt.verification.independent.replay import Counterexample


def test_a_misreport_of_one_buyer_of_two():
    found = Counterexample(mo.ExPostIC(), 1, 2, ((0, 1), (2, 0)), 1, 0, 0.25, (3,), ((1, 1),))
    assert str(found) == (
        "agent 1, period 2, after history [[0, 1], [2, 0]]: type 1 reports 0 while the others are [3] and gains 0.25"
    )
    assert found.to_dict() == {
        "agent": 1,
        "period": 2,
        "history": [[0, 1], [2, 0]],
        "true_type": 1,
        "report": 0,
        "gain": 0.25,
        "others": [3],
        "future": [[1, 1]],
    }


def test_a_utility_below_zero_of_a_single_buyer():
    found = Counterexample(mo.Interim(), 0, 1, ((2,),), 1, 1, 0.5, ())
    assert str(found) == "agent 0, period 1, after history [2]: the utility of type 1 is -0.5"
    assert "others" not in found.to_dict() and "future" not in found.to_dict()


def test_a_utility_on_average_over_types():
    found = Counterexample(mo.PEIR(), 0, 0, (), None, None, 2.0)
    assert str(found) == "agent 0, period 0, after history []: the utility is -2"
