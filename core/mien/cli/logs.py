"""What is logged, and where to."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def configure(console: Console, verbose: int, quiet: bool) -> None:
    """Send the log of mien to a console; warnings and worse, unless told otherwise.

    Libraries' own logs and Python's warnings are shown from ``-vv`` on.
    """
    level = logging.ERROR if quiet else [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    handler = _handler(console)
    for name in ("mien", "mien_plugins"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    logging.getLogger().setLevel(logging.INFO if verbose > 1 else logging.ERROR)
    if verbose > 1:
        logging.basicConfig(handlers=[handler])
    else:
        warnings.simplefilter("ignore")


def _handler(console: Console) -> logging.Handler:
    if console.is_terminal:
        from rich.logging import RichHandler

        return RichHandler(console=console, show_path=False, show_time=False, markup=False)
    handler = logging.StreamHandler(console.file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    return handler
