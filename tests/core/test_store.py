"""Guarantees: an entry is there whole or not at all; damage is noticed; pruning takes the least used."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.store import manifest
from mien.store.keys import digest
from mien.store.store import Store, default_store

KEY = digest("key")
DAY = 86_400


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _put(store: Store, step: str = "track", key: str = KEY, content: bytes = b"12345678") -> Path:
    with store.write(step, key, {"from": "test"}) as folder:
        (folder / "boxes.npy").write_bytes(content)
        (folder / "deep").mkdir()
        (folder / "deep" / "track.json").write_text("{}")
    found = store.find(step, key)
    assert found is not None
    return found


def _files(store: Store) -> list[str]:
    found = store.root.rglob("*") if store.root.exists() else []
    return sorted(path.relative_to(store.root).as_posix() for path in found if path.is_file())


def test_what_was_written_is_found(store: Store) -> None:
    assert store.find("track", KEY) is None
    folder = _put(store)
    assert folder == store.root / "track" / KEY[:2] / KEY
    assert (folder / "boxes.npy").read_bytes() == b"12345678"
    assert (folder / "deep" / "track.json").read_text() == "{}"
    assert store.find("crops", KEY) is None
    assert len(_files(store)) == 3  # the two and the manifest; no leftovers


def test_looking_makes_nothing(store: Store) -> None:
    store.find("track", KEY)
    store.clear_scratch("track", KEY)
    assert store.size() == {}
    assert store.prune(older_than_days=0) == []
    assert not store.root.exists()


def test_provenance_is_kept(store: Store) -> None:
    with store.write("track", KEY, {"video": "a.mp4", "sizes": (1, 2), "by": {"10": 1, "9": 2}}):
        pass
    assert store.about("track", KEY) == {"video": "a.mp4", "sizes": [1, 2], "by": {"10": 1, "9": 2}}
    assert store.find("track", KEY) is not None
    assert store.about("track", digest("other")) is None


def test_provenance_that_cannot_be_kept_is_refused_before_the_work(store: Store) -> None:
    with pytest.raises(TypeError), store.write("track", KEY, {"video": Path("a")}):
        pytest.fail("the work began")
    assert _files(store) == []


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, DataError])
def test_an_error_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error), store.write("track", KEY, {}) as folder:  # noqa: PT012
        (folder / "a").write_text("half")
        raise error("stop")
    assert store.find("track", KEY) is None
    assert _files(store) == []
    assert not list((store.root / ".partial").iterdir())


def test_an_entry_is_not_found_before_it_is_whole(store: Store) -> None:
    with store.write("track", KEY, {}) as folder:
        (folder / "a").write_text("half")
        assert store.find("track", KEY) is None
    assert store.find("track", KEY) is not None


def test_the_name_of_the_manifest_is_taken(store: Store) -> None:
    with pytest.raises(ValueError, match="own"), store.write("track", KEY, {}) as folder:
        (folder / manifest.NAME).write_text("mine")
    assert store.find("track", KEY) is None


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".partial", "a b"])
def test_names_that_leave_the_store_are_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        store.find(name, KEY)
    with pytest.raises(ValueError, match="cannot name"):
        store.find("track", name)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))  # a write within the clock's resolution would keep the time of change


DAMAGE = {
    "flipped": lambda entry: _flip(entry / "boxes.npy"),
    "truncated": lambda entry: os.truncate(entry / "boxes.npy", 7),
    "deleted": lambda entry: (entry / "deep" / "track.json").unlink(),
    "replaced by a folder": lambda entry: ((entry / "boxes.npy").unlink(), (entry / "boxes.npy").mkdir()),
    "manifest flipped": lambda entry: _flip(entry / manifest.NAME),
    "manifest truncated": lambda entry: os.truncate(entry / manifest.NAME, 20),
    "manifest deleted": lambda entry: (entry / manifest.NAME).unlink(),
    "manifest foreign": lambda entry: (entry / manifest.NAME).write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_noticed_and_the_entry_made_again(
    store: Store, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    entry = _put(store)
    DAMAGE[damage](entry)
    with caplog.at_level(logging.WARNING):
        assert store.find("track", KEY) is None
    assert str(entry) in caplog.text
    assert not entry.exists()
    assert _put(store) == entry


@pytest.mark.parametrize("position", range(0, 400, 7))
def test_every_byte_of_the_manifest_counts(store: Store, position: int) -> None:
    entry = _put(store)
    content = bytearray((entry / manifest.NAME).read_bytes())
    content[position] ^= 2
    (entry / manifest.NAME).write_bytes(content)
    assert manifest.fault(entry) is not None


def test_a_copied_store_is_verified_by_content_once(store: Store, tmp_path: Path) -> None:
    _put(store)
    shutil.copytree(store.root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = Store(tmp_path / "copy")
    before = manifest.read(copy.root / "track" / KEY[:2] / KEY)
    found = copy.find("track", KEY)
    assert found is not None
    after = manifest.read(found)
    assert before is not None
    assert after is not None
    assert after["files"] != before["files"]
    assert after["files"]["boxes.npy"]["mtime_ns"] == (found / "boxes.npy").stat().st_mtime_ns


def test_an_unchanged_entry_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(store)
    monkeypatch.setattr(manifest, "file_digest", lambda path: pytest.fail("the content was read"))
    assert store.find("track", KEY) is not None


def test_the_first_of_two_writers_wins(store: Store) -> None:
    with store.write("track", KEY, {}) as late:
        (late / "a").write_text("late")
        with store.write("track", KEY, {}) as early:
            (early / "a").write_text("early")
    found = store.find("track", KEY)
    assert found is not None
    assert (found / "a").read_text() == "early"
    assert not list((store.root / ".partial").iterdir())


def test_a_writer_replaces_an_entry_that_was_damaged_meanwhile(store: Store) -> None:
    with store.write("track", KEY, {}) as folder:
        (folder / "a").write_text("good")
        os.truncate(_put(store) / "boxes.npy", 0)
    found = store.find("track", KEY)
    assert found is not None
    assert (found / "a").read_text() == "good"


def test_many_writers_and_readers_of_one_entry(store: Store) -> None:
    barrier = threading.Barrier(8)
    problems: list[str] = []

    def work(number: int) -> None:
        barrier.wait()
        for _ in range(10):
            with store.write("track", KEY, {}) as folder:
                (folder / "a").write_text("same" * 1000)
            found = store.find("track", KEY)
            if found is None or (found / "a").read_text() != "same" * 1000:
                problems.append(f"worker {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(_files(store)) == 2


def test_scratch_lasts_until_it_is_cleared(store: Store) -> None:
    (store.scratch("train", KEY) / "last.ckpt").write_text("epoch 3")
    assert (store.scratch("train", KEY) / "last.ckpt").read_text() == "epoch 3"
    assert store.find("train", KEY) is None
    store.clear_scratch("train", KEY)
    assert list(store.scratch("train", KEY).iterdir()) == []


def test_size_is_what_the_files_take(store: Store) -> None:
    for number in range(3):
        _put(store, "track", digest(number), b"x" * 1000 * number)
    _put(store, "crops")
    (store.scratch("train", KEY) / "last.ckpt").write_bytes(b"x" * 77)
    sizes = store.size()
    assert {step: size.entries for step, size in sizes.items()} == {"track": 3, "crops": 1, "train": 1}
    assert sum(size.bytes for size in sizes.values()) == sum(
        (store.root / name).stat().st_size for name in _files(store)
    )
    assert sizes["train"].bytes == 77


def _aged(store: Store, ages: dict[str, float]) -> dict[str, Path]:
    """Put entries of 1000 bytes that were last used so many days ago."""
    entries = {name: _put(store, "track", digest(name), b"x" * 1000) for name in ages}
    for name, days in ages.items():
        then = time.time() - days * DAY
        os.utime(entries[name] / manifest.NAME, (then, then))
    return entries


def test_prune_takes_what_was_not_used_for_long(store: Store) -> None:
    entries = _aged(store, {"new": 1, "old": 40, "older": 50})
    removed = store.prune(older_than_days=30)
    assert [entry.path for entry in removed] == [entries["older"], entries["old"]]
    assert store.find("track", digest("new")) is not None
    assert store.find("track", digest("old")) is None


def test_prune_makes_room_the_least_used_first(store: Store) -> None:
    entries = _aged(store, {"a": 3, "b": 1, "c": 2, "d": 4})
    one = next(store.entries()).size
    removed = store.prune(max_bytes=2 * one)
    assert [entry.path for entry in removed] == [entries["d"], entries["a"]]
    assert sum(entry.size for entry in store.entries()) <= 2 * one
    assert store.prune(max_bytes=2 * one) == []


def test_finding_counts_as_use(store: Store) -> None:
    entries = _aged(store, {"a": 9, "b": 8})
    store.find("track", digest("a"))
    removed = store.prune(max_bytes=next(store.entries()).size)
    assert [entry.path for entry in removed] == [entries["b"]]


def test_prune_without_a_limit_takes_no_results(store: Store) -> None:
    _aged(store, {"a": 999})
    assert store.prune() == []
    assert store.find("track", digest("a")) is not None


def test_prune_sweeps_what_interrupted_writers_left(store: Store) -> None:
    for name, days in (("stale", 2), ("fresh", 0.5)):
        folder = store.root / ".partial" / name
        folder.mkdir(parents=True)
        (folder / "a").write_text("half")
        for path in (folder / "a", folder):
            os.utime(path, (time.time() - days * DAY,) * 2)
    assert store.prune() == []
    assert [path.name for path in (store.root / ".partial").iterdir()] == ["fresh"]


def test_prune_spares_scratch_that_is_in_work(store: Store) -> None:
    now = store.scratch("train", digest("now"))
    then = store.scratch("train", digest("then"))
    os.utime(then, (time.time() - 2 * DAY,) * 2)
    assert [entry.path for entry in store.prune(older_than_days=0, max_bytes=0)] == [then]
    assert now.is_dir()


def test_a_full_disk_is_named_and_leaves_nothing(store: Store) -> None:
    full = pytest.raises(DataError, match=r"full.*MIEN_STORE.*--store")
    with full, store.write("track", KEY, {}) as folder:
        (folder / "a").symlink_to("/dev/full")
        (folder / "a").write_text("does not fit")
    assert store.find("track", KEY) is None
    assert not list((store.root / ".partial").iterdir())


def test_a_disk_that_is_full_when_the_manifest_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(manifest, "_write", full)
    with pytest.raises(DataError, match="full"), store.write("track", KEY, {}):
        pass
    assert not list((store.root / ".partial").iterdir())


def test_a_store_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    for act in (lambda: store.scratch("a", KEY), lambda: store.write("a", KEY, {}).__enter__()):
        with pytest.raises(DataError, match="--store"):
            act()


def test_a_closed_store_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # Simulated: permissions do not bind the superuser, as whom tests often run.
    def closed(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", closed)
    with pytest.raises(DataError, match=r"Permission denied.*MIEN_STORE"), store.write("track", KEY, {}):
        pass


def test_errors_of_other_files_pass_as_they_are(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "video.mp4"
    with pytest.raises(PermissionError), store.write("track", KEY, {}):
        raise PermissionError(errno.EACCES, "closed", str(elsewhere))
    with pytest.raises(OSError, match="full"), store.write("track", KEY, {}):
        raise OSError(errno.ENOSPC, "full", str(elsewhere))


def test_entries_follow_the_umask(store: Store) -> None:
    before = os.umask(0o027)
    try:
        assert _put(store).stat().st_mode & 0o777 == 0o750  # a group may share a store
    finally:
        os.umask(before)


def test_the_default_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_STORE", str(tmp_path / "mine"))
    assert default_store().root == tmp_path / "mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in (lambda: monkeypatch.setenv("MIEN_STORE", ""), lambda: monkeypatch.delenv("MIEN_STORE")):
        unset()
        assert default_store().root == tmp_path / ".cache" / "mien"
