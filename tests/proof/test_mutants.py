"""Re-signed mutants of certificates prove nothing that is not so."""

import pytest

from tests.proof_mutants import try_mutants


def test_some_hundred_mutants_make_no_false_claim(tmp_path):
    accepted, false = try_mutants(range(400), tmp_path)
    assert not false
    assert 0 < accepted < 200  # such as a weaker name for the same set of mechanisms, or another dual


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 13000, 1000))
def test_twelve_thousand_mutants_make_no_false_claim(start, tmp_path):
    accepted, false = try_mutants(range(start, start + 1000), tmp_path)
    assert not false
    assert accepted
