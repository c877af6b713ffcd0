"""Ctrl-C stops the solver within moments and leaves what is known."""

import json
import subprocess
import sys

import pytest

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
