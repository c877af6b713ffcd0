"""Long work: its bracket is shown while it closes, and it stops when told to, with what is known."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from types import SimpleNamespace

import pytest

import mechopt as mo
from mechopt.solve.exact import certify as certificate
from mechopt.solve.exact import lifting
from mechopt.solve.solution import Status
from tests.waiting import HANG_SECONDS

SMALL = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)  # optimum 7/2
TWO = mo.IndependentTypes.iid([1, 3], ["3/5", "2/5"], horizon=3, agents=2)
CHAIN = mo.families.battaglini(first_high="3/5", horizon=3)  # 153/40, see tests/papers
LONG_MODELS = {
    "promised": ("horizon = 400", "values = [1, 2, 4, 7, 9]\nprobabilities = [0.2, 0.2, 0.2, 0.2, 0.2]"),
    "dual": ("horizon = 12", "count = 2\nvalues = [1, 2, 4]\nprobabilities = [0.3, 0.4, 0.3]"),
}


def write_long(folder, method):
    head, buyers = LONG_MODELS[method]
    (folder / "long.toml").write_text(f'kind = "independent"\n{head}\n[[buyers]]\n{buyers}\n')


@pytest.mark.parametrize(
    ("env", "method"), [(SMALL, "promised"), (TWO, "dual"), (CHAIN, "dual")], ids=["promised", "buyers", "persistent"]
)
def test_the_bracket_is_told_while_it_closes(env, method):
    told = []
    best = mo.optimum(env, method=method, bracket=lambda *now: told.append(now))
    exact = mo.optimum(env).value
    assert len(told) >= 2
    assert all(lower <= exact + 1e-9 and exact - 1e-9 <= upper for lower, upper, _ in told)
    widths = [upper - lower for lower, upper, _ in told]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0]
    assert widths[-1] == pytest.approx(best.bound.upper - best.bound.lower, abs=1e-9)
    assert [seconds for _, _, seconds in told] == sorted(seconds for _, _, seconds in told)


def on_a_terminal(folder, *arguments, stop_at=None):
    """What a command writes to a terminal, and its exit status; with Ctrl-C once it has written ``stop_at``."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(sys.executable, [sys.executable, "-m", "mechopt", *arguments], {**os.environ, "COLUMNS": "200"})
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux: the other side has closed
            break
        if not part:
            break
        written += part
        if stop_at is not None and stop_at in written:
            os.write(terminal, b"\x03")
            stop_at = None
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize("method", LONG_MODELS)
def test_a_terminal_shows_the_bracket_and_a_time_limit_leaves_it_with_exit_status_3(method, tmp_path):
    write_long(tmp_path, method)
    written, status = on_a_terminal(tmp_path, "solve", "long.toml", "--method", method, "--time-limit", "2")
    assert status == 3, written
    shown = re.findall(r"solving: ([\d.]+) <= optimum <= ([\d.]+) \(width", written)
    assert shown
    lower, upper = map(float, re.search(r"with ([\d.]+) <= optimum <= ([\d.]+);", written).groups())
    assert all(float(a) <= lower + 1e-6 and upper <= float(b) + 1e-6 for a, b in shown)


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize("method", LONG_MODELS)
def test_ctrl_c_leaves_the_bracket_so_far_and_exit_status_3(method, tmp_path):
    write_long(tmp_path, method)
    written, status = on_a_terminal(tmp_path, "solve", "long.toml", "--method", method, stop_at=b"<= optimum <=")
    assert status == 3, written
    lower, upper = map(
        float, re.search(r"stopped .interrupted. with ([\d.]+) <= optimum <= ([\d.]+);", written).groups()
    )
    assert 0 <= lower < upper


def test_ctrl_c_before_anything_is_known_has_exit_status_3(monkeypatch, capsys):
    from mechopt.cli import main

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["mechopt", "models"])
    monkeypatch.setattr("mechopt.modelfile.bundled", interrupted)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 3
    assert "interrupted before anything was known" in capsys.readouterr().err


