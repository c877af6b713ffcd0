"""Wrong types are refused by every public function with the right call, not somewhere inside."""

from numbers import Real

import pytest

import mechopt as mo
from mechopt.core.errors import require_type


class Own:
    """A class whose name says nothing of what it is."""


@pytest.mark.parametrize("kinds", ["Own", ("str", "Own"), Own, (int, Own), ("int", Own)])
def test_the_type_or_one_below_it_is_taken(kinds):
    require_type(Own(), kinds, "called", "write it")
    require_type(type("Below", (Own,), {})(), kinds, "called", "write it")


def test_others_are_refused_with_all_that_is_taken():
    with pytest.raises(mo.InputError, match=r"^called takes Own or Real and not str; write it$"):
        require_type("1", ("Own", Real), "called", "write it")


CALLS = {
    "load": lambda wrong: mo.load(wrong),
    "loads": lambda wrong: mo.loads(wrong),
    "sweep": lambda wrong: mo.sweep(wrong),
    "search": lambda wrong: mo.search(wrong),
    "quasi_non_clairvoyant": lambda wrong: mo.quasi_non_clairvoyant(wrong),
    "reduced_gap": lambda wrong: mo.reduced_gap(wrong, 3),
    "gap_family": lambda wrong: mo.gap_family(0.5, wrong),
    "sweep_lines": lambda wrong: mo.figures.sweep_lines(wrong),
    "price_path": lambda wrong: mo.figures.price_path(wrong),
    "check_certificate": lambda wrong: mo.formats.check_certificate(wrong, wrong),
    "check_guarantee": lambda wrong: mo.formats.check_guarantee(wrong, wrong),
    "write_vipr": lambda wrong: mo.formats.write_vipr(wrong, wrong, "file"),
    "to_efg": lambda wrong: mo.formats.to_efg(wrong, wrong),
    "load_certificate": lambda wrong: mo.formats.load_certificate(wrong),
    "transfer_proof": lambda wrong: mo.formats.transfer_proof(wrong),
    "constant_prices": lambda wrong: mo.lemmas.constant_prices(wrong),
    "one_bank_account": lambda wrong: mo.lemmas.one_bank_account(wrong),
    "changed_futures": lambda wrong: mo.mechanisms.changed_futures(wrong),
    "report_prices": lambda wrong: mo.mechanisms.report_prices(wrong, 0),
    "worst_case": lambda wrong: mo.mechanisms.worst_case(mo.repeated_myerson, wrong),
    "with_finite_tails": lambda wrong: mo.mechanisms.with_finite_tails(wrong, 3),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrong", [None, 1j, mo.DIC(), [object()]], ids=["none", "complex", "constraint", "list"])
def test_public_functions_say_what_they_take(name, wrong):
    with pytest.raises(mo.InputError, match=f"^{name} takes .* and not {type(wrong).__name__}; "):
        CALLS[name](wrong)
