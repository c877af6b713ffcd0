"""Sweeps: points, rows and tables; what is kept is not computed again; failures are rows with a reason."""

import math
import sqlite3
import threading
import time
from contextlib import closing
from fractions import Fraction

import pandas as pd
import pytest

import mechopt as mo
from mechopt.study.sweep import point as sweep_point
from mechopt.study.sweep.point import Recording, point_key, record_point
from mechopt.study.sweep.store import Store, kept_rows
from mechopt.study.sweep.study_file import read_study
from mechopt.study.sweep.sweep import sweep
from tests.study.sweeps import BASE, MANY, OPTIMA, comparable, file_of, write_study


def test_grid_gives_the_known_optima_and_what_a_comparison_gives(tmp_path):
    study = write_study(
        tmp_path, 'model = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\nhorizon = [1, 2, 3, 4]'
    )
    frame = sweep(study).to_frame()
    assert frame["horizon"].tolist() == [1, 2, 3, 4]
    assert frame["status"].tolist() == ["done"] * 4
    assert frame["value"].tolist() == pytest.approx(list(OPTIMA.values()))
    for column in ("bound.lower", "bound.upper"):
        assert frame[column].tolist() == pytest.approx(list(OPTIMA.values()))
    assert frame["repeated-myerson.revenue"].tolist() == pytest.approx([1, 2, 3, 4])  # price 1, each period
    assert frame["repeated-myerson.ratio"].tolist() == pytest.approx([t / OPTIMA[t] for t in OPTIMA])
    assert (frame["welfare"] - frame["utilities.0"]).tolist() == pytest.approx(list(OPTIMA.values()))
    assert {"seconds", "size.rows", "size.columns", "size.nonzeros"} <= set(frame.columns)


def test_grid_of_two_keys_is_every_combination_last_key_fastest(tmp_path):
    text = 'model = "base.toml"\nrecord = ["value"]\n[grid]\nbuyers.0.values = [[1, 2], ["4/3", "8/3"]]\n'
    found = sweep(write_study(tmp_path, text + "horizon = { from = 1, to = 2 }"))
    assert [(p.varied["buyers.0.values"], p.varied["horizon"]) for p in found.points] == [
        ("[1, 2]", 1),
        ("[1, 2]", 2),
        ("[4/3, 8/3]", 1),
        ("[4/3, 8/3]", 2),
    ]
    assert [row["value"] for row in found.rows] == pytest.approx([1, 9 / 4, 4 / 3, 3])  # revenue scales with values
    assert mo.loads(found.points[2].text).exact.values[0][0] == (Fraction(4, 3), Fraction(8, 3))


def test_points_take_no_title_or_expected_results_from_the_base(tmp_path):
    study = read_study(write_study(tmp_path, 'model = "base.toml"\n[grid]\ndiscount = ["1/3"]'))
    (point,) = study.points()
    assert "expected" not in point.text
    assert "title" not in point.text
    assert mo.loads(point.text).exact.discount == Fraction(1, 3)


def test_values_that_make_the_model_invalid_are_rows_with_the_reason(tmp_path):
    found = sweep(write_study(tmp_path, 'model = "base.toml"\n[grid]\ndiscount = [1, 2]\nhorizon = [1, 0]'))
    assert [row["status"] for row in found.rows] == ["done", "invalid", "invalid", "invalid"]
    assert "horizon: is 0; there must be at least one period" in found.rows[1]["reason"]
    assert "discount: is 2; it must be above 0 and at most 1" in found.rows[2]["reason"]
    assert all(key in found.rows[3]["reason"] for key in ("discount", "horizon"))
    assert found.to_frame()["value"].isna().tolist() == [False, True, True, True]


def test_mechanism_that_does_not_fit_a_point_is_left_out_there_and_named(tmp_path):
    text = 'model = "base.toml"\nmechanisms = ["two-period", "repeated-myerson"]\n[grid]\nhorizon = [2, 3]'
    found = sweep(write_study(tmp_path, text))
    assert [row["status"] for row in found.rows] == ["done", "done"]
    assert found.rows[0]["reason"] == ""
    assert found.rows[1]["reason"].startswith("left out: two-period: ")
    assert "two-period.ratio" in found.rows[0]
    assert "two-period.ratio" not in found.rows[1]
    assert found.rows[1]["repeated-myerson.ratio"] == pytest.approx(3 / OPTIMA[3])


