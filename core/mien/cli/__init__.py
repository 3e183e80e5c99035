"""The command line."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line and leave with its exit code.

    0: all well; 1: some recordings were set aside; 2: wrong usage or configuration; 130: interrupted.
    """
    # Threads that wait for each other by spinning make a busy machine up to ten times slower; torch reads this once.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from mien.cli.app import app

    app(prog_name="mien")
