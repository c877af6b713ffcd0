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
    status, out, _ = run(monkeypatch, capsys, "size", NAME, "--ir", "per-period", "--json")
    assert (status, json.loads(out)["rows"]) == (0, mo.maximin(mo.load(NAME), ir="per-period").size.rows)
    status, _, err = run(monkeypatch, capsys, "size", NAME, "--form", "utility")
    assert (status, "leave out --form" in " ".join(err.split())) == (2, True)


def test_maximin_saves_proves_and_verify_reads(monkeypatch, capsys, tmp_path):
    rule, proof = str(tmp_path / "rule.npz"), str(tmp_path / "proof.json")
    options = ["--ir", "per-period", "--benchmark", "standard", "--save", rule, "--proof", proof, "--json"]
    status, out, _ = run(monkeypatch, capsys, "maximin", NAME, *options)
    document = json.loads(out)
    assert (status, document["exact"], document["objective"]) == (0, "8/9", "ratio")
    assert document["constraints"] == {"ic": ["dic"], "ir": ["per-period"], "subject_to": []}
    status, out, _ = run(monkeypatch, capsys, "certificate", "check", NAME, proof)
    assert (status, "the mechanism under dic, per-period, that revenue under dic and epir" in out) == (0, True)
    status, out, _ = run(monkeypatch, capsys, "verify", NAME, rule)
    assert (status, "non-clairvoyant" in out, "satisfied" in out) == (0, True, True)
    status, out, _ = run(monkeypatch, capsys, "verify", NAME, rule, "--ic", "super-dic", "--json")
    found = json.loads(out)
    assert (status, found["constraints"]["non-clairvoyant"]["holds"]) == (0, True)
    assert set(found["constraints"]) == {"non-clairvoyant", "super-dic"}
    status, out, _ = run(monkeypatch, capsys, "maximin", NAME, "--objective", "regret", "--json")
    assert (status, json.loads(out)["value"] < 0.34) == (0, True)
    status, out, _ = run(monkeypatch, capsys, "maximin", NAME, "--objective", "regret")
    assert (status, "regret" in out) == (0, True)


def test_what_a_file_asks_for(monkeypatch, capsys, tmp_path):
    text = """
kind = "scenarios"
weights = [1, 10]
[[distributions]]
name = "F1"
values = [1, 4]
probabilities = ["1/2", "1/2"]
[[distributions]]
name = "F2"
values = [2, 4, 8, 16]
probabilities = ["1/2", "1/4", "1/8", "1/8"]
[[scenarios]]
sequence = ["F1"]
[[scenarios]]
sequence = ["F1", "F2"]
[solve]
ir = "per-period"
benchmark = "standard"
"""
    path = tmp_path / "model.toml"
    path.write_text(text)
    found = json.loads(run(monkeypatch, capsys, "maximin", str(path), "--json")[1])
    assert (round(found["value"], 9), found["constraints"]["ir"], found["benchmark"]) == (
        round(8 / 9, 9),
        ["per-period"],
        "standard",
    )
    assert json.loads(run(monkeypatch, capsys, "maximin", str(path), "--ir", "epir", "--json")[1])["ratio"] > 0.9
    size = json.loads(run(monkeypatch, capsys, "size", str(path), "--json")[1])
    assert size["rows"] == mo.formats.guarantee_size(mo.load(str(path)), ir="per-period").rows
    path.write_text(text.replace('ir = "per-period"\nbenchmark = "standard"', 'objective = "weighted"'))
    found = json.loads(run(monkeypatch, capsys, "maximin", str(path), "--json")[1])
    assert (found["objective"], round(found["value"], 9)) == ("weighted", round(21 / 22, 9))
    proof = str(tmp_path / "proof.json")
    assert run(monkeypatch, capsys, "certificate", "make", str(path), proof)[0] == 0
    assert "21/22" in run(monkeypatch, capsys, "certificate", "check", str(path), proof)[1]
    path.write_text(text.replace("per-period", "per-periods"))
    status, _, err = run(monkeypatch, capsys, "maximin", str(path))
    assert (status, "solve.ir" in err) == (2, True)
    moved = text.replace('kind = "scenarios"', 'kind = "scenarios"\n[parameters]\np = ["0", "1"]', 1)
    path.write_text(moved.replace("weights = [1, 10]\n", "").replace('["1/2", "1/2"]', '["1 - p", "p"]'))
    status, out, _ = run(monkeypatch, capsys, "formula", str(path), "--json")
    assert (status, json.loads(out)["objective"]) == (0, "guarantee")
