"""Frontiers on several processes: the same corners as on one, and what Ctrl-C leaves."""

import os
import signal
import subprocess
import sys

import pytest

import mechopt as mo
from mechopt.study.frontier import frontier as module
from mechopt.study.frontier.frontier import frontier
from mechopt.study.workers.pool import WorkersLost
from tests.waiting import HANG_SECONDS

MANY = mo.IndependentTypes.iid([1, 2, 5], ["1/4", "1/2", "1/4"], 3)
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
PERSISTENT = mo.MarkovTypes([[[0, 0], [1, 2]]], [STAY], [["2/5", "3/5"]], actions=["no", "yes"], horizon=3)


def plain(curve):
    """All but the seconds; mechanisms as their probabilities."""
    points = [(p.revenue, p.welfare, p.utilities, p.weights, p.mechanism.environment) for p in curve.points]
    return points, curve.weights.tolist(), curve.stopped, curve.gap, curve.solves, curve.exact


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        pytest.param(MANY, {"exact": True}, id="all-corners-proved"),
        pytest.param(MANY, {"points": 7}, id="seven-corners", marks=pytest.mark.slow),
        pytest.param(PERSISTENT, {"between": "utility"}, id="persistent-types", marks=pytest.mark.slow),
    ],
)
def test_two_processes_find_what_one_finds(environment, options):
    one, two = (frontier(environment, **options, workers=count) for count in (1, 2))
    assert plain(one) == plain(two)
    for point in two.points:
        assert mo.verify(point.mechanism).holds
        with pytest.raises(ValueError, match="read-only"):
            point.mechanism.payment[-1][...] = 0


def test_workers_that_are_lost_leave_the_corners_known(monkeypatch):
    class Lost(module.Search):
        def solve(self, weight):
            if self.solves == 5:
                raise WorkersLost("gone")
            return super().solve(weight)

    monkeypatch.setattr(module, "Search", Lost)
    curve = frontier(MANY)
    assert (curve.stopped, curve.solves, curve.complete) == ("workers lost", 5, False)
    assert 2 <= len(curve.points) <= 5
    assert curve.gap > 0


SCRIPT = """
import signal, sys, time, mechopt as mo
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from mechopt.study.frontier.frontier import frontier
env = mo.IndependentTypes.iid([1, 2, 5, 9], ["1/4"] * 4, 5)
def shown(solves, seconds):
    print(solves, flush=True)
    if solves == 4:
        time.sleep(60)  # until Ctrl-C
curve = frontier(env, progress=shown, workers=int(sys.argv[1]))
print(curve.stopped, curve.solves, len(curve.points), curve.gap > 0, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("workers", ["1", "2"], ids=["in-one-process", "on-two-processes"])
def test_ctrl_c_leaves_the_corners_known(workers):
    command = [sys.executable, "-c", SCRIPT, workers]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
    while process.stdout.readline().strip() != "4":
        assert process.poll() is None, process.stderr.read()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole session
    output, messages = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, messages
    stopped, solves, corners, within = output.splitlines()[-1].split()
    assert (stopped, within) == ("interrupted", "True")
    assert int(solves) >= 4
    assert 2 <= int(corners) <= int(solves)
