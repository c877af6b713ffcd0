"""From what is given for scenarios to exact numbers: distributions, sequences, costs and weights, with every fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.reading import check


class Distribution(NamedTuple):
    """A finite distribution of types.

    Attributes
    ----------
    values, probabilities : read-only float arrays ``(K,)``
    exact : (values, probabilities) as tuples of Fraction, or None
        None where float probabilities sum to 1 only within rounding.
    """

    values: FloatArray
    probabilities: FloatArray
    exact: tuple[tuple[Fraction, ...], tuple[Fraction, ...]] | None

    @property
    def given(self) -> tuple[Any, Any]:
        """Values and probabilities, exact where they are."""
        return self.exact or (self.values, self.probabilities)


def faults_between(
    names: Mapping[int, str], called: Mapping[int, str], sequences: Mapping[int, Sequence[str]]
) -> list[Fault]:
    """Check that names are used once and exist, and that no scenario is empty, too long or there twice.

    Parameters
    ----------
    names : mapping from position to name
        Of the distributions that have one.
    called : mapping from position to name
        Of the scenarios; one that is called by its sequence may be left out.
    sequences : mapping from position to sequence of str
        Of the scenarios that have one.
    """
    faults: list[Fault] = []
    places: dict[str, int] = {}
    for d, name in names.items():
        if places.setdefault(name, d) != d:
            what = f"{name!r} is the name of distributions[{places[name]}] too"
            faults.append(Fault(f"distributions[{d}].name", what, "use another name"))
    known, first, titles = list(places), dict[tuple[str, ...], int](), dict[str, int]()
    for s, sequence in sequences.items():
        where, key = f"scenarios[{s}]", tuple(sequence)
        new = [
            Fault(f"{where}.sequence[{t}]", f"{name!r} is not the name of a distribution", nearest(name, known))
            for t, name in enumerate(sequence)
            if name not in places
        ]
        if not sequence:
            new.append(Fault(f"{where}.sequence", "is empty", "name at least one distribution"))
        elif len(sequence) > check.MAX_HORIZON:
            what = f"has {len(sequence)} periods"
            new.append(Fault(f"{where}.sequence", what, f"at most {check.MAX_HORIZON} periods"))
        elif first.setdefault(key, s) != s:
            what = f"is that of scenarios[{first[key]}] too"
            new.append(Fault(f"{where}.sequence", what, "give each scenario once"))
        else:
            name = called.get(s, ", ".join(sequence))
            if titles.setdefault(name, s) != s:
                what = f"{name!r} is the name of scenarios[{titles[name]}] too"
                new.append(Fault(f"{where}.name", what, "use another name"))
        faults += new
    return faults


def nearest(name: str, known: Sequence[str]) -> str:
    """Fix of a name that is not known."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {shortened(', '.join(map(repr, known)), 200) or 'none'}"


def _tables(given: Any, key: str, keys: Iterable[str], faults: list[Fault]) -> dict[int, Mapping[str, Any]]:
    """Tables by position; what is not a table, or has not the keys, is a fault."""
    if not check.is_list(given) or not len(given):
        faults.append(Fault(key, "is not a list with at least one entry", f"see Scenarios for {key}"))
        return {}
    found = {}
    for position, table in enumerate(given):
        if not isinstance(table, Mapping) or not set(keys) <= set(table) <= {*keys, "name"}:
            what = f"{shortened(repr(table))} is not a table with {' and '.join(keys)}"
            faults.append(Fault(f"{key}[{position}]", what, f"see Scenarios for {key}"))
        elif "name" in table and not (isinstance(table["name"], str) and table["name"]):
            faults.append(Fault(f"{key}[{position}].name", f"{table['name']!r} is not a name", "write a text"))
        else:
            found[position] = table
    return found


def read_distributions(given: Any, faults: list[Fault]) -> tuple[dict[int, str], dict[str, Distribution]]:
    """Names by position, and distributions by name."""
    if isinstance(given, Mapping):
        pairs = {name: one.given if isinstance(one, Distribution) else one for name, one in given.items()}
        bad = [name for name, pair in pairs.items() if not check.is_list(pair) or len(pair) != 2]
        faults += [Fault(f"distributions.{name}", "is not a pair", "give values and probabilities") for name in bad]
        kept = [name for name in pairs if name not in bad]
        given = [{"name": n, "values": pairs[n][0], "probabilities": pairs[n][1]} for n in kept] if kept else bad
    names: dict[int, str] = {}
    known: dict[str, Distribution] = {}
    for d, table in _tables(given, "distributions", ("name", "values", "probabilities"), faults).items():
        where, probabilities = f"distributions[{d}]", table["probabilities"]
        names[d] = table["name"]
        before = len(faults)
        v = check.exact_list(table["values"], f"{where}.values", faults)
        p = check.exact_list(probabilities, f"{where}.probabilities", faults)
        if v is not None and p is not None:
            at, floats = (f"{where}.values", f"{where}.probabilities"), check.is_float_like(probabilities)
            faults += check.distribution_faults(v, p, *at, floats)
        if v is not None and p is not None and len(faults) == before:
            exact = (tuple(v), tuple(p)) if sum(p) == 1 else None
            known[names[d]] = Distribution(readonly([float(x) for x in v]), readonly([float(x) for x in p]), exact)
    return names, known


