"""`mechopt size` of scenarios is the size of the program that maximin solves."""

import json

import mechopt as mo
from mechopt import cli

NAME = "mirrokni-2020/maximin-equal-revenue-5"


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["mechopt", *words])
    try:
        cli.main()
        status = 0
    except SystemExit as stopped:
        status = stopped.code or 0
    return status, *capsys.readouterr()


def test_size_of_scenarios(monkeypatch, capsys):
    status, out, _ = run(monkeypatch, capsys, "size", NAME, "--json")
    found, best = json.loads(out), mo.maximin(mo.load(NAME))
    assert status == 0
    assert (found["rows"], found["columns"], found["nonzeros"]) == (
        best.size.rows,
        best.size.columns,
        best.size.nonzeros,
    )
    assert found["form"] == "scenarios"
    status, _, err = run(monkeypatch, capsys, "size", NAME, "--ic", "ppic")
    assert (status, "leave out --ic" in " ".join(err.split())) == (2, True)
