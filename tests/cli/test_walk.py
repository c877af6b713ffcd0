"""The files on the way from a model file to its optimum are those that README lists.

A file counts if at least one of its functions is called while `mechopt solve` runs; what runs when a module is
imported does not count.
"""

import re
from pathlib import Path

import pytest

import mechopt
from tests.cli.walk import files_entered

README = (Path(mechopt.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
LISTS = README.split("One model file to one number")[1].split("The command line makes one `Problem`")[0]
BOTH, INDEPENDENT, PERSISTENT = (re.findall(r"`([\w/]+\.py)`", part) for part in LISTS.split("\n- ")[1:])


@pytest.mark.parametrize(
    ("model", "own"),
    [("mirrokni-2020/two-values-three-periods", INDEPENDENT), ("battaglini-2005/two-types", PERSISTENT)],
    ids=["independent", "persistent"],
)
def test_solve_enters_the_files_that_readme_lists(model, own, capsys, monkeypatch):
    monkeypatch.setattr("mechopt.show.explain.table.few_states", lambda best: [])  # the number alone
    entered, _ = files_entered("solve", model)
    assert sorted(entered) == sorted([*BOTH, *own])
    assert [file for file in entered if file in BOTH] == BOTH or own is PERSISTENT
