"""The command line: arguments in, results out; what is computed lies elsewhere. One file a group of commands.

Exit status: 0 done, 1 a check failed, 2 bad input, 3 stopped by a limit or by Ctrl-C.
"""

from __future__ import annotations

import sys

from mechopt.cli.interrupts import STATUS, Interrupts


def main() -> None:
    """Run the command line. Ctrl-C is seen to from here on: before anything else is imported, and until the end."""
    interrupts = Interrupts()
    own = sys._getframe(1).f_globals.get("__name__") == "__main__"  # the process is there for this alone
    try:
        try:
            from mechopt.cli.app import run

            interrupts.begin()
            run()
        finally:
            interrupts.end(stay=own)
    except KeyboardInterrupt:  # at the last moment
        interrupts.end(stay=own)
        sys.exit(STATUS)
