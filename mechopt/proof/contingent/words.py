"""What a proof about transfers claims, in words, with everything that is asked of them: none reads like more."""

from __future__ import annotations

from fractions import Fraction

from mechopt.proof.contingent.file import TransferProof


def statement(proof: TransferProof, value: Fraction) -> str:
    r"""The claim of a proof that was checked, as a sentence; ``value`` is what the check returned.

    Examples
    --------
    >>> asked = {"participation": None, "outside": ["0", "0"], "fee": False, "cap": "1/10", "balance": None}
    >>> proof = TransferProof("", "constant", True, asked | {"form": "free"}, [], [], [], shares=[None])
    >>> print(statement(proof, Fraction(4, 35)).replace(", ", ",\n"))
    there are no transfers that make the truth best under the efficient rule,
    whose last action is one whatever the reports,
    with no payment above 1/10; together the inequalities say 0 >= 4/35
    """
    rule = "the efficient rule" if proof.efficient else "the rule that the proof states"
    if proof.last == "constant":
        rule += ", whose last action is one whatever the reports"
    demands = _demands(proof)
    under = f"the truth best under {rule}" + (f", with {' and '.join(demands)}" if demands else "") + _kernels(proof)
    if proof.refusal:
        return f"there are no transfers that make {under}; together the inequalities say 0 >= {value}"
    return f"transfers of at most {value} = {float(value):.12g} make {under}"


def _demands(proof: TransferProof) -> list[str]:
    """What is asked of transfers besides the truth being best."""
    asked, found = proof.asked, list[str]()
    if asked["participation"] is not None:
        options = ", ".join(str(Fraction(number)) for number in asked["outside"])
        found.append(f"{asked['participation']} participation ({options} outside)")
    if asked["fee"]:
        found.append("entry fees")
    if asked["cap"] is not None:
        found.append(f"no payment above {Fraction(asked['cap'])}")
    if asked["balance"] is not None:
        found.append(f"{asked['balance']} budget balance")
    if asked["form"] != "free":
        found.append(f"values of the form {asked['form']}")
    return found


def _kernels(proof: TransferProof) -> str:
    """For which kernels the claim is made, besides that of the model."""
    if not proof.kernels:
        return ""
    words = {
        "ball": f", for every kernel within {proof.kernels.get('radius')} of the model's, row by row",
        "box": ", for every kernel between the bounds that the proof states",
        "hull": ", for every mixture, row by row, of the model's kernel and those that the proof states",
    }
    return words[proof.kernels["kind"]]
