"""The command line."""

from __future__ import annotations


def main() -> None:
    """Run the command line and leave with its exit code.

    0: all well; 1: some recordings were set aside; 2: wrong usage or configuration; 130: interrupted.
    """
    from mien.cli.app import app

    app(prog_name="mien")
