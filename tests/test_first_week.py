"""The page of ten tasks, from top to bottom in one folder: its files are written, its commands print what it says."""

import re
import shlex
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

from mechopt.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "first-week.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def printed(line, monkeypatch, capsys):
    """Exit status and what a command prints; of one that fails, its messages too."""
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    status = 0
    try:
        main()
    except SystemExit as error:
        status = int(error.code or 0)
    said = capsys.readouterr()
    return status, said.out + (said.err if status else "")


def test_there_are_ten_tasks_and_each_prints_something():
    tasks = re.split(r"^## \d+ ", PAGE, flags=re.MULTILINE)[1:]
    assert len(tasks) == 10
    assert all(re.search(r"^(\$|>>>) ", task, re.MULTILINE) for task in tasks)


def test_commands_print_what_the_page_says(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for info, body in FENCE.findall(PAGE):
        kind, _, rest = info.partition(" ")
        if kind != "console":
            if rest:
                (tmp_path / rest).write_text(body, encoding="utf-8")
            continue
        line, _, expected = body.removeprefix("$ ").partition("\n")
        status, found = printed(line, monkeypatch, capsys)
        assert (status != 0) == rest.endswith("!"), f"{line}: exit status {status}"
        assert OutputChecker().check_output(expected, found, ELLIPSIS | NORMALIZE_WHITESPACE), f"{line}\n{found}"
    for name in ("subscription.html", "bids.toml", "bids.svg", "shares.svg", "results/sweep.csv"):
        assert (tmp_path / name).stat().st_size > 100, name
