"""Which files of ours a command enters: those with a call of at least one of their functions while it runs.

Code that runs when a module is imported, class bodies and decorators included, is not counted; nor are functions that
`dataclass` writes, which lie in no file.
"""

import contextlib
import io
import sys
from inspect import CO_OPTIMIZED
from pathlib import Path

import mechopt
from mechopt.cli.app import application

PACKAGE = str(Path(mechopt.__file__).parent) + "/"


def importing(frame):
    """Whether a module is being imported further up."""
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def files_entered(*arguments):
    """Files by path below the package, in the order in which they are first entered, and how often the file changes."""
    app, entered, before, switches = application(), {}, None, 0

    def traced(frame, event, _):
        nonlocal before, switches
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE) or not code.co_flags & CO_OPTIMIZED:
            return
        if not importing(frame):
            entered[code.co_filename.removeprefix(PACKAGE)] = None
            switches += before != code.co_filename
            before = code.co_filename

    with contextlib.redirect_stdout(io.StringIO()):
        sys.setprofile(traced)
        try:
            app(arguments, standalone_mode=False)
        finally:
            sys.setprofile(None)
    return list(entered), switches


if __name__ == "__main__":
    for name in sys.argv[1:]:
        found, changes = files_entered("solve", name)
        print(name, len(found), "files,", changes, "changes of file")
        print("\n".join(found))
