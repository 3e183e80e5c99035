"""Keeps MediaPipe's start-up chatter off the terminal."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_library() -> Iterator[None]:
    """Silence what native code writes to stderr, and the deprecation warnings of libraries under it.

    MediaPipe's C++ parts write to file descriptor 2 whatever the log level (XNNPACK, inference feedback), so
    the descriptor itself leads nowhere inside the block, for all threads.  Errors arrive as exceptions.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with quiet_warnings():
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Ignore deprecation warnings: MediaPipe's way of calling protobuf warns once a frame."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*GetPrototype.*")
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
