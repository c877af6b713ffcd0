"""The commands, and how they are run. What is imported here takes moments; the rest waits for the command."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mechopt.cli import certificates, comparing, fit, interdependent, models, showing, solving, transfers
from mechopt.cli import formula as formulas
from mechopt.cli import frontier as frontiers
from mechopt.cli import sweep as sweeping
from mechopt.core.errors import MechoptError
from mechopt.show.terminal.console import say, tell

app = typer.Typer(
    help="Optimal dynamic mechanisms for finite types: solve, verify, compare.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

COMMANDS = (
    solving.solve,
    showing.show,
    comparing.compare,
    comparing.maximin,
    formulas.formula,
    frontiers.frontier,
    transfers.transfers,
    interdependent.epsilon,
    interdependent.winner_pay,
    fit.fit,
    sweeping.sweep,
    sweeping.search,
    solving.verify,
    solving.size,
    models.models,
    models.schema,
)
INTERRUPTED = 130
"""Exit status that typer makes of Ctrl-C."""
for command in COMMANDS:
    app.command()(command)
app.add_typer(certificates.certificate, name="certificate")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"mechopt {version('mechopt')} (HiGHS {version('highspy')}, numpy {version('numpy')})")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="print the versions of mechopt, HiGHS and numpy"
        ),
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run a command; errors of the library become a message and an exit status."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them takes longer than reading a model
    try:
        app(prog_name="mechopt")
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
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        tell(f"mechopt: cannot write ({error.strerror or error})")
        sys.exit(1)
