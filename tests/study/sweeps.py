"""Study files for the tests of sweeps."""

BASE = """
title = "Two values"
kind = "independent"
horizon = 1
[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
[expected]
value = 1
"""

OPTIMA = {1: 1.0, 2: 9 / 4, 3: 7 / 2, 4: 153 / 32}
"""Of values 1 and 2 with probability 1/2 each, by horizon; from the exact promised-utility recursion."""

MANY = """
seed = 7
record = ["value", "bound"]
mechanisms = ["non-clairvoyant-balance"]
[family]
count = {count}
horizon = [2, 3]
types = [2, 3]
"""


def write_study(folder, text, base=BASE):
    """A study file beside its base model."""
    (folder / "base.toml").write_text(base)
    path = folder / "study.toml"
    path.write_text(text)
    return path


def comparable(sweep):
    """Rows without what differs from run to run."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in sweep.rows]


def file_of(folder):
    """The one file of rows of a sweep."""
    (path,) = (folder / "points").glob("*.sqlite")
    return path
