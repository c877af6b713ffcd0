"""Many processes: the same rows as one, whatever dies on the way."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import psutil
import pytest

import mechopt as mo
from mechopt.study.sweep import workers as sweep_workers
from mechopt.study.sweep.point import record_point
from mechopt.study.sweep.store import Store, kept_rows
from mechopt.study.sweep.sweep import sweep
from tests.study.sweeps import MANY, comparable, write_study
from tests.waiting import HANG_SECONDS, until

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def deadly(text, recording):
    """Like `record_point`, but for one model that kills its process."""
    if "horizon = 2" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return record_point(text, recording)


def test_two_processes_give_what_one_gives(tmp_path):
    study = write_study(tmp_path, MANY.format(count=10))
    one, two = sweep(study), sweep(study, tmp_path / "out", workers=2)
    assert comparable(two) == comparable(one)
    assert len(kept_rows(tmp_path / "out")) == 10


@POSIX
@pytest.mark.slow
def test_a_local_process_that_dies_loses_nothing(tmp_path):
    study = write_study(tmp_path, MANY.format(count=60))
    before, killed = set(psutil.Process().children()), []

    def kill_one(done, total, seconds):
        if done >= 5 and not killed:
            children = [
                c for c in psutil.Process().children() if c not in before and "popen_loky" in " ".join(c.cmdline())
            ]
            children[0].kill()
            killed.append(done)

    found = sweep(study, tmp_path / "out", workers=2, progress=kill_one)
    assert killed
    assert (found.fresh, found.statuses) == (60, {"done": 60})
    assert comparable(found) == comparable(sweep(study))


@POSIX
@pytest.mark.slow
def test_the_point_that_kills_its_process_is_a_row(tmp_path, monkeypatch):
    text = 'model = "base.toml"\nrecord = ["value"]\n[grid]\nhorizon = [1, 2, 3, 4]'
    monkeypatch.setattr(sweep_workers, "record_point", deadly)
    found = sweep(write_study(tmp_path, text), workers=2)
    assert [row["status"] for row in found.rows] == ["done", "failed", "done", "done"]
    assert found.rows[1]["reason"].startswith("the worker process died at this point")


def started(tmp_path, *options):
    """``mechopt sweep`` in a session of its own, as a terminal starts it, once it has kept ten points."""
    command = [sys.executable, "-m", "mechopt", "sweep", "study.toml", "--out", "out", *options]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: len(kept(tmp_path)) >= 10, process)
    return process


def kept(tmp_path):
    """Every row that is kept, by key; nothing while a file is being made."""
    try:
        return dict(kept_rows(tmp_path / "out"))
    except sqlite3.OperationalError:
        return {}


@POSIX
@pytest.mark.parametrize(
    "workers", [pytest.param(1, id="in-one-process"), pytest.param(2, id="on-two-processes", marks=pytest.mark.slow)]
)
def test_killed_sweep_goes_on_without_redoing_or_losing_a_point(tmp_path, workers):
    study = write_study(tmp_path, MANY.format(count=600))
    process = started(tmp_path, "--workers", str(workers))
    process.kill()  # SIGKILL
    process.wait()
    process.stdout.close()
    process.stderr.close()
    before = kept(tmp_path)
    assert 10 <= len(before) < 600
    assert all(row["status"] == "done" for row in before.values())
    found = sweep(study, tmp_path / "out")
    after = kept(tmp_path)
    assert (len(after), found.fresh) == (600, 600 - len(before))
    assert before.items() <= after.items()
    assert comparable(found) == comparable(sweep(study))
    until(lambda: not [p for p in psutil.process_iter(["pid"]) if belongs(p, process.pid)])  # its workers end by then


def belongs(process, session):
    """Whether a process is of a session."""
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


@POSIX
@pytest.mark.parametrize(
    "workers", [pytest.param(1, id="in-one-process"), pytest.param(2, id="on-two-processes", marks=pytest.mark.slow)]
)
def test_ctrl_c_leaves_a_table_of_what_there_is_and_exit_status_3(tmp_path, workers):
    study = write_study(tmp_path, MANY.format(count=600))
    process = started(tmp_path, "--workers", str(workers), "--json")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole session
    output, messages = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 3, messages
    document = json.loads(output)
    assert document["interrupted"]
    assert 10 <= document["rows"] < 600
    assert messages.strip().endswith(
        f"stopped after {document['rows']:,} of 600 points; the same command goes on from there"
    )
    assert len(kept(tmp_path)) == document["rows"]
    assert len((tmp_path / "out" / "sweep.csv").read_text().splitlines()) == document["rows"] + 1
    found = sweep(study, tmp_path / "out")
    assert (found.fresh, found.statuses) == (600 - document["rows"], {"done": 600})


@POSIX
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_ctrl_c_while_a_batch_is_kept_leaves_it_in_the_table(tmp_path, monkeypatch, workers):
    study = write_study(tmp_path, MANY.format(count=60))
    monkeypatch.setattr(sweep_workers, "BATCH_SECONDS", 0.0)
    write = Store.write

    def pressed(store, rows, recording):
        write(store, rows, recording)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", pressed)
            found = sweep(study, tmp_path / "out", workers=workers)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert found.interrupted
    assert 1 <= len(found.rows) == len(kept_rows(tmp_path / "out")) < 60


def test_another_version_at_a_worker_stops_the_sweep(tmp_path, monkeypatch):
    study = write_study(tmp_path, MANY.format(count=3))
    monkeypatch.setattr(mo, "__version__", "0.0.9")
    from mechopt.study.sweep.study_file import read_study

    asked = read_study(study)
    monkeypatch.undo()
    with pytest.raises(mo.InputError, match=r"this worker has mechopt .*, the sweep 0\.0\.9"):
        sweep(asked)
