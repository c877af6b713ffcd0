"""The mutation test itself: what it calls noticed is noticed, what it calls alive is alive; and one module of it."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from tests.mutants.changes import mutants_of, read
from tests.mutants.run import CHECKERS, ROOT, modules_of, reasons

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def run(root, report, *arguments):
    """Exit status, what was printed, and verdicts by change."""
    command = [sys.executable, "-m", "tests.mutants.run", "--root", root, *arguments, "--out", report]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    return done.returncode, done.stdout + done.stderr, {(*line["key"][1:4],): line["verdict"] for line in lines}


CHECKED = """
LIMIT = 3


def within(x):
    return x <= LIMIT


def count(n):
    while n > 0:
        n -= 2
    return n


def never(x):
    return x + 1


class Sign:
    weight = 2

    def of(self, x):
        return 1 if x > 0 else -self.weight
"""
NOTICES = """
import pytest
from checked import Sign, count, within


@pytest.mark.parametrize("x", [3, 4])
def test_within(x):
    assert within(x) is (x == 3)


def test_count():
    assert count(4) == 0


def test_sign():
    assert [Sign().of(x) for x in (5, -5)] == [1, -2]
"""
SAME = """
[[mutant]]
module = "checked.py"
function = "Sign.of"
source = "return 1 if x > 0 else -self.weight"
change = ["Gt to GtE", "0 to 1"]
why = "nobody asks for the sign of 0"
"""


def test_verdicts_of_a_module_by_hand(tmp_path):
    for name, text in {
        "checked.py": CHECKED,
        "tests/test_checked.py": NOTICES,
        "tests/mutants/equivalent.toml": SAME,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    status, printed, found = run(tmp_path, tmp_path / "report", "checked.py", "--tests", "tests")
    assert status == 1, printed
    assert found == {
        ("module", "LIMIT = 3", "3 to 4"): "killed",
        ("module", "LIMIT = 3", "3 to 2"): "killed",
        ("within", "return x <= LIMIT", "LtE to Lt"): "killed",
        ("within", "return x <= LIMIT", "LtE to Gt"): "killed",
        ("count", "while n > 0:", "Gt to GtE"): "killed",
        ("count", "while n > 0:", "Gt to LtE"): "killed",
        ("count", "while n > 0:", "0 to 1"): "survived",
        ("count", "n -= 2", "Sub to Add"): "timed out",
        ("count", "n -= 2", "2 to 3"): "killed",
        ("count", "n -= 2", "2 to 1"): "survived",
        ("never", "return x + 1", "Add to Sub"): "not entered",
        ("never", "return x + 1", "1 to 2"): "not entered",
        ("never", "return x + 1", "1 to 0"): "not entered",
        ("Sign", "weight = 2", "2 to 3"): "killed",
        ("Sign", "weight = 2", "2 to 1"): "killed",
        ("Sign.of", "return 1 if x > 0 else -self.weight", "Gt to GtE"): "equivalent",
        ("Sign.of", "return 1 if x > 0 else -self.weight", "Gt to LtE"): "killed",
        ("Sign.of", "return 1 if x > 0 else -self.weight", "0 to 1"): "equivalent",
        ("Sign.of", "return 1 if x > 0 else -self.weight", "1 to 2"): "killed",
        ("Sign.of", "return 1 if x > 0 else -self.weight", "1 to 0"): "killed",
        ("Sign.of", "return 1 if x > 0 else -self.weight", "sign or negation dropped"): "killed",
    }
    assert "not entered: checked.py:16:11:0  Add to Sub" in printed
    (tmp_path / "checked.py").write_text(CHECKED.replace("LIMIT = 3", "LIMIT = 2"))
    status, printed, _ = run(tmp_path, tmp_path / "report", "checked.py", "--tests", "tests")
    assert status == 2 and "fails unchanged" in printed


def test_text_types_and_assertions_are_left_alone():
    text = '''
    """One docstring with 1 number."""
    from a import b
    Number = int | float

    def f(x: int | None = None) -> int | str:
        """Another."""
        assert x != 1
        if x is None:
            raise ValueError(f"{x + 1} is not 2")
        return sum(a * b for a, b in zip(x, x, strict=True))
    '''
    found = [mutant.key.change for mutant in mutants_of("a.py", textwrap.dedent(text))]
    assert found == ["Is to IsNot", "Mult to Add"]


def test_lengths_that_are_left_and_limits_of_effort_are_left_alone():
    text = """
    MAX_TERMS = 5 * 10**6
    MAX_SHARE = 0.1
    LIMIT, MAX_ROUNDS = 1, 3

    def f(x):
        MAX_HERE = 7
        return x.reshape(-1, 2).sum(-1) if len(x) > MAX_TERMS else MAX_HERE
    """
    found = [mutant.key.change for mutant in mutants_of("a.py", textwrap.dedent(text))]
    shares = ["0.1 times a million", "1 to 2", "1 to 0", "3 to 4", "3 to 2"]
    lengths = ["sign or negation dropped", "2 to 3", "2 to 1", "sign or negation dropped", "1 to 2", "1 to 0"]
    assert found == [*shares, "7 to 8", "7 to 6", "Gt to GtE", "Gt to LtE", *lengths]


def test_every_reason_is_about_a_mutant_that_there_is():
    keys = {mutant.key for module in modules_of(ROOT, CHECKERS) for mutant in read(ROOT, module)}
    assert not [key for key in reasons(ROOT) if key not in keys]
    assert all(len(why) > 10 for why in reasons(ROOT).values())


def test_the_three_answers_are_pinned_down(tmp_path):
    """Mutants of the verdict that every check rests on; all of them: without ``--sample``."""
    asked = "mechopt/core/rounding.py", "--tests", "tests/verification/test_rounding.py", "--sample", "30"
    status, printed, _ = run(ROOT, tmp_path / "report", *asked)
    assert status == 0, printed
