"""``mechopt sweep`` and ``mechopt search`` as a user calls them."""

import json
import sys

import pandas as pd
import pytest

import mechopt as mo
from tests.study.sweeps import BASE, OPTIMA, write_study

GRID = 'title = "Horizons"\nmodel = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\nhorizon = [1, 2, 3]\n'
SEARCH = """
title = "Two periods"
source = "None: an example"
seed = 2
[family]
horizon = 2
types = 2
[search]
mechanism = "two-period"
budget = 40
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_sweep_writes_its_table_and_the_worst_instance_that_compare_confirms(mechopt, tmp_path):
    write_study(tmp_path, GRID)
    status, out, err = mechopt("sweep", "study.toml")
    assert (status, err) == (0, "")
    assert "points                  3 of 3: 3 done" in out
    assert "ratio 0.857143 at point 2: study.sweep/worst-repeated-myerson.toml" in out  # 3 / (7/2)
    frame = pd.read_csv(tmp_path / "study.sweep" / "sweep.csv")
    assert frame["value"].tolist() == pytest.approx([OPTIMA[t] for t in (1, 2, 3)])
    status, _, err = mechopt("compare", "study.sweep/worst-repeated-myerson.toml", "--check")
    assert status == 0
    assert "as expected: optimum.value: expected 3.5" in err
    assert "as expected: mechanisms.1.ratio: expected 0.857142857143" in err
    header = (tmp_path / "study.sweep" / "worst-repeated-myerson.toml").read_text().splitlines()[:2]
    assert header == [f"# Found by mechopt {mo.__version__}, seed 0:", "#     mechopt sweep study.toml"]


def test_sweep_again_computes_nothing_and_gives_one_document(mechopt, tmp_path):
    write_study(tmp_path, GRID)
    documents = [json.loads(mechopt("sweep", "study.toml", "--json", "--out", "kept")[1]) for _ in range(2)]
    assert [document["computed"] for document in documents] == [3, 0]
    assert documents[0]["worst"] == documents[1]["worst"]
    assert set(documents[0]) == {
        "points", "rows", "computed", "statuses", "seconds", "interrupted", "damaged", "worst", "files"
    }  # fmt: skip


def test_sweep_writes_parquet_and_a_picture_where_asked(mechopt, tmp_path):
    write_study(tmp_path, GRID + "discount = [1, 0.5]\n")
    status, out, _ = mechopt("sweep", "study.toml", "--parquet", "--plot", "map.png", "--json")
    assert status == 0
    assert json.loads(out)["files"] == ["study.sweep/sweep.csv", "study.sweep/sweep.parquet", "map.png"]
    assert len(pd.read_parquet(tmp_path / "study.sweep" / "sweep.parquet")) == 6
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_sweep_without_any_point_done_has_exit_status_1(mechopt, tmp_path):
    write_study(tmp_path, GRID.replace("[1, 2, 3]", "[0, -1]"))
    status, out, err = mechopt("sweep", "study.toml")
    assert status == 1
    assert "2 of 2: 2 invalid" in out
    assert "no point could be computed; the column reason of the table says why" in err
    assert "horizon: is -1" in (tmp_path / "study.sweep" / "sweep.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "nowhere.toml"], "nowhere.toml: no such file; bundled: "),
        (["sweep", "study.toml", "--plot", "map.gif"], "pictures end in .png, .svg or .pdf"),
        (["sweep", "study.toml", "--out", "base.toml"], "cannot make this folder"),
        (["sweep", "study.toml", "--scheduler", "tcp://:x"], "no Dask scheduler with workers answers there"),
        (["search", "study.toml"], "study.toml: family: is missing"),
    ],
    ids=["no-study", "unknown-picture", "file-as-folder", "no-address", "sweep-as-search"],
)
def test_refused(mechopt, tmp_path, arguments, message):
    if "--scheduler" in arguments:
        pytest.importorskip("distributed", reason='needs Dask; pip install "mechopt[dask]"')
    write_study(tmp_path, GRID)
    status, _, err = mechopt(*arguments)
    assert status == 2
    assert message in err


def test_parquet_without_pyarrow_is_refused_before_any_work(mechopt, tmp_path, monkeypatch):
    write_study(tmp_path, GRID)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, _, err = mechopt("sweep", "study.toml", "--parquet")
    assert (status, (tmp_path / "study.sweep").exists()) == (2, False)
    assert 'pip install "mechopt[parquet]"' in err


def test_search_writes_the_worst_instance_that_compare_confirms(mechopt, tmp_path):
    write_study(tmp_path, SEARCH, BASE)
    status, out, err = mechopt("search", "study.toml", "--json", "--budget", "50")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert (document["mechanism"], document["evaluations"]) == ("two-period", 50)
    assert 1 / 2 - 1e-9 <= document["ratio"] < 0.6  # half the optimum is guaranteed, and reached in the limit
    assert document["confirm"] == "mechopt compare study.sweep/worst-two-period.toml --check"
    text = (tmp_path / document["file"]).read_text()
    assert text.startswith(
        f"# Found by mechopt {mo.__version__}, seed 2:\n#     mechopt search study.toml --budget 50\n"
    )
    assert 'source = "None: an example"' in text
    status, _, err = mechopt("compare", document["file"], "--check")
    assert status == 0
    assert err.count("as expected: ") == 3
    assert mo.load(tmp_path / document["file"]).exact is not None
    status, out, _ = mechopt("search", "study.toml", "--budget", "50")
    assert status == 0
    assert f"ratio        {document['ratio']:.9g}" in out


def test_bars_are_for_terminals_alone(mechopt, tmp_path, monkeypatch):
    write_study(tmp_path, GRID)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    from mechopt.cli.sweep import points_shown, tries_shown

    with points_shown() as show:
        show(1, 10, 0.0)
        show(4, 10, 2.0)
    with tries_shown() as show:
        show(3, 10, 0.5)
    monkeypatch.undo()
    with points_shown() as show:
        assert show is None
