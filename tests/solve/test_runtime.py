"""HiGHS in this process: what it prints, what other runs of it leave behind, and how it fails.

Output is read from file descriptors of a process of its own, and so is whatever a scheduler of HiGHS's might spoil.
"""

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
import time
from importlib.metadata import version
from types import SimpleNamespace

import highspy
import numpy as np
import pytest

import mechopt as mo
from mechopt.solve import highs, runtime
from mechopt.solve.dual.warm_program import SmallProgram, WarmProgram
from tests.waiting import HANG_SECONDS

GLIBC = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a variable of glibc")
HALF = ["1/2", "1/2"]
TWO = mo.IndependentTypes.iid([1, 2], HALF, 2)


def process(program):
    """Run a program in a process of its own: exit status and both descriptors."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)
    return done.returncode, done.stdout, done.stderr


SOLVERS = {
    "simplex": "mo.optimum(env, method='simplex')",
    "interior-point": "mo.optimum(env, method='ipx')",
    "unbounded": "mo.optimum(env, ic=None, ir=None)",
    "conflict": "mo.formats.solve_program(impossible())",
    "dual": "mo.optimum(mo.IndependentTypes.iid([1, 2], ['1/2', '1/2'], 2, agents=2), method='dual')",
    "persistent": "mo.optimum(mo.families.battaglini(1, 2, '2/5', '4/5', horizon=4, discount='19/20'), method='dual')",
    "proof": "mo.optimum(env, exact=True)",
    "to-highs": "mo.formats.to_highs(program()).run()",
    "to-mps": "mo.formats.to_mps(program(), os.path.join(tempfile.mkdtemp(), 'program.mps'))",
    "cvxpy": "mo.formats.to_cvxpy(mo.formats.plan(env, form='payment')).solve(solver='HIGHS')",
    "cvxpy-mip": "mo.formats.to_cvxpy(mo.formats.plan(env, form='payment'), deterministic=True).solve(solver='HIGHS')",
}
PREPARED = """
import os
import tempfile
from dataclasses import replace
import numpy as np
import mechopt as mo
env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2)

def program():
    return mo.formats.compile_program(mo.formats.plan(env))[0]

def impossible():
    whole = program()
    return replace(whole, lower=np.full_like(whole.lower, 5.0), upper=np.full_like(whole.upper, 6.0))
"""


@pytest.fixture(scope="module")
def spoken():
    """What all of them print, each followed by a line of ours; one process, as a new one costs a second."""
    lines = "".join(f"{call}\nos.write(1, b'{name} done\\n')\n" for name, call in SOLVERS.items())
    return process(PREPARED + lines)


def test_no_solver_prints_on_either_descriptor(spoken):
    status, out, err = spoken
    assert (status, err) == (0, "")
    assert out.splitlines() == [f"{name} done" for name in SOLVERS]


def test_whoever_asks_a_solver_of_ours_to_speak_hears_it():
    status, out, err = process(PREPARED + "h = mo.formats.to_highs(program())\nh.silent(False)\nh.run()")
    assert (status, err) == (0, "")
    assert "HiGHS run time" in out


def test_threads_that_print_while_solvers_run_lose_no_line():
    status, out, err = process(
        PREPARED
        + """
import threading, time
done = threading.Event()
def tell():
    count = 0
    while not done.is_set() or count < 100:
        print(f"line {count}", flush=True)
        count += 1
        time.sleep(0.0005)
    print(f"said {count}", flush=True)
teller = threading.Thread(target=tell)
teller.start()
solvers = [threading.Thread(target=lambda: [mo.optimum(env) for _ in range(3)]) for _ in range(3)]
for solver in solvers:
    solver.start()
for solver in solvers:
    solver.join()
mo.formats.to_cvxpy(mo.formats.plan(env, form="payment")).solve(solver="HIGHS")
done.set()
teller.join()
"""
    )
    assert (status, err) == (0, "")
    *lines, last = out.splitlines()
    assert lines == [f"line {k}" for k in range(len(lines))]
    assert last == f"said {len(lines)}"


@GLIBC
def test_what_compiled_code_prints_by_itself_is_dropped_while_a_solver_runs_and_only_then():
    status, out, err = process(
        """
        import ctypes
        from mechopt.solve import runtime
        library = ctypes.CDLL(None)
        library.printf(b"before\\n")
        runtime.apart(lambda: library.printf(b"postsolve says\\n"))
        runtime.apart_once(lambda: library.printf(b"a constructor says\\n"))
        runtime.apart_once(lambda: library.printf(b"asked for\\n"), silent=False)
        library.printf(b"after\\n")
        """
    )
    assert (status, err) == (0, "")
    assert out.splitlines() == ["before", "asked for", "after"]


@GLIBC
def test_overlapping_runs_put_the_stream_back():
    stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stdout")
    before, entered, leave = stream.value, threading.Event(), threading.Event()

    def hold():
        entered.set()
        leave.wait()

    first = threading.Thread(target=lambda: runtime.apart(hold))
    first.start()
    entered.wait()
    runtime.apart(int)
    assert stream.value != before
    leave.set()
    first.join()
    assert stream.value == before


# Another run of HiGHS in the process

OTHER = """
import highspy
def other(threads):
    h = highspy._Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("threads", threads)
    h.addVar(0.0, 1.0)
    h.changeColCost(0, -1.0)
    assert h.run().name == "kOk", "the other run fails"
