"""The fence ``{commands}``: every command with its arguments and options, from the functions that run them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from typer import Typer
from typer.models import ArgumentInfo, OptionInfo

from mechopt.cli.app import application

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE = re.compile(r"^```\{commands\}\n```$", re.MULTILINE)
WORDS = {float: "NUMBER", int: "COUNT", str: "TEXT"}


def commands(group: Typer, path: str = "mechopt") -> Iterator[tuple[str, Callable[..., Any]]]:
    """All commands of a group and the groups in it: the words that call one, and its function."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name or command.callback.__name__}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{path} {inner.name}")


def parameters(function: Callable[..., Any]) -> Iterator[tuple[str, Any, bool, str]]:
    """Name and value as typed, default, whether it is an argument, and help, of each parameter."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        inner = get_args(hints[name])
        info = next(part for part in inner[1:] if isinstance(part, (ArgumentInfo, OptionInfo)))
        kinds = [kind for kind in (get_args(inner[0]) or inner[:1]) if kind is not type(None)]
        if isinstance(info, ArgumentInfo):
            yield info.metavar or name.upper(), parameter.default, True, info.help or ""
            continue
        given = [] if info.default is ... else [info.default]  # where a name stands first within Annotated
        spelled = ", ".join([*given, *(info.param_decls or [])] or [f"--{name.replace('_', '-')}"])
        value = "" if kinds == [bool] else f" {info.metavar or WORDS[kinds[0]]}"
        yield spelled + value, parameter.default, False, info.help or ""


def section(path: str, function: Callable[..., Any]) -> str:
    """One command: what it does, how it is called, its arguments and options."""
    found = list(parameters(function))
    arguments = [name for name, _, argument, _ in found if argument]
    call = [path, *arguments, *(["[OPTIONS]"] if len(arguments) < len(found) else [])]
    lines = [f"## {path}", "", inspect.getdoc(function) or "", "", "```sh", " ".join(call), "```", ""]
    rows = []
    for name, default, argument, words in found:
        shown = "" if argument or default in (None, False) else f"; default `{default}`"
        rows.append(f"| `{name}` | {words.replace('|', chr(92) + '|')}{shown} |")
    return "\n".join([*lines, *(["| option | meaning |", "|---|---|", *rows, ""] if rows else [])])


def reference() -> str:
    """Markdown of all commands."""
    return "\n".join(section(path, function) for path, function in commands(application()))


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fence of a page."""
    source[0] = FENCE.sub(lambda _: reference(), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
