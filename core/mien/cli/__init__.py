"""The command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code.

    0: all well; 1: recordings were set aside, or something failed; 2: wrong usage or configuration; 130: interrupted.
    """
    # Threads that wait for each other by spinning make a busy machine up to ten times slower; torch reads this once.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from mien.cli.app import app

        app(prog_name="mien")
    except KeyboardInterrupt:  # in the moment before a command guards itself
        sys.exit(130)
