"""Calls: the same answers in the same order whoever makes them, and what is said where a worker dies."""

import os
import signal
import sys
import threading

import pytest

import mechopt as mo
from mechopt.study.workers.calls import calls
from mechopt.study.workers.pool import WorkersLost


def squared(number):
    return number * number


def refused(number):
    raise mo.InputError(f"not {number}", "here.toml")


def deadly(number):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_come_in_the_order_of_the_items(workers):
    with calls(workers) as pool:
        assert list(pool.in_order(squared, range(20))) == [k * k for k in range(20)]
        first, second = pool.start(squared, 7), pool.start(squared, 8)
        assert (second.answer(), first.answer()) == (64, 49)
        with pytest.raises(mo.InputError, match=r"here\.toml: not 3"):
            pool.start(refused, 3).answer()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_worker_that_dies_is_said():
    with pytest.raises(WorkersLost, match="a worker process died"), calls(2) as pool:
        pool.start(deadly, 1).answer()


def test_nothing_is_called_here_before_its_answer_is_asked_for():
    made = []
    with calls() as pool:
        call = pool.start(made.append, 1)
        assert made == []
        call.answer()
    assert made == [1]


def test_an_impossible_number_of_workers_is_refused():
    with pytest.raises(mo.InputError, match="workers is 0; it must be from 1 to 1000"), calls(0):
        pass


def test_another_version_at_a_worker_is_refused(monkeypatch):
    with calls(2) as pool:
        monkeypatch.setattr(mo, "__version__", "0.0.9")
        with pytest.raises(mo.InputError, match=r"this worker has mechopt .*, who asks it has 0\.0\.9"):
            pool.start(squared, 1).answer()


def test_functions_that_mention_the_package_are_sent_and_others_are_refused_in_words():
    with calls(2) as pool:
        assert pool.start(lambda: mo.IndependentTypes.iid([1], [1], 1).first_best).answer() == 1
        with pytest.raises(mo.InputError, match=r"a worker cannot be sent this .*; use functions and values"):
            pool.start(squared, threading.Lock()).answer()
