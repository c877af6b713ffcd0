"""The commands, and how they are run. Only the command that is called is imported and described to typer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

from mechopt.core.errors import MechoptError
from mechopt.show.terminal.console import drop, flush, say, tell

COMMANDS = {
    "solve": "solving.solve",
    "show": "showing.show",
    "compare": "comparing.compare",
    "diagnose": "comparing.diagnose",
    "maximin": "comparing.maximin",
    "formula": "formula.formula",
    "frontier": "frontier.frontier",
    "transfers": "transfers.transfers",
    "epsilon": "interdependent.epsilon",
    "winner-pay": "interdependent.winner_pay",
    "fit": "fit.fit",
    "sweep": "sweep.sweep",
    "search": "sweep.search",
    "verify": "solving.verify",
    "size": "solving.size",
    "models": "models.models",
    "schema": "models.schema",
    "certificate": "certificates.certificate",
}
"""Function, or group of commands, of each name, as module and name in this folder; in the order of ``--help``."""
INTERRUPTED = 130
"""Exit status that typer makes of Ctrl-C."""
COMPLETION = "_MECHOPT_COMPLETE"
"""Set by shells that complete a command."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"mechopt {version('mechopt')} (HiGHS {version('highspy')}, numpy {version('numpy')})")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="print the versions of mechopt, HiGHS and numpy"
        ),
    ] = False,
) -> None:
    pass


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands, by default all.

    Parameters
    ----------
    names : iterable of str
        Of `COMMANDS`.
    """
    app = typer.Typer(
        help="Optimal dynamic mechanisms for finite types: solve, verify, compare.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(".")
        command = getattr(import_module(f"mechopt.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def run() -> None:
    """Run a command; errors of the library become a message and an exit status."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them takes longer than reading a model
    for name in ("stdout", "stderr"):  # which the caller may have closed
        setattr(sys, name, getattr(sys, name) or open(os.devnull, "w"))  # noqa: SIM115
    called = sys.argv[1:2]
    alone = COMPLETION not in os.environ and called and called[0] in COMMANDS
    try:
        try:
            application(called if alone else COMMANDS)(prog_name="mechopt")
        finally:
            flush()
    except MechoptError as error:
        tell(f"mechopt: {error}")
        sys.exit(error.exit_status)
    except SystemExit as stop:
        if stop.code != INTERRUPTED:
            raise
        tell("mechopt: interrupted before anything was known")
        sys.exit(3)
    except KeyboardInterrupt:
        tell("mechopt: interrupted before anything was known")
        sys.exit(3)
    except BrokenPipeError:  # of what others print
        drop(sys.stdout)
    except OSError as error:
        tell(f"mechopt: cannot write ({error.strerror or error})")
        sys.exit(1)