@pytest.mark.parametrize("env", [SMALL, CHAIN], ids=["independent", "persistent"])
def test_ctrl_c_while_the_program_is_built_leaves_first_best(env, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mechopt.solve.program.compile_program", interrupted)
    with pytest.raises(mo.errors.LimitError, match="before the solver began, with 0 <= optimum <= ") as stop:
        mo.optimum(env, method="simplex")
    assert stop.value.lower == 0
    assert stop.value.upper == pytest.approx({id(SMALL): 4.5, id(CHAIN): 1.6 + 1.55 + 1.525}[id(env)])


@pytest.mark.parametrize("env", [SMALL, CHAIN], ids=["independent", "persistent"])
@pytest.mark.parametrize(("stop", "status"), [(KeyboardInterrupt, "interrupted"), (TimeoutError, "time limit")])
def test_a_proof_that_is_stopped_leaves_the_solvers_bracket(stop, status, env, monkeypatch):
    def stopped(*_):
        raise stop

    monkeypatch.setattr(certificate, "optimise", stopped)
    best, known = mo.optimum(env, method="simplex", exact=True), mo.optimum(env)
    assert (str(best.status), best.exact, best.certificate) == (status, None, None)
    assert best.bound.lower == pytest.approx(known.value, abs=1e-8)
    assert best.bound.upper == pytest.approx(known.value, abs=1e-8)
    with pytest.raises(mo.errors.LimitError, match=f"stopped .{status}. with "):
        best.require_optimal()


def test_the_time_limit_holds_for_the_proof_too(monkeypatch):
    """On the proof's clock two hours more have gone."""
    found = mo.optimum(SMALL, method="simplex", exact=True, time_limit=3600.0)
    assert (found.status, found.exact) == (Status.OPTIMAL, Fraction(7, 2))
    monkeypatch.setattr(lifting, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 7200.0))
    late = mo.optimum(SMALL, method="simplex", exact=True, time_limit=3600.0)
    assert (late.status, late.exact) == (Status.TIME_LIMIT, None)


@pytest.mark.parametrize(
    ("periods", "limit", "method"),
    [(3, None, "simplex"), (9, None, "dual"), (8, 5.0, "dual"), (7, 5.0, "dual")],
    ids=["quick program", "more than a minute", "more than the time limit", "just more than it"],
)
def test_the_method_for_several_buyers_is_picked_by_predicted_seconds(periods, limit, method, monkeypatch):
    """Two values, two buyers; the rule says 0.007 s at three periods, 5.1 at seven, 30 at eight, 177 at nine.

    The buyers differ, else the program on orbits of histories would be picked at seven periods.
    """
    distributions = [[["3/5", "2/5"]] * periods, [["1/2", "1/2"]] * periods]
    env = mo.IndependentTypes([[[1, 3]] * periods] * 2, distributions)
    picked = []
    monkeypatch.setattr("mechopt.solve.dual.method.by_dual", lambda *_, **__: picked.append("dual") or 1 / 0)
    monkeypatch.setattr("mechopt.solve.program.compile_program", lambda *_: picked.append("simplex") or 1 / 0)
    with suppress(ZeroDivisionError):
        mo.optimum(env, time_limit=limit)
    assert picked == [method]


def test_a_mechanism_too_long_to_save_does_not_hide_the_result(tmp_path):
    """Threats over 30 periods have no file; the bracket is printed all the same, and the exit status says so."""
    model = """
kind = "markov"
horizon = 30
actions = ["keep", "sell"]
[[agents]]
name = "buyer"
types = ["low", "high"]
initial = [0.4, 0.6]
values = [[0, 0], [1, 2]]
kernel = [[0.75, 0.25], [0.25, 0.75]]
"""
    (tmp_path / "long.toml").write_text(model)
    command = [sys.executable, "-m", "mechopt", "solve", "long.toml", "--save", "found.npz", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (done.returncode, (tmp_path / "found.npz").exists()) == (3, False)
    assert "too many histories to write out" in done.stderr
    document = json.loads(done.stdout)
    assert (document["status"], document["method"]) == ("optimal", "dual")


def test_an_unknown_method_is_named_whatever_the_size():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=200)
    with pytest.raises(
        mo.InputError, match="'magic' is none of auto, program, simplex, ipx, closed-form, promised, orbits, dual"
    ):
        mo.optimum(env, method="magic")
