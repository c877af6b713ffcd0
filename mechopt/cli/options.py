"""Arguments and options that commands share, and what they make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mechopt.core.atomic import require_target
from mechopt.core.errors import Fault, InputError, MechoptError
from mechopt.show.terminal.console import tell

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes
    from mechopt.mechanism.payments import Payments
    from mechopt.modelfile import ModelFile
    from mechopt.solve.problem import Problem

Model = Annotated[str, typer.Argument(metavar="MODEL", help="a model file, or the name of a bundled model")]
At = Annotated[
    str | None, typer.Option("--at", metavar="p=1/3", help="values of the model's parameters; several: p=1/3,h=2")
]
Ic = Annotated[
    str | None,
    typer.Option(
        "--ic",
        help="incentive constraints joined by +, or none; default: the file's, else dic (bayesian where types persist)",
    ),
]
Ir = Annotated[
    str | None,
    typer.Option(
        "--ir",
        help="participation constraints joined by +, or none; default: the file's, else epir (interim where "
        "types persist)",
    ),
]
SubjectTo = Annotated[
    str | None,
    typer.Option(
        "--subject-to",
        help="constraints on payments joined by +, or none, such as no-subsidy+budget:3; default: the file's",
    ),
]
Epsilon = Annotated[
    str | None,
    typer.Option("--epsilon", metavar="E", help="what a misreport may gain: a number, or several by agent (1/10,0)"),
]
Goal = Annotated[
    str | None, typer.Option("--objective", help="revenue, welfare, utility or a sum such as revenue+0.5*welfare")
]
Form = Annotated[str, typer.Option("--form", help="of the program: auto, promise, utility or payment")]
Check = Annotated[bool, typer.Option("--check", help="compare with the file's [expected]")]
AcceptRange = Annotated[
    bool, typer.Option("--accept-range", help="solve even if values or probabilities differ by a factor above 1e9")
]
LocalWorkers = Annotated[int, typer.Option("--workers", min=1, help="local processes")]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="of a Dask scheduler, whose workers are used instead"),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def require_targets(*paths: str | Path | None) -> None:
    """Refuse, before any work, files to write that are no regular files or have no folder."""
    for path in paths:
        if path is not None:
            require_target(path)


def written(writes: Iterable[Callable[[], object]]) -> MechoptError | None:
    """Write files, before the result is printed: who reads it may leave at any time.

    Returns
    -------
    MechoptError or None
        The first that failed, to be raised when the result, which it must not hide, is printed.
    """
    failed: list[MechoptError] = []
    for write in writes:
        try:
            write()
        except MechoptError as error:
            failed.append(error)
    return next(iter(failed), None)


def environment_of(model: ModelFile) -> AnyTypes:
    """Environment of a model file, of any kind that has mechanisms."""
    if model.environment.kind == "scenarios":
        from mechopt.environment.independent import IndependentTypes
        from mechopt.environment.interdependent import InterdependentTypes
        from mechopt.environment.markov import MarkovTypes
        from mechopt.environment.separable import SeparableTypes

        kinds: tuple[type[AnyTypes], ...] = (IndependentTypes, MarkovTypes, SeparableTypes, InterdependentTypes)
        return model.of_kind(*kinds)
    return cast("AnyTypes", model.environment)


def problem_of(
    model: ModelFile,
    ic: str | None,
    ir: str | None,
    objective: str | None = None,
    form: str = "auto",
    subject_to: str | None = None,
    epsilon: str | None = None,
    deterministic: bool = False,
) -> Problem:
    """The problem of a model file and the options; what is not given is the file's."""
    from mechopt.mechanism.payments import require_agents, without_draws
    from mechopt.solve.problem import Problem

    limits: Payments = model.subject_to if subject_to is None else subject_to
    environment = environment_of(model)
    if subject_to is None:
        try:
            require_agents(model.subject_to, environment.agents)
        except InputError as error:
            what, _, fix = str(error).partition("; ")
            raise InputError([Fault("subject_to", what, fix)], model.name) from None
    if epsilon is not None:
        limits = with_epsilon(limits, epsilon)
    limits = without_draws(limits) if deterministic else limits
    return Problem(
        environment,
        model.ic if ic is None else ic,
        model.ir if ir is None else ir,
        limits,
        objective=model.objective if objective is None else objective,
        form=form,
    )


def with_epsilon(limits: Payments, epsilon: str) -> Payments:
    """Constraints in which misreports may gain ``epsilon``, whatever they were allowed to gain before.

    Raises
    ------
    InputError
        If it is not a number, or not one an agent.
    """
    from mechopt.mechanism.payments import EpsilonIC, payment_constraints, payment_named

    others = [limit for limit in payment_constraints(limits) if not isinstance(limit, EpsilonIC)]
    return (*others, payment_named(f"epsilon:{epsilon}"))


def require_expected(check: bool, model: str, file: ModelFile) -> None:
    """Refuse ``--check`` of a file that expects nothing."""
    if check and not file.expected:
        raise InputError(f"{model}: has no [expected] table to check against; add one, such as value = 3.5")


def check_expected(document: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare a result with what its file expects; exit status 1 where it differs."""
    from mechopt.show.terminal.output import compare_expected

    kept, missed, absent = compare_expected(document, expected)
    for line in kept:
        tell(f"as expected: {line}")
    for line in missed:
        tell(f"NOT as expected: {line}")
    for key in absent:
        tell(f"not checked: {key} is not in this command's output")
    if missed or not kept:
        raise typer.Exit(1)


def command_line() -> str:
    """The command as it was given, to be given again."""
    import shlex
    import sys

    return shlex.join(["mechopt", *sys.argv[1:]])
