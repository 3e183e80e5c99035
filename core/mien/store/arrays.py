"""``.npy`` files that are written and read a stretch of rows at a time.

Memory maps would do the same in fewer lines, but their pages count as the process's own memory, and an open
map keeps a removed file on the disk.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.errors import DataError
from mien.store.faults import explained

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000  # numpy's own limit: the parser of literals is not made for hostile lengths
_ALIGNMENT = 64
_MOST_ROWS = 2**63 - 1
_npy: Any = np.lib.format  # some of its functions are untyped in some versions of numpy


@dataclass(frozen=True)
class ArrayInfo:
    """What the header of a ``.npy`` file says: ``rows`` rows of ``row_shape``, from byte ``offset`` on."""

    dtype: np.dtype[Any]
    rows: int
    row_shape: tuple[int, ...]
    offset: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * math.prod(self.row_shape)


class ArrayWriter:
    """Writes a ``.npy`` file whose first axis grows, holding none of it.

    A context manager.  Leaving it writes the final length; leaving it with an error removes the file.
    Until then the file is refused by `read_rows`.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.
    dtype : dtype-like
        Of the elements; not object, which would need pickle.
    row_shape : sequence of int
        Shape of one row; empty for a one-dimensional array.

    Raises
    ------
    ValueError
        When the dtype cannot be stored.
    DataError
        When the disk is full or closed, here and in `append`.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: Sequence[int] = ()) -> None:
        self.path = Path(path)
        self.dtype = np.dtype(dtype)
        self.row_shape = tuple(int(length) for length in row_shape)
        self.rows = 0
        if self.dtype.hasobject or not self.dtype.itemsize:
            raise ValueError(f"{path}: an array of dtype {self.dtype} cannot be stored")
        with explained(self.path.parent):
            self._file: BufferedWriter = self.path.open("wb")
        try:
            self._write(_header(self.dtype, 0, self.row_shape))
        except BaseException:
            self._give_up()
            raise

    def __enter__(self) -> ArrayWriter:
        return self

    def append(self, rows: npt.ArrayLike) -> None:
        """Write further rows.

        Parameters
        ----------
        rows : array-like, shape (n, *row_shape)
            Of the writer's dtype, or one of the same kind; ``n`` may be 0.

        Raises
        ------
        ValueError
            When their shape is another.
        TypeError
            When their dtype is of another kind.
        """
        values = np.asarray(rows)
        if values.shape[1:] != self.row_shape or not values.ndim:
            expected = ", ".join(["n", *map(str, self.row_shape)])
            raise ValueError(f"{self.path}: rows of shape ({expected}) are expected, not {values.shape}")
        # order="C" and not "K": the file is row by row whatever the memory's order is.
        stored = values.astype(self.dtype, order="C", casting="same_kind", copy=False)
        self._write(stored.reshape(-1).view(np.uint8).data)
        self.rows += len(stored)

    def _write(self, data: bytes | memoryview) -> None:
        with explained(self.path.parent):
            self._file.write(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._give_up()
            return
        try:
            with explained(self.path.parent):
                self._file.seek(0)
                self._file.write(_header(self.dtype, self.rows, self.row_shape))
                self._file.close()
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        try:
            self._file.close()
        except OSError:  # the rest of a buffer that is thrown away does not fit on the disk
            pass
        finally:
            self.path.unlink(missing_ok=True)


def row_count(path: Path) -> int:
    """Return the length of the first axis of a ``.npy`` file.

    Raises
    ------
    DataError
        When the file is absent, damaged or unfinished.
    """
    return array_info(path).rows


def array_info(path: Path) -> ArrayInfo:
    """Return what a ``.npy`` file holds, after checking that it holds all of it.

    Raises
    ------
    DataError
        When the file is absent, damaged or unfinished.
    """
    with _opened(path) as file:
        return _read_info(file, path)


def read_rows(path: Path, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
    """Return rows ``start`` to ``stop`` of a ``.npy`` file, as a copy; only they are read.

    Parameters
    ----------
    path : Path
    start, stop : int
        As in a slice: negative ones count from the end, what lies beyond it is left out.

    Returns
    -------
    ndarray, shape (n, ...)
        ``n`` is 0 where the stretch is empty.

    Raises
    ------
    DataError
        When the file is absent, damaged or unfinished.
    """
    with _opened(path) as file:
        info = _read_info(file, path)
        first, last, _ = slice(start, stop).indices(info.rows)
        rows = np.empty((max(last - first, 0), *info.row_shape), info.dtype)
        file.seek(info.offset + first * info.row_bytes)
        buffer = rows.reshape(-1).view(np.uint8).data
        if file.readinto(buffer) != buffer.nbytes:
            raise _damaged(path, "it became shorter while it was read")
        return rows


def _opened(path: Path) -> BufferedReader:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise DataError(f"The array cannot be read: {error.strerror}.", where=str(path)) from error


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"It is not a whole .npy array: {reason}.", where=str(path), hint="Remove it, and run the step again."
    )


def _header(dtype: np.dtype[Any], rows: int, row_shape: tuple[int, ...]) -> bytes:
    """Return a header (format 1.0) of the same length for any number of rows."""
    descr = _npy.dtype_to_descr(dtype)
    text = "{{'descr': {!r}, 'fortran_order': False, 'shape': {!r}, }}"
    longest = len(text.format(descr, (_MOST_ROWS, *row_shape)).encode("latin1"))
    prefix = len(_MAGIC) + 4  # two bytes of version, two of length
    total = -(-(prefix + longest + 1) // _ALIGNMENT) * _ALIGNMENT
    body = text.format(descr, (rows, *row_shape)).encode("latin1").ljust(total - prefix - 1) + b"\n"
    return _MAGIC + b"\x01\x00" + len(body).to_bytes(2, "little") + body


def _read_info(file: BufferedReader, path: Path) -> ArrayInfo:
    fields = _literal(_header_text(file, path), path)
    shape, descr = fields.get("shape"), fields.get("descr")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise _damaged(path, "its header has no shape")
    if not shape or (fields.get("fortran_order") is not False and len(shape) > 1):
        raise _damaged(path, "it is not stored row by row")
    info = ArrayInfo(_dtype(descr, path), shape[0], shape[1:], file.tell())
    size = file.seek(0, 2)
    if size != info.offset + info.rows * info.row_bytes:
        raise _damaged(path, f"its header promises {info.rows} rows, and its size ({size} bytes) differs")
    return info


def _header_text(file: BufferedReader, path: Path) -> str:
    start = file.read(len(_MAGIC) + 2)
    if start[:-2] != _MAGIC or start[-2:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise _damaged(path, "it does not begin like one")
    length_bytes, encoding = (2, "latin1") if start[-2] == 1 else (4, "latin1" if start[-2] == 2 else "utf8")
    length = int.from_bytes(file.read(length_bytes), "little")
    body = file.read(min(length, _LONGEST_HEADER))
    if len(body) != length:
        raise _damaged(path, "its header is cut short or too long")
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        raise _damaged(path, "its header is not text") from None


def _literal(text: str, path: Path) -> dict[str, Any]:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _damaged(path, "its header cannot be read") from None
    if not isinstance(value, dict):
        raise _damaged(path, "its header is no dictionary")
    return value


def _dtype(descr: Any, path: Path) -> np.dtype[Any]:
    try:
        dtype = np.dtype(_npy.descr_to_dtype(descr))
    except (ValueError, TypeError, SyntaxError, IndexError):
        raise _damaged(path, f"its dtype {descr!r} is unknown") from None
    if dtype.hasobject or not dtype.itemsize:
        raise _damaged(path, f"its dtype {descr!r} cannot be read safely")
    return dtype
