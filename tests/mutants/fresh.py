"""One mutant at module level, in an interpreter that imports the changed module: ``fresh ROOT NAME ANSWER TEST...``."""

from __future__ import annotations

import importlib.machinery
import json
import sys
from pathlib import Path
from types import CodeType

import pytest

from tests.mutants.changes import Mutant, read
from tests.mutants.warm import OPTIONS, quiet_hypothesis


class Noticed:
    """The first test that failed, if any did."""

    by: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.by is None:
            self.by = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.by is None:
            self.by = f"{report.nodeid}, which cannot be read"


def changed_on_import(root: Path, mutant: Mutant) -> None:
    """Have the changed code come where the module is imported."""
    code = mutant.compiled()
    path, real = str(root / mutant.module), importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return code if self.path == path else real(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def main(root: str, name: str, answer: str, *tests: str) -> None:
    """Run."""
    sys.dont_write_bytecode = True
    module = name.split(":")[0]
    changed_on_import(Path(root), next(mutant for mutant in read(Path(root), module) if mutant.name == name))
    quiet_hypothesis()
    noticed = Noticed()
    status = pytest.main([*OPTIONS, "-x", *tests], plugins=[noticed])
    by = noticed.by or (None if status == 0 else f"status {status}")
    Path(answer).write_text(json.dumps({"by": by}))


if __name__ == "__main__":
    main(*sys.argv[1:])
