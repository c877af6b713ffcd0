"""Ctrl-C at any moment: within moments, with what is known, exit status 3 and no traceback."""

import json
import signal
import subprocess
import sys
import time

import pytest

from mechopt.cli.interrupts import Interrupts
from tests.waiting import HANG_SECONDS

MODEL = """
kind = "independent"
horizon = 8
[[buyers]]
values = [1, 2, 4, 7]
probabilities = [0.3, 0.3, 0.2, 0.2]
"""
PRESSED = """
import os, signal
from mechopt import cli
from mechopt.solve import runtime

class Pressed(runtime._silent_class()):
    def run(self):
        self.pressed = False
        self.cbSimplexInterrupt += self.press
        return super().run()

    def press(self, event):
        if not self.pressed:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)

runtime._silent_class = lambda: Pressed
cli.main()
"""
"""The command line, where Ctrl-C is pressed at the simplex's first iteration."""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_gives_the_bracket_so_far_and_exit_status_3(tmp_path):
    (tmp_path / "long.toml").write_text(MODEL)
    command = [sys.executable, "-c", PRESSED, "solve", "long.toml", "--method", "simplex", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "interrupted"
    assert document["bound"]["lower"] == 0
    assert document["bound"]["upper"] == pytest.approx(8 * 3.1)  # first best
    assert "stopped (interrupted)" in done.stderr


STARTED = """
import sys
import time
from mechopt.cli import main
from mechopt.cli.interrupts import Interrupts
made = Interrupts.__init__
def told(self):
    made(self)
    print("ready", file=sys.stderr, flush=True)
Interrupts.__init__ = told
sys.argv = ["mechopt", *sys.argv[1:]]
main()
"""
"""The command, saying when it has begun: what comes before is Python's start, not ours."""
COMMANDS = {
    "solve": ["solve", "long.toml", "--method", "simplex", "--json"],
    "compare": ["compare", "long.toml"],
    "sweep": ["sweep", "study.toml", "--out", "out"],
    "frontier": ["frontier", "long.toml", "--csv", "points.csv"],
    "search": ["search", "search.toml", "--out", "out"],
}
STUDY = """
model = "long.toml"
[grid]
horizon = { from = 7, to = 9 }
"""
SEARCH = """
seed = 1
[family]
types = 3
buyers = 1
horizon = 6
[search]
mechanism = "repeated-myerson"
budget = 100000
"""


def interrupted(folder, command, delay, presses=1, between=0.0):
    """Press Ctrl-C some seconds after the start: exit status, standard output, standard error."""
    (folder / "long.toml").write_text(MODEL)
    (folder / "study.toml").write_text(STUDY)
    (folder / "search.toml").write_text(SEARCH)
    parts = [sys.executable, "-c", STARTED, *COMMANDS[command]]
    process = subprocess.Popen(parts, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "ready\n"
    time.sleep(delay)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(between)
    try:
        output, messages = process.communicate(timeout=HANG_SECONDS)
    finally:
        process.kill()
    return process.returncode, output, messages


def require_quiet(folder, status, messages):
    assert status == 3, messages
    assert "Traceback" not in messages and "Exception ignored" not in messages
    assert not [path for path in folder.rglob(".writing-*")]


DELAYS = [0.0, 0.05, 0.15, 0.3, 0.6]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("delay", DELAYS)
def test_ctrl_c_while_things_are_imported(tmp_path, delay):
    status, _, messages = interrupted(tmp_path, "solve", delay)
    require_quiet(tmp_path, status, messages)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("between", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("delay", [*DELAYS, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_in_quick_succession(tmp_path, command, delay, between):
    status, _, messages = interrupted(tmp_path, command, delay, 6, between)
    require_quiet(tmp_path, status, messages)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_presses_together_are_one_press(tmp_path):
    (tmp_path / "long.toml").write_text(MODEL)
    pressed = "for _ in range(4): os.kill(os.getpid(), signal.SIGINT); time.sleep(0.05)"
    script = PRESSED.replace("os.kill(os.getpid(), signal.SIGINT)", pressed).replace("signal\n", "signal, time\n", 1)
    assert script != PRESSED
    command = [sys.executable, "-c", script, *COMMANDS["solve"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    require_quiet(tmp_path, done.returncode, done.stderr)
    assert json.loads(done.stdout)["status"] == "interrupted"


def test_an_interrupt_within_an_import_waits_for_its_end(tmp_path, monkeypatch):
    (tmp_path / "pressing.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\ncomplete = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    interrupts = Interrupts()
    try:
        interrupts.begin()
        with pytest.raises(KeyboardInterrupt):
            import pressing

            assert pressing.complete
            time.sleep(10)
    finally:
        interrupts.end(stay=False)
        after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


def test_an_interrupt_lost_in_a_destructor_comes_again(capsys):
    class Pressing:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    interrupts = Interrupts()
    try:
        interrupts.begin()
        with pytest.raises(KeyboardInterrupt):
            Pressing()
            time.sleep(10)
    finally:
        interrupts.end(stay=False)
    assert capsys.readouterr().err == ""
