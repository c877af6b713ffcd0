"""Rows and files of a sweep that somebody else wrote."""

import json
import os
import sqlite3
from contextlib import closing

import pytest

import mechopt as mo
from mechopt.study.sweep.store import Store, kept_rows
from mechopt.study.sweep.study_file import read_study
from mechopt.study.sweep.sweep import sweep
from tests.study.sweeps import comparable, file_of, write_study


def forged(folder, change):
    """Change the row of one point in its file; which row that was."""
    (key, row), *_ = sorted(kept_rows(folder))
    with closing(sqlite3.connect(file_of(folder))) as file, file:
        change(file, key, row)
    return f"{file_of(folder)}: row {key}"


def put(column, value):
    def change(file, key, row):
        cell = json.dumps(row | value) if isinstance(value, dict) else value
        file.execute(f"UPDATE points SET {column} = ? WHERE key = ?", (cell, key))

    return change


FORGERIES = {
    "value": put("row", {"value": 1e6}),
    "reason": put("row", {"reason": "x"}),
    "a further cell": put("row", {"welfare": 0.0}),
    "no digest": put("digest", ""),
    "the digest of another": put("digest", "0" * 64),
    "a list": put("row", "[1]"),
    "bytes": put("row", b"{}"),
    "too long": put("row", " " * 10_000_001),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_row_is_computed_again_and_said_so(tmp_path, change, mechopt):
    study = write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1, 2]\n')
    right = sweep(study, tmp_path / "out")
    which = forged(tmp_path / "out", change)
    again = sweep(study, tmp_path / "out")
    assert again.damaged == (which,) and again.fresh == 1
    assert comparable(again) == comparable(right)
    assert sweep(study, tmp_path / "out").damaged == ()
    which = forged(tmp_path / "out", change)
    status, out, err = mechopt("sweep", study, "--out", tmp_path / "out", "--json")
    assert status == 0 and json.loads(out)["damaged"] == [which]
    assert f"{which}: not as it was written (digest); computed again" in err


def test_a_row_of_another_point_under_this_name_is_computed_again(tmp_path):
    study = write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1, 2]\n')
    right = sweep(study, tmp_path / "out")
    (first, _), (second, _) = sorted(kept_rows(tmp_path / "out"))
    with closing(sqlite3.connect(file_of(tmp_path / "out"))) as file, file:
        row, digest = file.execute("SELECT row, digest FROM points WHERE key = ?", (second,)).fetchone()
        file.execute("UPDATE points SET row = ?, digest = ? WHERE key = ?", (row, digest, first))
    again = sweep(study, tmp_path / "out")
    assert again.damaged == (f"{file_of(tmp_path / 'out')}: row {first}",) and comparable(again) == comparable(right)


@pytest.mark.parametrize("spoil", ["pipe", "link to a device", "text", "half"])
def test_a_file_that_holds_no_rows_is_refused_and_left_as_it_is(tmp_path, spoil):
    study = write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1]\n')
    sweep(study, tmp_path / "out")
    path = file_of(tmp_path / "out")
    whole = path.read_bytes()
    path.unlink()
    if spoil == "pipe":
        os.mkfifo(path)
    elif spoil == "link to a device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"point,value\n" * 400 if spoil == "text" else whole[:700])
    with pytest.raises(mo.InputError, match=r"rows\.sqlite: cannot keep rows in this file .* move it away"):
        sweep(study, tmp_path / "out")
    assert path.is_fifo() or path.is_symlink() or path.read_bytes() != whole


def test_the_file_of_another_shard_that_cannot_be_read_is_named_and_its_rows_computed(tmp_path):
    study = write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1, 2]\n')
    sweep(study, tmp_path / "out", shard="1/2")
    other = tmp_path / "out" / "points" / "rows-2-of-2.sqlite"
    other.write_text("nothing")
    found = sweep(study, tmp_path / "out")
    assert (found.fresh, found.damaged) == (1, (str(other),))
    assert other.read_text() == "nothing"


def test_rows_of_a_transaction_that_was_not_finished_are_not_there(tmp_path):
    study = write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1, 2]\n')
    store = Store(tmp_path / "out")
    recording = read_study(study).recording
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.write({"a": {"status": "done"}, "b": {"status": object()}}, recording)
    assert kept_rows(tmp_path / "out") == [] and store.empty
    store.write({"a": {"status": "done"}}, recording)
    assert store.read(["a", "b"], recording) == {"a": {"status": "done"}} and not store.empty
    store.close()
