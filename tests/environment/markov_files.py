"""Markov environments as files and as arguments, and what is wrong with changed ones."""

import pytest

from mechopt import modelfile
from mechopt.core.errors import InputError
from mechopt.environment.markov import MarkovTypes

STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
GOOD = """
kind = "markov"
horizon = "infinite"
discount = "9/10"
actions = ["none", "A", "B"]
cost = [0, 0, "1/3"]

[[agents]]
name = "A"
types = ["low", "high"]
initial = [0.4, 0.6]
values = [[0, 0], [1, 2], [0, 0]]
kernel = [[0.75, 0.25], [0.25, 0.75]]

[[agents]]
initial = [0.1, 0.2, 0.7]
values = [[0, 0, 0], [0, 0, 0], [-1, 2, 3]]
kernel = [
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [["1/3", "1/3", "1/3"], [0, 0.5, 0.5], [0, 0, 1]],
]
"""
BY_PERIOD = """
kind = "markov"
horizon = 2
actions = ["keep", "sell"]

[[agents]]
initial = [1]
kernel = [[0.5, 0.5]]

[[agents.periods]]
types = ["new"]
values = [[0], [1]]

[[agents.periods]]
types = ["bad", "good"]
values = [[0, 0], [0, 3]]
"""


ACTIONS_BY_PERIOD = """
kind = "markov"
horizon = 2
actions = [["contract"], ["keep", "sell"]]
cost = [0, [0, "1/3"]]

[[agents]]
initial = [0.5, 0.5]
kernel = [[0.5, 0.5], [0, 1]]

[[agents.periods]]
values = [[0, 0]]

[[agents.periods]]
values = [[0, 0], [1, 3]]
"""


def arguments(**changed):
    given = {
        "values": [[[0, 0], [1, 2]], [[0, 0, 0], [3, 4, 5]]],
        "kernel": [STAY, [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]] * 2],
        "initial": [[0.5, 0.5], ["1/3", "1/3", "1/3"]],
        "horizon": 3,
    }
    return given | changed


def faults(**changed):
    with pytest.raises(InputError) as error:
        MarkovTypes(**arguments(**changed))
    return {fault.where: str(fault) for fault in error.value.faults}


def file_faults(text):
    with pytest.raises(InputError) as error:
        modelfile.loads(text)
    return {fault.where: str(fault) for fault in error.value.faults}
