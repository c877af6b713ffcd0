"""Files of independent types, and changed ones."""

import pytest

import mechopt as mo

GOOD = """
kind = "independent"
horizon = 2

[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
"""
BY_PERIOD = """
kind = "independent"
horizon = 2

[[buyers]]
[[buyers.periods]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
[[buyers.periods]]
values = [3]
probabilities = [1]
"""
BUYER = GOOD[GOOD.index("[[buyers]]") :]
ONE_PERIOD = "[[buyers.periods]]\nvalues = [1]\nprobabilities = [1]\n"


def with_values(values):
    return GOOD.replace("[1, 2]", values)


def with_distributions(probabilities):
    return GOOD.replace('["1/2", "1/2"]', probabilities)


def with_key(line):
    return GOOD.replace("horizon = 2", f"horizon = 2\n{line}")


def with_horizon(horizon):
    return GOOD.replace("horizon = 2", f"horizon = {horizon}")


def table(cases):
    return [pytest.param(*case, id=name) for name, case in cases.items()]


def fault(text):
    """The only fault of a file."""
    with pytest.raises(mo.InputError) as error:
        mo.loads(text)
    assert len(error.value.faults) == 1, str(error.value)
    return error.value.faults[0]
