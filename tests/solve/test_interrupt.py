"""Ctrl-C stops the solver within moments and leaves what is known."""

import json
import signal
import subprocess
import sys
import time

import pytest

MODEL = """
kind = "independent"
horizon = 8
[[buyers]]
values = [1, 2, 4, 7]
probabilities = [0.3, 0.3, 0.2, 0.2]
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_gives_the_bracket_so_far_and_exit_status_3(tmp_path):
    (tmp_path / "long.toml").write_text(MODEL)
    command = [sys.executable, "-m", "mechopt", "solve", "long.toml", "--method", "simplex", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(4)  # it takes 10 s and more
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=30)
    assert process.returncode == 3, messages
    document = json.loads(output)
    assert document["status"] == "interrupted"
    assert document["bound"]["lower"] == 0
    assert document["bound"]["upper"] == pytest.approx(8 * 3.1)  # first best
    assert "stopped (interrupted)" in messages
