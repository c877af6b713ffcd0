"""A headless Chromium for the tests of pages, and axe's rules of accessibility."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.waiting import HANG_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome")
WITHOUT = "no Chromium here; .ci/browser installs Debian's, the extra dev the rest"


def chromium() -> str | None:
    """Where the browser is, or None; also None where what drives it is not installed."""
    if find_spec("axe_playwright_python") is None:
        return None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Visit:
    """A page that is open, what its console said, and what it asked the network for."""

    page: object
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def browser():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # which Chromium refuses to root
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium(), args=sandbox)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def visit(started, path: Path, scheme: str = "light", width: int = 1200):
    """Open a file in a fresh context."""
    context = started.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(1000 * HANG_SECONDS)
    page = context.new_page()
    found = Visit(page)
    page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri())
    try:
        yield found
    finally:
        context.close()


def accessibility_faults(page) -> list[str]:
    """What axe finds, rules of best practice among it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
