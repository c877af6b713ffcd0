"""`mechopt models` and `schema`: what there is to read, and how it is written."""

from __future__ import annotations

from mechopt.cli.options import Json
from mechopt.show.terminal.console import say, show_table


def models(as_json: Json = False) -> None:
    """List the bundled models."""
    from mechopt.modelfile import bundled, read
    from mechopt.show.terminal import output

    listed = [(name, read(path)) for name, path in bundled().items()]
    if as_json:
        plain = [
            {"name": n, "title": m.title, "source": m.source, "environment": repr(m.environment)} for n, m in listed
        ]
        say(output.to_json(plain))
    else:
        rows = [[name, f"{m.title} ({output.model_size(m.environment)})"] for name, m in listed]
        show_table(["model", "about"], rows)


def schema() -> None:
    """Print the JSON schema of model files."""
    from mechopt.modelfile import schema as model_schema
    from mechopt.show.terminal import output

    say(output.to_json(model_schema()))