"""
FOLLOWING = """
long = mo.optimum(mo.families.battaglini(1, 2, "2/5", "4/5", horizon=50, discount="19/20")).bound
assert long.lower <= 26.5288600 + 1e-4 and long.upper >= 26.5288600 - 1e-4 and long.upper - long.lower < 2e-4, long
two = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3, agents=2)
one, other_way = mo.optimum(two, method="simplex"), mo.optimum(two, method="dual").bound
assert other_way.lower - 1e-6 <= one.value <= other_way.upper + 1e-6 and other_way.gap < 1e-3, (one, other_way)
assert str(mo.optimum(env, ic=None, ir=None).status) == "unbounded"
assert mo.formats.solve_program(impossible()).conflict
"""
EXPORTED = 'assert mo.formats.to_highs(program()).run().name == "kOk"'


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("order", ["other-first", "ours-first"])
def test_another_run_with_threads_of_its_own_changes_nothing(threads, order):
    calls = [f"other({threads})\n", FOLLOWING]
    calls = [*calls, EXPORTED] if order == "other-first" else calls[::-1]  # what is exported runs in the user's thread
    assert process(PREPARED + OTHER + "".join(calls)) == (0, "", "")


def test_cvxpys_run_changes_nothing_in_either_order():
    model = "assert abs(mo.Problem(env).to_cvxpy().solve(solver='HIGHS').revenue - 2.25) < 1e-6"
    direct = """
import cvxpy
x = cvxpy.Variable()
cvxpy.Problem(cvxpy.Maximize(x), [x <= 1]).solve(solver="HIGHS")
"""
    assert process(PREPARED + model + FOLLOWING + model) == (0, "", "")
    status, out, err = process(PREPARED + direct + FOLLOWING)
    assert (status, err) == (0, "")
    assert len(out.splitlines()) <= 4  # cvxpy called by the user prints what its solvers print


def test_a_forked_process_solves_as_well():
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    status, out, err = process(
        PREPARED
        + """
import warnings
warnings.simplefilter("ignore")
env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, agents=2)
mo.optimum(env, method="dual")
child = os.fork()
if child == 0:
    found = mo.optimum(env, method="dual").bound
    os._exit(0 if found.gap < 1e-3 else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    )
    assert (status, out, err) == (0, "", "")


class Alarm(Exception):
    """What a signal's handler raises."""


def test_a_run_that_is_left_by_an_exception_is_stopped_and_holds_nobody_up(monkeypatch):
    entered, leave = threading.Event(), threading.Event()

    class Long(type(runtime.new_highs())):
        def run(self):
            entered.set()
            leave.wait()

    def ring(running):
        entered.wait()
        raise Alarm

    with monkeypatch.context() as patched:
        patched.setattr(runtime, "_result", ring)
        with pytest.raises(Alarm):
            runtime.run(Long())
    assert runtime.apart(lambda: "solved") == "solved"
    leave.set()


def test_an_interrupt_of_short_work_is_raised_when_the_work_is_done(monkeypatch):
    entered, done = threading.Event(), []

    def work():
        entered.set()
        done.append(1)

    def interrupted(running):
        entered.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "_result", interrupted)
    for way in (runtime.apart, runtime.apart_once):
        with pytest.raises(KeyboardInterrupt):
            way(work)
    assert len(done) == 2


@pytest.mark.parametrize("way", [runtime.run, runtime.apart, runtime.apart_once])
@pytest.mark.parametrize("before", [True, False], ids=["before it starts", "after it starts"])
def test_an_interrupt_while_a_thread_is_started_runs_nothing_twice(way, before, monkeypatch):
    at_work, most, times, presses = [], [], [], [1]
    start = threading.Thread.start

    def pressed(thread):
        if not before:
            start(thread)
        if presses and presses.pop():
            raise KeyboardInterrupt
        if before:
            start(thread)

    class Counted(type(runtime.new_highs())):
        def run(self):
            at_work.append(1)
            most.append(len(at_work))
            times.append(1)
            time.sleep(0.2)  # long enough for a second one to meet it
            at_work.pop()
            return highspy.HighsStatus.kOk

    monkeypatch.setattr(runtime, "_THREADS", threading.local())
    monkeypatch.setattr(threading.Thread, "start", pressed)
    solver = Counted()
    if way is runtime.run:
        runtime.run(solver)  # which ends with what it has
    else:
        with pytest.raises(KeyboardInterrupt):
            way(solver.run)
    assert not at_work, "the interrupt is raised before the work is done"
    assert len(times) == (0 if before and way is not runtime.run else 1)
    assert max(most, default=1) == 1
    assert runtime.apart(lambda: "solved") == "solved"


