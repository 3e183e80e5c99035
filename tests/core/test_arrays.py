"""Guarantees: what is written is what ``np.load`` reads; only rows asked for are read; damage is refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.store.arrays import ArrayWriter, array_info, read_rows, row_count

DTYPES = ["u1", "<f4", ">f8", "i8", "?", "c8", "U5", "M8[ms]", [("x", "f4"), ("n", "i2", (2,))]]


def _random(dtype: object, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of random bytes that are valid elements of any of the dtypes."""
    kind = np.dtype(dtype)
    values = np.random.default_rng(0).integers(0, 2, (*shape, kind.itemsize), dtype=np.uint8)
    return np.ascontiguousarray(values).view(kind)[..., 0]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "a.npy"
    with ArrayWriter(path, "f4", (3,)) as writer:
        writer.append(np.arange(30, dtype="f4").reshape(10, 3))
    return path


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row_shape", [(), (4,), (2, 3), (0,)])
def test_numpy_reads_what_was_written(tmp_path: Path, dtype: object, row_shape: tuple[int, ...]) -> None:
    whole = _random(dtype, (11, *row_shape))
    with ArrayWriter(tmp_path / "a.npy", dtype, row_shape) as writer:
        for start, stop in [(0, 4), (4, 4), (4, 11)]:
            writer.append(whole[start:stop])
    loaded = np.load(tmp_path / "a.npy")
    assert loaded.dtype == whole.dtype
    assert loaded.shape == whole.shape
    assert loaded.tobytes() == whole.tobytes()
    assert read_rows(tmp_path / "a.npy").tobytes() == whole.tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_equal_numpys_slice_of_a_file_that_numpy_wrote(tmp_path: Path, dtype: object) -> None:
    np.save(tmp_path / "a.npy", _random(dtype, (7, 2)), allow_pickle=False)
    whole = np.load(tmp_path / "a.npy")
    for start, stop in [(0, None), (2, 5), (-3, None), (5, 2), (4, 99), (0, 0), (6, 7)]:
        rows = read_rows(tmp_path / "a.npy", start, stop)
        assert rows.dtype == whole.dtype
        assert rows.shape == whole[start:stop].shape
        assert rows.tobytes() == whole[start:stop].tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_formats_of_the_header_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(5), version=version)
    assert read_rows(tmp_path / "a.npy", 1, 3).tolist() == [1, 2]


def test_no_rows_make_an_empty_array(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "a.npy", "f4", (2, 5)):
        pass
    assert np.load(tmp_path / "a.npy").shape == (0, 2, 5)
    assert row_count(tmp_path / "a.npy") == 0
    assert read_rows(tmp_path / "a.npy", 3, 9).shape == (0, 2, 5)


def test_header_says_what_is_there(stored: Path) -> None:
    info = array_info(stored)
    assert (info.dtype, info.rows, info.row_shape, info.row_bytes) == (np.dtype("f4"), 10, (3,), 12)
    assert info.offset % 64 == 0  # so that numpy can map the file, aligned
    assert row_count(stored) == 10


def test_rows_are_a_copy_that_does_not_hold_the_file(stored: Path) -> None:
    rows = read_rows(stored, 0, 2)
    assert rows.flags.owndata
    assert rows.flags.writeable
    rows[:] = -1
    assert read_rows(stored, 0, 1).tolist() == [[0, 1, 2]]


def test_memory_order_and_narrower_kinds_do_not_matter(tmp_path: Path) -> None:
    rows = np.asfortranarray(np.arange(12.0).reshape(4, 3))
    with ArrayWriter(tmp_path / "a.npy", "f4", (3,)) as writer:
        writer.append(rows)
        writer.append(rows[::-2])
        writer.append([[1.5, 2.5, 3.5]])
    assert np.array_equal(np.load(tmp_path / "a.npy"), [*rows, *rows[::-2], [1.5, 2.5, 3.5]])


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.zeros(3), np.float64(1.0), np.zeros((2, 3, 1))])
def test_rows_of_another_shape_are_refused(tmp_path: Path, rows: np.ndarray) -> None:
    with ArrayWriter(tmp_path / "a.npy", "f4", (3,)) as writer:
        with pytest.raises(ValueError, match=r"\(n, 3\)"):
            writer.append(rows)
        writer.append(np.ones((1, 3)))
    assert np.load(tmp_path / "a.npy").tolist() == [[1, 1, 1]]


def test_values_that_would_be_cut_are_refused(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "a.npy", "u1") as writer, pytest.raises(TypeError, match="same_kind"):
        writer.append(np.array([0.5]))


def test_objects_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be stored"):
        ArrayWriter(tmp_path / "a.npy", object)
    assert not list(tmp_path.iterdir())


def test_objects_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="a\\.npy"):
        read_rows(tmp_path / "a.npy")


def test_an_error_in_the_block_removes_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ArrayWriter(tmp_path / "a.npy", "f4") as writer:  # noqa: PT012
        writer.append(np.zeros(9))
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_an_unfinished_file_is_refused(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "a.npy", "f4") as writer:
        writer.append(np.zeros(10_000))
        with pytest.raises(DataError, match="not a whole"):
            row_count(tmp_path / "a.npy")


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"full.*MIEN_STORE"), ArrayWriter(path, "f4") as writer:
        writer.append(np.zeros(100_000))
    assert not path.is_symlink()


def test_a_disk_that_is_full_at_the_very_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.symlink_to("/dev/full")
    with pytest.raises(DataError, match="full"), ArrayWriter(path, "f4") as writer:
        writer.append(np.zeros(1))  # stays in the buffer until the end
    assert not path.is_symlink()


def _header(text: str) -> bytes:
    body = text.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "foreign": b"PK\x03\x04 something else",
        "version": b"\x93NUMPY\x09\x00",
        "header cut": _header("{'descr': '<f4'")[:14],
        "no literal": _header("{'descr': open('x')}"),
        "deep": _header("(" * 5000),
        "no dictionary": _header("[1]"),
        "no shape": _header("{'descr': '<f4', 'fortran_order': False}"),
        "negative": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
        "scalar": _header("{'descr': '<f4', 'fortran_order': False, 'shape': ()}") + b"0000",
        "columns": _header("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}") + b"0000",
        "dtype": _header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}"),
        "no dtype": _header("{'fortran_order': False, 'shape': (1,)}"),
        "short": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}") + b"0000",
        "long": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}") + b"0" * 12,
        "huge": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (10**15,)}"),
        "vast": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,)}"),
    }.items(),
    ids=lambda item: item[0],
)
def test_damaged_and_foreign_files_are_refused(tmp_path: Path, content: tuple[str, bytes]) -> None:
    path = tmp_path / "damaged.npy"
    path.write_bytes(content[1])
    with pytest.raises(DataError, match="damaged\\.npy"):
        read_rows(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent\\.npy"):
        row_count(tmp_path / "absent.npy")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    chunk = np.zeros((64, 64, 64), "u1")  # 256 KiB
    tracemalloc.start()
    try:
        with ArrayWriter(tmp_path / "a.npy", "u1", (64, 64)) as writer:
            for _ in range(100):
                writer.append(chunk)
        rows = read_rows(tmp_path / "a.npy", 3000, 3064)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert row_count(tmp_path / "a.npy") == 6400  # 25 MiB
    assert rows.shape == (64, 64, 64)
    assert peak < 3 * chunk.nbytes
