"""Public functions and constructors refuse arguments of wrong types in one sentence that says what to give."""

import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree

ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2)
TREE = PublicTree(joint_process(mo.families.battaglini(horizon=2)))
STRANGE = {"object": object(), "number": 7, "text": "nonsense", "list": [1, "a"], "dict": {"a": 1}, "none": None}

CALLS = {
    "mechanism": (lambda x: mo.Mechanism(x, x, x), "Mechanism takes IndependentTypes"),
    "allocation": (lambda x: mo.Mechanism(ENV, x, x), r"^allocation"),
    "sequence": (lambda x: mo.SequenceMechanism(x, x, x), "SequenceMechanism takes PublicTree"),
    "weights": (lambda x: mo.SequenceMechanism(TREE, x, x), r"^allocation"),
    "scenarios": (lambda x: mo.mechanisms.ScenariosMechanism(x, x), "ScenariosMechanism takes Scenarios"),
    "money-burning": (lambda x: mo.capped_money_burning(x, 1), r"^buyers"),
    "second-price": (mo.mechanisms.second_price, r"^buyers"),
    "balance": (mo.mechanisms.balance, "balance takes Mechanism"),
    "draws": (lambda x: mo.mechanisms.draws_needed(x, 1.0), "takes InterdependentTypes"),
    "proof": (lambda x: mo.check_formula("nothing", x), "check_formula takes"),
    "public-states": (lambda x: mo.families.PublicStates(x, x), r"^states"),
    "separable-states": (lambda x: mo.families.SeparableStates(x, x), r"^states"),
    "density": (lambda x: mo.families.signal_grid(x, 2), "signal_grid takes a function"),
    "paths": (mo.figures.balance_paths, "balance_paths takes BankAccountMechanism"),
    "brackets": (mo.figures.bracket_curve, "bracket"),
    "intervals": (lambda x: mo.figures.shrinking_intervals(x, x, x), "shrinking_intervals takes"),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize(("call", "said"), CALLS.values(), ids=CALLS)
def test_wrong_types_are_refused_with_the_right_call(call, said, strange):
    if said == "check_formula takes" and isinstance(strange, str):
        strange = 3.5  # a text is the path of a file
    with pytest.raises(mo.InputError, match=said):
        call(strange)
