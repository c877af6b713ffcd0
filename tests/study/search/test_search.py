"""Searches over study files: they resume, every shape is tried, the worst instance is a model that compare confirms."""

import json
import os
import signal
import subprocess
import sys

import pytest

import mechopt as mo
from mechopt.study.search.search import search
from tests.study.sweeps import write_study
from tests.waiting import HANG_SECONDS, until

STUDY = """
title = "Two shapes"
seed = 3
[family]
horizon = [1, 2]
types = 2
[search]
mechanism = "repeated-myerson"
budget = 60
"""


def test_every_shape_is_tried_and_the_worst_is_the_smallest_of_all(tmp_path):
    found = search(write_study(tmp_path, STUDY))
    assert [(shape.periods, result.evaluations) for shape, result in found.found] == [(1, 60), (2, 60)]
    one, two = (result.ratio for _, result in found.found)
    assert one == pytest.approx(1)  # one period: Myerson's auction is optimal
    assert two < 0.999
    assert found.worst.ratio == two
    alone = mo.mechanisms.worst_case(mo.repeated_myerson, mo.results.Family(1, 2, 2), budget=60, seed=3)
    assert (found.worst.ratio, found.worst.environment) == (alone.ratio, alone.environment)


def test_discount_and_cost_of_the_family_are_those_of_the_worst_instance(tmp_path):
    text = STUDY.replace("types = 2", 'types = 2\ndiscount = "1/2"\ncost = "1/10"').replace("[1, 2]", "2")
    worst = search(write_study(tmp_path, text)).worst.environment
    assert (worst.discount, worst.cost.tolist()) == (0.5, [0.1, 0.1])


def test_stopped_search_goes_on_as_if_it_had_not_been(tmp_path):
    study = write_study(tmp_path, STUDY)
    whole = search(study)
    search(study, tmp_path / "out", budget=25)
    resumed = search(study, tmp_path / "out")
    assert resumed.worst.environment == whole.worst.environment
    assert resumed.evaluations == whole.evaluations == 120


def test_other_searches_have_other_states(tmp_path):
    for change in (STUDY, STUDY.replace("seed = 3", "seed = 4"), 'ic = "super-dic"\n' + STUDY):
        search(write_study(tmp_path, change), tmp_path / "out", budget=3)
    assert len(list((tmp_path / "out" / "searches").iterdir())) == 6


def test_progress_counts_over_all_shapes(tmp_path):
    told = []
    search(write_study(tmp_path, STUDY), budget=4, progress=lambda *numbers: told.append(numbers))
    assert [numbers[:2] for numbers in told] == [(k, 8) for k in range(1, 9)]
    least = [numbers[2] for numbers in told]
    assert least == sorted(least, reverse=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "base.toml"', "family: is missing"),
        ("[family]\nhorizon = 2", "search: is missing"),
        (STUDY + "[grid]\ndiscount = [1]\n", "grid: has no place in a search"),
        (STUDY.replace("types = 2", 'values = { law = "uniform" }'), "family.values: has no place in a search"),
        (STUDY.replace("types = 2", "same_periods = true"), "family.same_periods: has no place in a search"),
    ],
    ids=["no-family", "no-search", "grid", "law-of-values", "same-periods"],
)
def test_study_that_is_no_search_is_refused(tmp_path, text, message):
    with pytest.raises(mo.InputError) as caught:
        search(write_study(tmp_path, text))
    assert message in str(caught.value)


def test_two_processes_find_what_one_finds(tmp_path):
    study = write_study(tmp_path, STUDY)
    one, two = [], []
    alone = search(study, progress=lambda *told: one.append(told))
    together = search(study, tmp_path / "out", progress=lambda *told: two.append(told), workers=2)
    assert together.found == alone.found
    assert two == one  # not only the worst of all: every instance in its turn
    resumed = search(study, tmp_path / "out", budget=90)  # what two have begun, one goes on with
    assert resumed.found == search(study, budget=90).found


@pytest.mark.slow
def test_two_processes_find_the_tree_that_one_finds():
    family = mo.results.TreeFamily([["a"], ["a", "rest"]], types=2, absorbing=["rest"])
    assert mo.mechanisms.worst_tree(family, 60, workers=2) == mo.mechanisms.worst_tree(family, 60)


@pytest.mark.slow
def test_a_function_of_the_users_own_is_sent_to_workers():
    family = mo.results.Family(periods=1)

    class Half:
        def __init__(self, environment):
            self.revenue = float(environment.values[0][0].min())

    alone, together = (mo.mechanisms.worst_case(Half, family, 40, workers=count) for count in (1, 2))
    assert (alone.ratio, alone.environment) == (together.ratio, together.environment)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_worker_that_dies_leaves_the_state_and_the_worst_so_far(tmp_path):
    def deadly(environment):
        if (tmp_path / "now").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return mo.repeated_myerson(environment)

    def told(evaluations, ratio):
        if evaluations == 20:
            (tmp_path / "now").touch()

    family, state = mo.results.Family(periods=1), tmp_path / "state.json"
    found = mo.mechanisms.worst_case(deadly, family, 400, state=state, progress=told, workers=2)
    assert found.interrupted
    assert found.lost.startswith("a worker process died")
    assert 20 <= found.evaluations < 400
    assert json.loads(state.read_text())["evaluations"] == found.evaluations


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
@pytest.mark.parametrize(
    "workers",
    [pytest.param("1", id="in-one-process"), pytest.param("2", id="on-two-processes", marks=pytest.mark.slow)],
)
def test_search_that_is_stopped_from_outside_goes_on(tmp_path, sign, workers):
    study = write_study(tmp_path, STUDY.replace("budget = 60", "budget = 400").replace("[1, 2]", "2"))
    command = [sys.executable, "-m", "mechopt", "search", "study.toml", "--out", "out", "--json", "--workers", workers]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=tmp_path, text=True, start_new_session=True, **pipes)
    until(lambda: list((tmp_path / "out" / "searches").glob("*.json")), process)
    if sign == signal.SIGINT:
        os.killpg(process.pid, sign)  # as a terminal does: the whole session
    else:
        process.kill()
    output, messages = process.communicate(timeout=HANG_SECONDS)
    (state,) = (tmp_path / "out" / "searches").glob("*.json")
    before = json.loads(state.read_text())["evaluations"]
    assert 50 <= before < 400
    if sign == signal.SIGINT:
        assert process.returncode == 3, messages
        assert messages.strip().endswith(f"stopped after {before} instances; the same command goes on from there")
        assert json.loads(output)["evaluations"] == before
    resumed = search(study, tmp_path / "out", budget=before + 20)
    assert resumed.worst.environment == search(study, budget=before + 20).worst.environment
