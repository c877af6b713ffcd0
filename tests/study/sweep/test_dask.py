"""A real Dask cluster on this machine: a scheduler and two workers, each a process of its own."""

import json
import subprocess
import sys

import pytest

import mechopt as mo
from mechopt.study.sweep.store import kept_rows
from mechopt.study.sweep.sweep import sweep
from tests.study.sweeps import MANY, comparable, write_study
from tests.waiting import HANG_SECONDS, until

pytest.importorskip("distributed", reason='needs Dask; pip install "mechopt[dask]"')


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and its two workers; ports are free ones."""
    file, processes = tmp_path / "scheduler.json", []

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard", "--scheduler-file", str(file)]
        processes.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        return processes[-1]

    start("scheduler", "--host", "127.0.0.1", "--port", "0")
    until(file.exists, processes[0])
    workers = [start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)) for _ in range(2)]
    yield json.loads(file.read_text())["address"], workers, processes[0]
    for process in reversed(processes):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_cluster_gives_what_one_process_gives_though_a_worker_is_killed(tmp_path, cluster):
    address, workers, _ = cluster
    study, killed = write_study(tmp_path, MANY.format(count=80)), []

    def kill_one(done, total, seconds):
        if done >= 10 and not killed:
            workers[0].kill()
            killed.append(done)

    found = sweep(study, tmp_path / "out", scheduler=address, progress=kill_one)
    assert killed
    assert (found.fresh, found.statuses) == (80, {"done": 80})
    assert comparable(found) == comparable(sweep(study))
    assert len(kept_rows(tmp_path / "out")) == 80


@pytest.mark.slow
def test_a_scheduler_that_is_lost_leaves_a_table_and_exit_status_3(tmp_path, cluster):
    address, _, scheduler = cluster
    study = write_study(tmp_path, MANY.format(count=4000))
    command = [sys.executable, "-m", "mechopt", "sweep", str(study), "--out", "out", "--scheduler", address, "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(
        lambda: (tmp_path / "out" / "points" / "rows.sqlite").exists() and len(kept_rows(tmp_path / "out")) > 10,
        process,
    )
    scheduler.kill()
    output, messages = process.communicate(timeout=HANG_SECONDS)
    document = json.loads(output)
    assert process.returncode == 3 and document["interrupted"], messages
    assert 10 < document["rows"] < 4000
    assert len(kept_rows(tmp_path / "out")) == document["rows"]
    assert len((tmp_path / "out" / "sweep.csv").read_text().splitlines()) == document["rows"] + 1
    assert "the scheduler is lost; what there is so far is kept" in messages and "Traceback" not in messages


def test_no_scheduler_at_the_address_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("mechopt.study.workers.pool.CONNECT_SECONDS", 0.5)
    with pytest.raises(
        mo.InputError, match=r"no Dask scheduler with workers answers there .* start one with `dask scheduler`"
    ):
        sweep(write_study(tmp_path, MANY.format(count=1)), scheduler="tcp://127.0.0.1:9")


def test_without_dask_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(mo.InputError, match=r'pip install "mechopt\[dask\]"'):
        sweep(write_study(tmp_path, MANY.format(count=1)), scheduler="tcp://127.0.0.1:9")
