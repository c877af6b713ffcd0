"""Which mechanisms are verified without being asked, and what a report says of them."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification import verify as module
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Answer, Status
from tests.verification.test_limits import direct, pivot


def test_checks_are_in_floats_unless_asked():
    found = constraint_checks(direct(), mo.Interim())["interim"]
    assert found.exact is None and found.rounding > 0
    assert constraint_checks(direct(), mo.Interim(), True)["interim"].exact == 0


def claimed(mechanism):
    return replace(mechanism, claims=(mo.Interim(),))


def test_claims_of_few_histories_are_checked():
    """A mechanism over reports at any size; others up to so many histories of their program."""
    most = module.MAX_CHECKED_HISTORIES
    assert module.checked(None, 1) is None
    assert module.checked(replace(direct(), claims=()), 1) is None
    assert list(module.checked(claimed(direct()), most + 1)) == [mo.Interim()]
    sequence = claimed(pivot().to_sequence())
    assert module.checked(sequence, most + 1) is None
    assert list(module.checked(sequence, most)) == [mo.Interim()]


def test_small_trees_are_checked(monkeypatch):
    """1, 6 and 12 histories of reports; 2 and 36 nodes of persistent types."""
    for mechanism, limit, size in ((direct(), "HISTORIES", 19), (pivot().to_sequence(), "NODES", 38)):
        assert sum(mechanism.tree.count) == size
        assert module.checked_on_tree(mechanism, []) is None
        monkeypatch.setattr(module, f"MAX_CHECKED_{limit}", size - 1)
        assert module.checked_on_tree(mechanism, [mo.Interim()]) is None
        monkeypatch.setattr(module, f"MAX_CHECKED_{limit}", size)
        assert list(module.checked_on_tree(mechanism, [mo.Interim()])) == [mo.Interim()]


ANSWERS = {mo.Interim(): Status.SATISFIED, mo.DIC(): Status.UNDECIDED, mo.EPIR(): Status.VIOLATED}


def test_a_report_names_what_is_open_and_what_is_violated():
    checks = {c: ConstraintCheck.of(Answer(status, 1.0, 0.0, None), 0.5, None) for c, status in ANSWERS.items()}
    report = Report(checks)
    assert (report.undecided, report.violated, report.holds) == (("dic",), ("epir",), False)
    assert report["dic"] is checks[mo.DIC()] and len(report) == 3
    assert repr(report) == "Report(interim: satisfied, gain 1; dic: undecided, gain 1; epir: violated, gain 1)"


@pytest.mark.parametrize("names", [None, ["Ann", "Bob"]])
def test_a_table_tells_counterexamples_in_the_words_of_the_model(names):
    """Buyer 0 pays 1 whatever she reports. Without the environment there are numbers alone."""
    mechanism = direct()
    paid = [np.zeros_like(part) for part in mechanism.payment]
    paid[0][0] = 1.0
    mechanism = mo.Mechanism(mechanism.environment, mechanism.allocation, paid)
    report = mo.verify(mechanism, [mo.Interim(), mo.DIC()])
    words = str(report["interim"].counterexample)
    assert words == "agent 0, period 0, after history []: the utility of type 0 is -1"
    assert repr(report).startswith(f"Report(interim: violated, gain 1 ({words}); dic: ")
    bare = Report(dict(report)).to_frame()["counterexample"]
    assert bare.tolist() == [words, ""]
    named = report.to_frame()["counterexample"]
    assert named.iloc[0] not in ("", words) and named.iloc[1] == ""
