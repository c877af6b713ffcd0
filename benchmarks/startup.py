"""Processor seconds of each command from start to end, most of them imports; writes a table.

    python -m benchmarks.startup [--repeat 7] [--output benchmarks/RESULTS-startup.md]

Every command runs in a process of its own, in rounds over all of them; the table has the median of user and system
time. One run before the first round fills the caches of files and of compiled Python, which lies in a folder of its own
so that the machine's settings do not matter. Beside them is Python with numpy alone, which nothing here can go below.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median

TINY = """
kind = "independent"
horizon = 1
[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
"""
NOTHING, ONE_PROGRAM = 0.4, 0.8
"""Most processor seconds of a command that solves nothing, and of one tiny program."""
NUMPY = "import numpy"
COMMANDS = {
    NUMPY: None,
    "--version": NOTHING,
    "--help": NOTHING,
    "schema": NOTHING,
    "models": NOTHING,
    "size tiny.toml": NOTHING,
    "solve tiny.toml": ONE_PROGRAM,
    "verify tiny.toml tiny.npz": None,
    "compare tiny.toml": None,
    "frontier tiny.toml": None,
}
PACKAGES = ("mechopt", "highspy", "numpy", "scipy", "pydantic", "typer")


def seconds(arguments: str, folder: str) -> float:
    """User and system time of one process."""
    command = [sys.executable, *(["-c", arguments] if arguments == NUMPY else ["-m", "mechopt", *arguments.split()])]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
    before = os.times()
    subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measure(repeat: int) -> dict[str, list[float]]:
    """Seconds of every command, ``repeat`` times."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tiny.toml").write_text(TINY)
        for arguments in ["solve tiny.toml --save tiny.npz", *COMMANDS]:
            seconds(arguments, folder)
        rounds = [{arguments: seconds(arguments, folder) for arguments in COMMANDS} for _ in range(repeat)]
    return {arguments: [one[arguments] for one in rounds] for arguments in COMMANDS}


def table(found: dict[str, list[float]], repeat: int) -> str:
    """The page."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# From start to end",
        "",
        f"Made by `python -m benchmarks.startup --repeat {repeat}`. Python {platform.python_version()}, {packages};",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores.",
        "",
        "| command | processor seconds, median | least | most | at most |",
        "|---|---|---|---|---|",
    ]
    for arguments, all_seconds in found.items():
        limit = COMMANDS[arguments]
        figures = f"{median(all_seconds):.2f} | {min(all_seconds):.2f} | {max(all_seconds):.2f}"
        called = f'python -c "{arguments}"' if arguments == NUMPY else f"mechopt {arguments}"
        lines.append(f"| `{called}` | {figures} | {'' if limit is None else f'{limit:.1f}'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure and write; exit status 1 where a median is above its limit."""
    parser = argparse.ArgumentParser(description="processor seconds of each command")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS-startup.md"))
    options = parser.parse_args()
    found = measure(options.repeat)
    options.output.write_text(table(found, options.repeat))
    over = [name for name, limit in COMMANDS.items() if limit is not None and median(found[name]) > limit]
    print(options.output.read_text() + (f"\nabove their limits: {', '.join(over)}" if over else ""))
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
