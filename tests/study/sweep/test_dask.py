"""A real Dask cluster on this machine: a scheduler and two workers, each a process of its own."""

import subprocess
import sys

import pytest

import mechopt as mo
from mechopt.study.sweep.sweep import sweep
from tests.study.sweeps import MANY, comparable, write_study
from tests.waiting import until

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
    import json

    yield json.loads(file.read_text())["address"], workers
    for process in reversed(processes):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_cluster_gives_what_one_process_gives_though_a_worker_is_killed(tmp_path, cluster):
    address, workers = cluster
    study, killed = write_study(tmp_path, MANY.format(count=80)), []

    def kill_one(done, total, seconds):
        if done >= 10 and not killed:
            workers[0].kill()
            killed.append(done)

    found = sweep(study, tmp_path / "out", scheduler=address, progress=kill_one)
    assert killed
    assert (found.fresh, found.statuses) == (80, {"done": 80})
    assert comparable(found) == comparable(sweep(study))
    assert len(list((tmp_path / "out").rglob("*.json"))) == 80


def test_no_scheduler_at_the_address_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("mechopt.study.sweep.workers.CONNECT_SECONDS", 0.5)
    with pytest.raises(
        mo.InputError, match=r"no Dask scheduler with workers answers there .* start one with `dask scheduler`"
    ):
        sweep(write_study(tmp_path, MANY.format(count=1)), scheduler="tcp://127.0.0.1:9")


def test_without_dask_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(mo.InputError, match=r'pip install "mechopt\[dask\]"'):
        sweep(write_study(tmp_path, MANY.format(count=1)), scheduler="tcp://127.0.0.1:9")