PERSISTENT = """
kind = "markov"
horizon = 2
actions = ["none", "sell"]
[[agents]]
types = ["low", "high"]
initial = ["1/2", "1/2"]
values = [[0, 0], [1, 2]]
kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
"""


def test_types_that_move_are_swept_by_the_same_keys(tmp_path):
    """By hand: types independent across periods let the second period be sold in advance at E v = 3/2, besides 1 for
    the first; types
    that stay earn twice the static 1 (Baron and Besanko 1984)."""
    text = """
    model = "base.toml"
    mechanisms = ["efficient-welfare", "repeated-myerson"]
    [grid]
    agents.0.kernel = [[["1/2", "1/2"], ["1/2", "1/2"]], [[1, 0], [0, 1]]]
    """
    found = sweep(write_study(tmp_path, text, PERSISTENT))
    assert found.statuses == {"done": 2}
    assert [row["value"] for row in found.rows] == pytest.approx([5 / 2, 2])
    assert [row["efficient-welfare.revenue"] for row in found.rows] == pytest.approx([3, 3])
    for row in found.rows:
        assert row["reason"] == "left out: repeated-myerson: is not for environments of this kind"


def test_constraints_of_the_study_come_before_those_of_the_model(tmp_path):
    text = 'model = "base.toml"\nrecord = ["value"]\n{constraints}\n[grid]\nhorizon = [3]'
    plain, static = (sweep(write_study(tmp_path, text.format(constraints=n))) for n in ("", 'ic = "super-dic"'))
    assert (plain.rows[0]["value"], static.rows[0]["value"]) == pytest.approx((7 / 2, 3))  # three static auctions


RIVALS = """
kind = "markov"
horizon = 1
actions = ["A", "B"]
[[agents]]
types = ["1", "2"]
initial = [0.5, 0.5]
values = [[1, 2], [0, 0]]
kernel = [[0.5, 0.5], [0.5, 0.5]]
[[agents]]
types = ["1", "2"]
initial = [0.5, 0.5]
values = [[0, 0], [1, 2]]
kernel = [[0.5, 0.5], [0.5, 0.5]]
"""
"""Two agents whose types persist: there is no dynamic program for them. The larger value is 7/4 on average."""


