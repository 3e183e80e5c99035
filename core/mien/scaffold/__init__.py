"""Writes a new plugin: a small distribution that installs, and whose tests pass, before anything is changed in it."""

from mien.scaffold.design import Design, design
from mien.scaffold.examples import EXAMPLES, Example
from mien.scaffold.writing import Written, render, write

__all__ = ["EXAMPLES", "Design", "Example", "Written", "design", "render", "write"]
