"""What a counterexample says in words and in plain values."""

import mechopt as mo
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.persistent.replay import Misreport, PersistentCounterexample


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


def persistent(**more):
    return PersistentCounterexample(mo.EPIR(), 0, 2, ((0, 1), (1, 1)), 1, 1, 0.5, (0,), **more)


def test_actions_on_the_way_are_named_by_their_periods():
    """None where no action is recorded."""
    words = "agent 0, period 2, after history [[0, 1], [1, 1]]: the utility of type 1 while the others are [0] is -0.5"
    for actions, reached in (
        ((None, None), ""),
        ((0, 1), " (actions by period 0: 0, 1: 1)"),
        ((None, 1), " (actions by period 1: 1)"),
        ((0, None), " (actions by period 0: 0)"),
    ):
        assert str(persistent(actions=actions)) == words + reached
        assert str(persistent(actions=actions, action=0)) == words + " under action 0" + reached
        plain = persistent(actions=actions).to_dict()
        assert plain.get("actions") == (list(actions) if reached else None)
        assert "action" not in plain and "strategy" not in plain
    assert persistent(action=0).to_dict()["action"] == 0


def test_a_strategy_is_told_by_its_first_report_and_the_number_of_later_ones():
    first = Misreport((), (1,), 0)
    later = Misreport((((0, 1), None),), (1, 0), 1)
    words = "agent 1, type 1 at first: a strategy that reports"
    for steps, report, told in (
        ((first,), 0, f"{words} 0 gains 0.25"),
        ((first, later), 0, f"{words} 0 and misreports at 1 later point gains 0.25"),
        ((later, later), 1, f"{words} 1 and misreports at 2 later points gains 0.25"),
    ):
        found = PersistentCounterexample(mo.BayesianIC(), 1, 0, (), 1, report, 0.25, strategy=steps)
        assert str(found) == told
    assert found.to_dict()["strategy"][0] == {
        "seen": [{"reports": [0, 1], "action": None}],
        "true_types": [1, 0],
        "report": 1,
    }
