"""An estimated environment as the text of a model file: exact numbers, and a header that says how it was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from textwrap import wrap

from mechopt.core.errors import InputError
from mechopt.core.printable import printable
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes

WIDTH = 118
LONGEST_DECIMAL = 15


def model_text(environment: IndependentTypes | MarkovTypes, title: str, source: str, header: Sequence[str] = ()) -> str:
    """Text of a model file for buyers (agents) who are all alike, in all periods.

    Parameters
    ----------
    environment : IndependentTypes or MarkovTypes
        With exact numbers.
    title, source : str
        The file's keys.
    header : sequence of str
        Paragraphs of the comment at its top.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, "5/2"], ["1/3", "2/3"], horizon=2)
    >>> print(model_text(env, "Two values", "a test", ["A header."]))
    # A header.
    title = "Two values"
    source = "a test"
    kind = "independent"
    horizon = 2
    <BLANKLINE>
    [[buyers]]
    values = [1, 2.5]
    probabilities = ["1/3", "2/3"]
    <BLANKLINE>
    """
    lines = [line for paragraph in header for line in _comment(paragraph)]
    lines += [f"title = {_text(title)}", f"source = {_text(source)}", f'kind = "{environment.kind}"']
    lines += _independent(environment) if isinstance(environment, IndependentTypes) else _markov(environment)
    return "\n".join(lines) + "\n"


def number(value: Fraction) -> str:
    """A number as TOML that is read back exactly: 3, 0.25 or "1/3"."""
    if value.denominator == 1:
        return str(value.numerator)
    places = next((d for d in range(1, LONGEST_DECIMAL + 1) if 10**d % value.denominator == 0), None)
    if places is None:
        return f'"{value}"'
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' * (value < 0)}{digits[:-places]}.{digits[-places:]}"


def _independent(environment: IndependentTypes) -> list[str]:
    exact = environment.exact
    if exact is None:
        raise InputError("the environment's numbers are not exact; give probabilities that sum to 1")
    values, probabilities = exact.values[0][0], exact.probabilities[0][0]
    alike = {stage for row in exact.values for stage in row} == {values}
    if not alike or {stage for row in exact.probabilities for stage in row} != {probabilities}:
        raise InputError("the buyers or periods differ; only equal ones are written")
    lines = [f"horizon = {environment.horizon}"]
    if exact.discount != 1:
        lines.append(f"discount = {number(exact.discount)}")
    if any(exact.cost):
        costs = set(exact.cost)
        lines.append(f"cost = {number(costs.pop()) if len(costs) == 1 else _list(exact.cost)}")
    lines += ["", "[[buyers]]", f"values = {_list(values)}", f"probabilities = {_shares(probabilities)}"]
    return [*lines, f"count = {environment.agents}"] if environment.agents > 1 else lines


def _markov(environment: MarkovTypes) -> list[str]:
    exact = environment.exact
    if exact is None:
        raise InputError("the environment's numbers are not exact; give probabilities that sum to 1")
    cost = [entry for entry in exact.cost if isinstance(entry, Fraction)]
    if not cost or any(len(set(row)) > 1 for part in (exact.values, exact.kernel) for row in part):
        raise InputError("the periods differ; only equal ones are written")
    horizon = environment.horizon if isinstance(environment.horizon, int) else '"infinite"'
    lines = [f"horizon = {horizon}", f"discount = {number(exact.discount)}"]
    lines += [f"actions = {json.dumps(list(environment.action_names(0)))}", f"cost = {_list(cost)}"]
    for i, name in enumerate(environment.names):
        lines += ["", "[[agents]]", f"name = {_text(name)}", f"types = {json.dumps(list(environment.types[i][0]))}"]
        lines += [f"initial = {_shares(exact.initial[i])}", "values = ["]
        lines += [*(f"    {_list(row)}," for row in exact.values[i][0]), "]", "kernel = ["]
        lines += [*(f"    {_shares(row)}," for row in exact.kernel[i][0][0]), "]"]
    return lines


def _list(numbers: Sequence[Fraction]) -> str:
    return f"[{', '.join(map(number, numbers))}]"


def _shares(shares: Sequence[Fraction]) -> str:
    """Probabilities as decimals where all are, else over one denominator, as they were counted."""
    whole = lcm(*(share.denominator for share in shares))
    if 10**LONGEST_DECIMAL % whole == 0:
        return _list(shares)
    return "[" + ", ".join(f'"{share.numerator * (whole // share.denominator)}/{whole}"' for share in shares) + "]"


def _text(text: str) -> str:
    """A TOML string: JSON's rules, and no control characters at all."""
    return json.dumps(printable(text), ensure_ascii=False)


def _comment(paragraph: str) -> list[str]:
    lines = wrap(printable(paragraph), WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in lines]
