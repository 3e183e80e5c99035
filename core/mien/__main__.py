"""``python -m mien``."""

from __future__ import annotations

from mien.cli import main

if __name__ == "__main__":
    main()