def test_too_large_program_is_a_row_with_its_figures(tmp_path):
    (row,) = sweep(write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [40]', RIVALS)).rows
    assert row["status"] == "size"
    assert "non-zeros" in row["reason"]
    assert row["bound.lower"] == 0
    assert row["bound.upper"] == pytest.approx(40 * 1.75)  # first best


def test_solver_out_of_time_is_a_row_with_its_bracket():
    model = 'kind = "independent"\nhorizon = 7\n[[buyers]]\nvalues = [1, 2, 4, 7]\nprobabilities = [0.3, 0.3, 0.2, 0.2]'
    row = record_point(model, Recording(("value", "bound"), seconds=0.01))
    assert row["status"] == "time"
    assert "raise limits.seconds" in row["reason"]
    assert row["bound.upper"] >= row["bound.lower"]


def test_anything_else_out_of_time_is_stopped_by_the_alarm(monkeypatch):
    monkeypatch.setattr(sweep_point, "GRACE_SECONDS", 0.05)
    ended = threading.Event()
    monkeypatch.setattr(sweep_point, "optimum", lambda *arguments, **options: time.sleep(60) or ended.set())
    row = record_point(BASE, Recording(("value",), seconds=0.1))
    assert not ended.is_set()
    assert (row["status"], row["reason"]) == ("time", "stopped after 0.1 s; raise limits.seconds")


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), MemoryError("x"), TypeError("x")], ids=["arithmetic", "memory", "type"]
)
def test_an_error_of_one_point_is_its_row(monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(sweep_point, "optimum", fail)
    row = record_point(BASE, Recording(("value",)))
    assert (row["status"], row["reason"]) == ("failed", f"{type(error).__name__}: x")


def test_no_optimum_is_a_failed_row(tmp_path):
    (row,) = sweep(write_study(tmp_path, 'model = "base.toml"\nir = "none"\n[grid]\nhorizon = [1]')).rows
    assert row["status"] == "failed"
    assert "unbounded" in row["reason"]


def test_what_is_kept_is_not_computed_again(tmp_path):
    study = write_study(tmp_path, MANY.format(count=12))
    whole = sweep(study, tmp_path / "out")
    assert (whole.fresh, len(whole.rows)) == (12, 12)
    before = kept_rows(tmp_path / "out")
    assert len(before) == 12
    with closing(sqlite3.connect(file_of(tmp_path / "out"))) as file, file:
        file.executemany("DELETE FROM points WHERE key = ?", [(key,) for key, _ in before[:4]])
        file.execute("UPDATE points SET row = ? WHERE key = ?", ('{"sta', before[4][0]))  # damaged: computed again
    resumed = sweep(study, tmp_path / "out")
    assert (resumed.fresh, comparable(resumed)) == (5, comparable(whole))
    assert kept_rows(tmp_path / "out")[:7] == before[5:]  # seconds included: not written again
    more = sweep(write_study(tmp_path, MANY.format(count=15)), tmp_path / "out")
    assert (more.fresh, comparable(more)[:12]) == (3, comparable(whole))


def test_a_point_that_differs_in_anything_has_another_key():
    recording = Recording(("value",), ("two-period",), "dic", "epir", 10.0, "1.0")
    others = [
        (BASE.replace("2]", "3]"), recording),
        (BASE, Recording(("bound",), ("two-period",), "dic", "epir", 10.0, "1.0")),
        (BASE, Recording(("value",), ("asymptotic",), "dic", "epir", 10.0, "1.0")),
        (BASE, Recording(("value",), ("two-period",), "ppic", "epir", 10.0, "1.0")),
        (BASE, Recording(("value",), ("two-period",), "dic", "interim", 10.0, "1.0")),
        (BASE, Recording(("value",), ("two-period",), "dic", "epir", 20.0, "1.0")),
        (BASE, Recording(("value",), ("two-period",), "dic", "epir", 10.0, "1.1")),
    ]
    assert len({point_key(*other) for other in [(BASE, recording), *others]}) == 8
    assert len(point_key(BASE, recording)) == 64


def test_retry_computes_what_failed_and_nothing_else(tmp_path, monkeypatch):
    study = write_study(tmp_path, 'model = "base.toml"\nrecord = ["value"]\n[grid]\nhorizon = [1, 2]')
    monkeypatch.setattr(sweep_point, "optimum", lambda env, *a, **o: mo.optimum(env) if env.horizon == 1 else 1 // 0)
    assert sweep(study, tmp_path / "out").statuses == {"done": 1, "failed": 1}
    monkeypatch.undo()
    assert sweep(study, tmp_path / "out").statuses == {"done": 1, "failed": 1}
    again = sweep(study, tmp_path / "out", retry=True)
    assert (again.fresh, again.statuses) == (1, {"done": 2})


def test_progress_tells_what_is_there_and_what_is_to_come(tmp_path):
    told = []
    sweep(write_study(tmp_path, MANY.format(count=2)), tmp_path / "out")
    study = write_study(tmp_path, MANY.format(count=5))
    sweep(study, tmp_path / "out", progress=lambda *numbers: told.append(numbers))
    assert (told[0][:2], told[-1][:2]) == ((2, 5), (5, 5))
    assert [numbers[0] for numbers in told] == sorted({numbers[0] for numbers in told})
    assert [numbers[2] for numbers in told] == sorted(numbers[2] for numbers in told)


def test_tables_as_csv_and_parquet_hold_the_same(tmp_path):
    found = sweep(write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1, 2]\ndiscount = [1, 2]'))
    found.to_csv(tmp_path / "table.csv")
    found.to_parquet(tmp_path / "table.parquet")
    text = pd.read_csv(tmp_path / "table.csv", index_col="point")
    binary = pd.read_parquet(tmp_path / "table.parquet")
    assert text.columns.tolist() == binary.columns.tolist()
    assert text.columns.tolist()[:4] == ["horizon", "discount", "status", "reason"]
    assert text["value"].tolist() == pytest.approx(binary["value"].tolist(), nan_ok=True)
    assert binary["status"].tolist() == ["done", "invalid", "done", "invalid"]


def test_infinite_horizon_beside_numbers_is_text_in_parquet(tmp_path):
    text = 'model = "base.toml"\nrecord = ["value"]\n[grid]\nhorizon = [1, "infinite"]\ndiscount = [0.5]'
    found = sweep(write_study(tmp_path, text, PERSISTENT))
    assert [(p.varied["horizon"], row["status"]) for p, row in zip(found.points, found.rows, strict=True)] == [
        (1, "done"),
        ("infinite", "done"),
    ]
    found.to_parquet(tmp_path / "table.parquet")
    assert pd.read_parquet(tmp_path / "table.parquet")["horizon"].tolist() == ["1", "infinite"]


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    found = sweep(write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1]'))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(mo.InputError, match=r'pip install "mechopt\[parquet\]"'):
        found.to_parquet(tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()


def test_worst_is_the_smallest_ratio_of_the_points_that_are_done(tmp_path):
    text = 'model = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\nhorizon = [1, 3, 2]\ndiscount = [1, 2]'
    found = sweep(write_study(tmp_path, text))
    point, row = found.worst("repeated-myerson")
    assert (point.varied["horizon"], row["repeated-myerson.ratio"]) == (3, pytest.approx(6 / 7))
    assert found.worst("asymptotic") is None


def test_a_mechanism_without_a_ratio_is_never_the_worst(tmp_path):
    """Where nothing has value the optimum is 0 and no share is defined."""
    text = 'model = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\ncost = [2]'
    found = sweep(write_study(tmp_path, text))
    assert found.rows[0]["status"] == "done"
    assert found.worst("repeated-myerson") is None
    assert not any(isinstance(v, float) and math.isnan(v) for v in found.rows[0].values())


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(mo.InputError, match="cannot make this folder"):
        Store(tmp_path / "file")


@pytest.mark.parametrize("workers", [0, -1, 10**6])
def test_wrong_numbers_of_workers_are_refused(tmp_path, workers):
    with pytest.raises(mo.InputError, match=f"workers is {workers}"):
        sweep(write_study(tmp_path, MANY.format(count=1)), workers=workers)


def test_shards_are_a_partition_and_merge_into_the_whole(tmp_path):
    text = 'model = "base.toml"\nrecord = ["value"]\n[grid]\nhorizon = [1, 2, 3, 4]'
    study, folder = write_study(tmp_path, text), tmp_path / "kept"
    parts = [sweep(study, folder, shard=f"{part}/3") for part in (1, 2, 3)]
    assert [[point.varied["horizon"] for point in part.points] for part in parts] == [[1, 4], [2], [3]]
    merged = sweep(study, folder)
    assert (merged.fresh, merged.count) == (0, 4)
    assert [row["value"] for row in merged.rows] == pytest.approx(list(OPTIMA.values()))


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "-1/2", "a/b", "1/2/3"])
def test_shards_that_are_none_are_refused(shard, tmp_path):
    with pytest.raises(mo.InputError, match="shard is"):
        sweep("horizons", shard=shard)


def test_a_shard_has_a_table_of_its_own(tmp_path):
    from typer.testing import CliRunner

    from mechopt.cli.app import application

    done = CliRunner().invoke(application(), ["sweep", "horizons", "--out", str(tmp_path), "--shard", "2/2", "--json"])
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(tmp_path / "sweep-2-of-2.csv")) == 2
    assert not (tmp_path / "sweep.csv").exists()
