"""What a counterexample to a constraint on payments says."""

import pytest

import mechopt as mo
from mechopt.verification.payments.counterexample import EVERYBODY, PaymentCounterexample

HERE = "period 1, after history [2] and reports [1]"
WORDS = {
    "no-money": (mo.NoMoney(), 0, f"agent 0, {HERE}: 0.25 is paid"),
    "no-subsidy": (mo.NoSubsidy(), 0, f"agent 0, {HERE}: the agent is paid 0.25"),
    "cap": (mo.PaymentCap(1), 0, f"agent 0, {HERE}: payments are 0.25 above the cap"),
    "budget": (mo.Budget(1), 0, f"agent 0, {HERE}: payments are 0.25 above the budget"),
    "strong": (mo.StrongBudgetBalance(), EVERYBODY, f"{HERE}: payments are 0.25 off the cost"),
    "weak": (mo.WeakBudgetBalance(), EVERYBODY, f"{HERE}: payments are 0.25 short of the cost"),
    "ex-ante": (mo.ExAnteBudgetBalance(), EVERYBODY, "expected payments are 0.25 short of expected costs"),
    "drawn": (mo.Deterministic(), 0, f"agent 0, {HERE}: what is done is drawn, 0.25 off certainty"),
    "drawn-action": (mo.Deterministic(), EVERYBODY, f"{HERE}: what is done is drawn, 0.25 off certainty"),
}


@pytest.mark.parametrize("name", WORDS)
def test_words(name):
    constraint, agent, words = WORDS[name]
    found = PaymentCounterexample(constraint, agent, 1, ((2,),), None, None, 0.25, reports=(1,), actions=(None,))
    assert str(found) == words
    plain = {"period": 1, "history": [[2]], "true_type": None, "report": None, "gain": 0.25, "reports": [1]}
    assert found.to_dict() == plain | {"agent": None if agent == EVERYBODY else 0}


def test_recorded_actions_and_several_agents():
    found = PaymentCounterexample(
        mo.NoMoney(), 1, 2, ((0, 1), (1, 1)), None, None, 0.5, reports=(0, 0), actions=(2, None), action=0
    )
    assert (
        str(found) == "agent 1, period 2, after history [[0, 1], [1, 1]] and reports [0, 0] and action 0: "
        "0.5 (times the weight of what was drawn) is paid"
    )
    assert found.to_dict()["actions"] == [2, None] and found.to_dict()["action"] == 0


@pytest.mark.parametrize(
    ("actions", "action", "drawn"), [((None, 1), None, True), ((None,), 0, True), ((None,), None, False)]
)
def test_amounts_are_times_the_weight_of_any_draw_on_record(actions, action, drawn):
    found = PaymentCounterexample(
        mo.NoMoney(),
        0,
        len(actions),
        ((0,),) * len(actions),
        None,
        None,
        0.5,
        reports=(0,),
        actions=actions,
        action=action,
    )
    assert bool(found.unit) == drawn