# How it fails


def failing(answer="kError", status="kNotset"):
    """A solver whose every run ends with this answer."""

    class Failing(type(runtime.new_highs())):
        def run(self):
            return getattr(highspy.HighsStatus, answer)

        def getModelStatus(self):
            return getattr(highspy.HighsModelStatus, status)

    return lambda options=None: Failing()


def test_an_error_of_highs_is_an_error_of_ours_never_an_inaccurate_answer(monkeypatch):
    program, _ = mo.formats.compile_program(mo.formats.plan(TWO))
    monkeypatch.setattr(runtime, "new_highs", failing())
    with pytest.raises(
        mo.errors.SolverError, match=r"HiGHS failed \(model status kNotset\): try another method"
    ) as error:
        mo.formats.solve_program(program)
    assert error.value.exit_status == 1
    with pytest.raises(mo.errors.SolverError, match="HiGHS failed on a small program"):
        small().solve()


def test_an_attempt_that_errs_leaves_the_next_ones(monkeypatch):
    program, _ = mo.formats.compile_program(mo.formats.plan(TWO))
    attempts, real = [], highs._attempt

    def once(*arguments):
        attempts.append(arguments)
        if len(attempts) == 1:
            raise mo.errors.SolverError("HiGHS failed")
        return real(*arguments)

    monkeypatch.setattr(highs, "_attempt", once)
    program = program.scaled(1000.0)
    found = mo.formats.solve_program(program)
    assert (str(found.status), len(attempts)) == ("optimal", 2)


def test_a_program_that_highs_refuses_is_an_error():
    one, beyond = np.ones(1), (np.array([0, 1]), np.array([7]), np.ones(1))  # column 7 of one column
    with pytest.raises(mo.errors.SolverError, match="HiGHS takes no such program"):
        runtime.load(runtime.new_highs(), True, 0.0, one, (one, one), (one, one), beyond)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [("nonsense", 1, "see the options of HiGHS"), ("solver", "nonsense", "see the options of HiGHS")],
    ids=["option", "value"],
)
def test_options_that_highs_does_not_take_are_refused(name, value, advice):
    with pytest.raises(mo.InputError, match=f"HiGHS takes no option {name}=.*{advice}"):
        runtime.new_highs({name: value})


def test_hipo_without_its_wheel_is_refused_with_what_to_install():
    if runtime.new_highs().setOptionValue("solver", "hipo").name == "kOk":
        pytest.skip("hipo is there")
    with pytest.raises(mo.InputError, match="pip install highspy-extras"):
        runtime.new_highs({"solver": "hipo"})
    model = mo.formats.to_cvxpy(mo.formats.plan(TWO, form="payment"))
    try:
        with pytest.raises(mo.errors.SolverError, match="pip install highspy-extras"):
            model.solve(solver="HIGHS", highs_options={"solver": "hipo"})
    except AttributeError:
        if not version("cvxpy").startswith("1.6."):
            raise
        pytest.skip("this cvxpy hands no options of HiGHS on")


@pytest.mark.parametrize(
    ("simplex", "interior", "asked", "ran"),
    [(3, 0, "ipx", "simplex"), (3, 7, "ipx", "ipx"), (0, 0, "ipx", "ipx"), (3, 0, "simplex", "simplex")],
)
def test_the_method_names_what_ran(simplex, interior, asked, ran):
    info = SimpleNamespace(simplex_iteration_count=simplex, ipm_iteration_count=interior)
    assert highs._ran(info, asked) == ran


def test_one_place_constructs_solvers(monkeypatch):
    made, real = [], runtime._silent_class()
    monkeypatch.setattr(runtime, "_silent_class", lambda: lambda: made.append(1) or real())
    program, _ = mo.formats.compile_program(mo.formats.plan(TWO))
    mo.formats.solve_program(program)
    mo.formats.to_highs(program)
    small().solve()
    assert len(made) == 3


def small():
    return WarmProgram(SmallProgram(np.ones(1), np.zeros(1), np.ones((1, 1)), np.ones(1), np.ones(1)))
