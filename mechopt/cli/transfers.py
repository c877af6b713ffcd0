"""`mechopt transfers`: contingent transfers for interdependent values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from mechopt.cli.options import At, Check, Json, Model, check_expected, require_expected, require_targets
from mechopt.show.terminal.console import say, show_rows, tell

if TYPE_CHECKING:
    from mechopt.closedform.contingent.result import Method
    from mechopt.closedform.contingent.setting import LastRule
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.modelfile import ModelFile
    from mechopt.study.transfers import TransferStudy


def transfers(
    model: Model,
    method: Annotated[
        str, typer.Option(help="convex (transfers depend on the own report), spanning, or stacked (several periods)")
    ] = "convex",
    last_period: Annotated[
        str, typer.Option(help="efficient, or constant: one action whatever the reports")
    ] = "efficient",
    steps: Annotated[int, typer.Option(min=1, help="future periods to stack")] = 2,
    smallest: Annotated[bool, typer.Option("--smallest", help="minimise the largest entry of each transfer")] = False,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="write the transfers (.npz)")] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="exit status 0 even where a condition fails")
    ] = False,
    check: Check = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Measure convex independence and spanning, and solve for transfers that make the efficient rule truthful."""
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.study.transfers import study_transfers

    require_targets(save)
    file = read(model, at)
    environment = _joint(file)
    require_expected(check, model, file)
    study = study_transfers(environment, cast("Method", method), cast("LastRule", last_period), smallest, steps)
    document = study.document()
    if save is not None and study.transfers is not None:
        study.transfers.save(save)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows([*output.title_rows(file.title), *_rows(study)])
    if study.failure is not None:
        tell(f"no transfers: {study.failure}")
    elif study.check is not None and not study.check.holds:
        tell(f"the transfers do not pass their own verification, {study.check.status}: {study.check.counterexample}")
    if not study.holds and not report_only:
        raise typer.Exit(1)
    if check:
        check_expected(document, file.expected)


def _joint(file: ModelFile) -> InterdependentTypes:
    """The environment, also of private types that move (for which the conditions fail, and it says why)."""
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.environment.markov import MarkovTypes

    if isinstance(file.environment, MarkovTypes):
        return InterdependentTypes.from_markov(file.environment)
    return file.of_kind(InterdependentTypes)


def _rows(study: TransferStudy) -> list[tuple[str, str]]:
    """What is printed for people."""
    rows = [
        ("convex independence", _after(repr(study.convex_independence))),
        ("spanning", _after(repr(study.spanning))),
    ]
    if study.last_period is not None:
        rows.append(("last period", _after(repr(study.last_period))))
    if study.transfers is not None:
        found = study.transfers
        rows.append(("transfers", f"{found.theorem}; largest {found.max_abs:.6g}, bound {found.bound:.6g}"))
    if study.check is not None:
        found_check = study.check
        status = str(found_check.status) if found_check.holds else str(found_check.status).upper()
        bound = f", rounding {found_check.rounding:.3g}" if found_check.status == "undecided" else ""
        rows.append(("periodic-ex-post", f"{status} (largest gain {found_check.gain:.3g}{bound})"))
    return [*rows, ("welfare", f"{study.welfare:.12g}")]


def _after(text: str) -> str:
    """What stands between the brackets of a representation."""
    return text[text.index("(") + 1 : -1]