def read_others(given: Any, names: set[str], faults: list[Fault]) -> list[dict[str, Distribution]]:
    """Distributions of the further buyers; each must have those of the first one's names, and no others."""
    if not check.is_list(given):
        faults.append(Fault("others", "is not a list with an entry a buyer", "leave it out for one buyer"))
        return []
    found = []
    for b, entry in enumerate(given):
        new: list[Fault] = []
        called, known = read_distributions(entry, new)
        faults += check.prefixed(new, f"others[{b}]")
        if wrong := sorted(names ^ set(called.values())):
            faults.append(Fault(f"others[{b}]", *other_names(wrong)))
        found.append(known)
    return found


def read_costs(given: Any, names: Sequence[str], faults: list[Fault]) -> dict[str, Fraction]:
    """Cost of a sale by name of the distribution."""
    table = given if isinstance(given, Mapping) else dict.fromkeys(names, given)
    faults += [
        Fault(f"cost.{name}", "is not the name of a distribution", nearest(str(name), names))
        for name in table
        if name not in names
    ]
    found = dict.fromkeys(names, Fraction(0))
    for name in found:
        where = f"cost.{name}" if isinstance(given, Mapping) else "cost"
        number = check.exact_scalar(table.get(name, 0), where, faults)
        if number is not None:
            found[name] = number
        if number is None and table is not given:
            break
    return found


def weights_faults(weights: Sequence[Fraction], at: str = "") -> list[Fault]:
    """Check weights of scenarios: at least 0, one of them above."""
    faults = [Fault(f"{at}[{s}]", f"is {check.shown(w)}", "give at least 0") for s, w in enumerate(weights) if w < 0]
    return faults or ([] if any(weights) or not weights else [Fault(at, "are all 0", "give one above 0")])


def other_names(wrong: Sequence[str]) -> tuple[str, str]:
    """Fault and fix where a buyer has not the names of the first one."""
    what = f"names differ from the first buyer's: {', '.join(map(repr, wrong))}"
    return what, "give every buyer distributions of the same names"


def read_weights(given: Any, count: int, faults: list[Fault]) -> tuple[Fraction, ...]:
    """Weights of the scenarios as shares of their sum."""
    numbers = [Fraction(1)] * count if given is None else check.exact_list(given, "weights", faults)
    if numbers is None:
        return ()
    before = len(faults)
    faults += weights_faults(numbers, "weights")
    if len(numbers) != count and count:
        faults.append(Fault("weights", f"are {len(numbers)} of {count} scenarios", "give one a scenario"))
    if len(faults) > before or not numbers:
        return ()
    total = sum(numbers)
    return tuple(weight / total for weight in numbers)


def read_absorbing(
    given: Any,
    buyers: Sequence[Mapping[str, Distribution]],
    sequences: Mapping[int, Sequence[str]],
    faults: list[Fault],
) -> tuple[str, ...]:
    """Names that stand for absorbing last periods."""
    if not check.is_list(given) or not all(isinstance(name, str) for name in given):
        faults.append(Fault("absorbing", "is not a list of names", 'write a list such as ["rest"]'))
        return ()
    names = tuple(dict.fromkeys(map(str, given)))
    if names and len(buyers) > 1:
        faults.append(Fault("absorbing", "is for one buyer", "leave it out"))
    for name in names:
        known = buyers[0].get(name)
        if known is None or known.values.tolist() != [0.0]:
            fix = "name a distribution with values = [0] and probabilities = [1]"
            faults.append(Fault("absorbing", f"{name!r} is not one of a sure value 0", fix))
    for s, sequence in sequences.items():
        if set(names) & set(sequence[:-1]):
            what = f"goes on after an absorbing period: {', '.join(sequence)}"
            faults.append(Fault(f"scenarios[{s}].sequence", what, "put it last"))
    return names


def read_sequences(given: Any, faults: list[Fault]) -> tuple[dict[int, str], dict[int, Sequence[str]]]:
    """Names and sequences of the scenarios by position."""
    if isinstance(given, Mapping):
        given = [{"name": name, "sequence": sequence} for name, sequence in given.items()]
    if check.is_list(given):
        given = [entry if isinstance(entry, Mapping) else {"sequence": entry} for entry in given]
    called: dict[int, str] = {}
    sequences: dict[int, Sequence[str]] = {}
    for s, table in _tables(given, "scenarios", ("sequence",), faults).items():
        sequence = table["sequence"]
        if not check.is_list(sequence) or not all(isinstance(name, str) for name in sequence):
            what = f"{shortened(repr(sequence))} is not a list of names"
            faults.append(Fault(f"scenarios[{s}].sequence", what, 'write a list such as ["F1", "F2"]'))
            continue
        called[s], sequences[s] = table.get("name", ", ".join(sequence)), list(map(str, sequence))
    return called, sequences
