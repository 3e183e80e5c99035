"""The weight files of everything installed: what is known of them, fetching, verifying; and ``mien weights``."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import Field
from typer.testing import CliRunner, Result

from mien.cli.app import app
from mien.errors import ConfigError, ModelError, PluginError
from mien.interfaces import Component, Unavailable
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.steps.prepare import PrepareParts, prepare
from mien.store.store import Store
from mien.types import Recording
from mien.video import VideoWriter
from mien.weight_roster import fetch_all, needed, others, roster, verify
from mien.weights import WeightFile, fetch, weights_folder

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    return weights_folder()


@pytest.fixture
def source(tmp_path: Path) -> str:
    """The address of the official file; nothing leaves this machine."""
    (tmp_path / "official.bin").write_bytes(CONTENT)
    return (tmp_path / "official.bin").as_uri()


class FakeRegistry:
    """Two components that share a file, one that has none, and one that is broken."""

    def __init__(self, shared: WeightFile, own: WeightFile) -> None:
        class One(Component):
            """Uses both."""

            @classmethod
            def known_weights(cls) -> Sequence[WeightFile]:
                return (shared, own)

            def needed_weights(self) -> Sequence[WeightFile]:
                return (shared,)

        class Other(Component):
            """Uses one."""

            @classmethod
            def known_weights(cls) -> Sequence[WeightFile]:
                return (shared,)

            def needed_weights(self) -> Sequence[WeightFile]:
                return (shared,)

        class Plain(Component):
            """Uses none."""

        self.classes = {"one": One, "other": Other, "plain": Plain}

    def entries(self) -> list[SimpleNamespace]:
        kinds = {**dict.fromkeys(self.classes, "backbone"), "points": "landmarks", "broken": "backbone"}
        return [SimpleNamespace(kind=kind, id=name) for name, kind in kinds.items()]

    def load(self, kind: str, id_: str) -> Any:
        if id_ not in self.classes:
            raise PluginError("It cannot be imported.", where=id_)
        return self.classes[id_]


@pytest.fixture
def registry(source: str) -> Any:
    return FakeRegistry(WeightFile("shared.bin", source, sha256=DIGEST, note="both"), WeightFile("own.bin", source))


# --- one file


@pytest.mark.parametrize(
    ("given", "held"),
    [({"sha256": DIGEST}, "sha256"), ({"hash_prefix": DIGEST[:8]}, "prefix"), ({}, "nothing")],
)
def test_a_file_knows_what_it_is_held_against(source: str, given: dict[str, str], held: str, folder: Path) -> None:
    file = WeightFile("net.bin", source, **given)
    assert file.verified_by == held
    assert file.path == folder / "net.bin"
    with pytest.raises(ModelError, match=r"no such weight file.*mien weights fetch net\.bin"):
        file.verify()
    assert file.fetch() == file.path
    assert file.verified_by == ("recorded" if held == "nothing" else held)
    assert file.verify() == DIGEST
    file.path.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="damaged or another file"):
        file.verify()


def test_a_file_put_by_hand_without_a_published_hash_is_recorded(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "net.bin").write_bytes(CONTENT)
    with caplog.at_level(logging.WARNING):
        fetch("http://127.0.0.1:9/", "net.bin")
    assert DIGEST in caplog.text
    (folder / "net.bin").write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged or another file"):
        fetch("http://127.0.0.1:9/", "net.bin")


def test_a_folder_that_may_not_be_written_to_is_used_all_the_same(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "net.bin").write_bytes(CONTENT)
    (folder / "net.bin.sha256").mkdir()  # as good as a read-only folder, for root too
    with caplog.at_level(logging.WARNING), pytest.MonkeyPatch.context() as patch:
        patch.setattr("mien.weights._recorded", lambda path: None)
        assert fetch("http://127.0.0.1:9/", "net.bin") == folder / "net.bin"
    assert "cannot be recorded" in caplog.text


# --- all files


def test_the_roster_names_each_file_once_with_its_users(registry: Any) -> None:
    found = roster(registry)
    assert {each.file.name: each.users for each in found.known} == {
        "own.bin": ("backbone one",),
        "shared.bin": ("backbone one", "backbone other"),
    }
    assert len(found.problems) == 1
    assert "broken" in found.problems[0]
    assert found.known[1].facts()["present"] is False


def test_an_unknown_name_is_told_the_nearest(registry: Any) -> None:
    found = roster(registry)
    assert [file.name for file in found.select(["own.bin"])] == ["own.bin"]
    assert [file.name for file in found.select([])] == ["own.bin", "shared.bin"]
    with pytest.raises(ConfigError, match=r"Did you mean 'shared\.bin'"):
        found.select(["shard.bin"])


def test_what_components_need_is_named_once(registry: Any) -> None:
    components = [registry.classes[name]() for name in ("one", "other", "plain")]
    assert [file.name for file in needed(components)] == ["shared.bin"]


def test_fetching_goes_on_after_a_failure(source: str) -> None:
    files = [WeightFile("bad.bin", "file:///no/such/file"), WeightFile("good.bin", source, sha256=DIGEST)]
    (bad, error), (good, none) = fetch_all(files, QuietProgress())
    assert (bad.name, good.name, none) == ("bad.bin", "good.bin", None)
    assert isinstance(error, ModelError)
    assert good.path.is_file()


def test_verifying_tells_each_file_apart(source: str, folder: Path) -> None:
    names = ("whole", "damaged", "absent")
    files = [WeightFile(f"{name}.bin", source, sha256=DIGEST) for name in names]
    (folder / "whole.bin").write_bytes(CONTENT)
    (folder / "damaged.bin").write_bytes(b"x")
    whole, damaged, absent = verify(files)
    assert (whole.sha256, whole.damaged) == (DIGEST, None)
    assert damaged.present
    assert "SHA-256" in str(damaged.damaged)
    assert not absent.present


def test_files_that_nobody_knows_are_told(registry: Any, folder: Path) -> None:
    for name in ("shared.bin", "mine.bin", "mine.bin.sha256", "half.bin.part"):
        (folder / name).write_bytes(b"")
    assert [path.name for path in others(roster(registry))] == ["mine.bin"]


def test_all_installed_components_name_distinct_official_files() -> None:
    """The same name means the same file, and every file can be asked for by its address."""
    found = roster(load_registry())
    assert found.problems == ()
    assert len({each.file.url for each in found.known}) == len(found.known)
    by_user = {user for each in found.known for user in each.users}
    assert {"detector face_alignment", "detector mediapipe", "backbone r3d_18"} <= by_user
    for each in found.known:
        assert each.file.url.startswith("https://"), each.file.name
        assert each.file.note, each.file.name


# --- before anything is computed


def test_weights_that_cannot_be_had_end_a_run_before_its_first_video(tmp_path: Path) -> None:
    """They concern all recordings: none is set aside for them."""
    registry = load_registry()
    with VideoWriter(tmp_path / "a.mp4", 25, 32, 32) as writer:
        writer.write(np.zeros((2, 32, 32, 3), np.uint8))

    class Lacking(registry.load("detector", "mediapipe")):  # type: ignore[misc]
        def needed_weights(self) -> Sequence[WeightFile]:
            return [WeightFile("net.bin", "file:///no/such/file")]

    detector = Lacking().named("mediapipe", "mien==0")
    parts = PrepareParts(detector, registry.create("cropper", "face"), {}, "cpu")
    with pytest.raises(ModelError, match=r"net\.bin"):
        prepare(
            [Recording("r", "p", tmp_path / "a.mp4")],
            parts,
            store=Store(tmp_path / "store"),
            workers=1,
            time_limit=None,
            progress=QuietProgress(),
            registry=registry,
        )


class Choosy(Component):
    """Cannot be used one way."""

    way: str = "good"

    @classmethod
    def unavailable(cls) -> Sequence[Unavailable]:
        return [Unavailable("way", "bad", "It needs luck, which is not installed.", "Install it.")]


def test_a_value_that_cannot_be_used_here_is_refused() -> None:
    Choosy().require_available()
    with pytest.raises(PluginError, match=r"Choosy, way: bad: It needs luck.*Install it"):
        Choosy(way="bad").require_available()


class Several(Choosy):
    """Can be used several ways at once."""

    ways: dict[str, str] = Field(default_factory=dict)

    def lacking(self) -> Sequence[Unavailable]:
        return [Unavailable("ways", value, "It needs luck.") for value in self.ways.values() if value == "bad"]


def test_a_component_may_lack_what_a_mapping_names() -> None:
    Several(ways={"a": "good"}).require_available()
    with pytest.raises(PluginError, match="Several, ways: bad: It needs luck"):
        Several(ways={"a": "good", "b": "bad"}).require_available()


# --- the command line


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    monkeypatch.setattr("mien.registry.load_registry", lambda: registry)


@pytest.mark.usefixtures("own")
def test_list_says_what_is_here_and_how_it_is_verified(folder: Path) -> None:
    (folder / "shared.bin").write_bytes(CONTENT)
    (folder / "mine.bin").write_bytes(b"x")
    listed = json.loads(call("weights", "list", "--json").stdout)
    assert listed["folder"] == str(folder)
    own, shared = listed["weights"]
    assert (own["present"], own["bytes"], own["verified_by"]) == (False, None, "nothing")
    assert (shared["present"], shared["bytes"], shared["verified_by"]) == (True, len(CONTENT), "sha256")
    assert shared["users"] == ["backbone one", "backbone other"]
    assert [Path(each["path"]).name for each in listed["unknown_files"]] == ["mine.bin"]
    text = call("weights", "list").output
    for part in ("shared.bin", "7.0 kB", "absent", "full SHA-256", "no published hash", "backbone other", "mine.bin"):
        assert part in text


@pytest.mark.usefixtures("own")
def test_fetch_by_name_and_all(folder: Path) -> None:
    done = call("weights", "fetch", "shared.bin")
    assert done.exit_code == 0
    assert str(folder / "shared.bin") in done.stdout
    assert [path.name for path in folder.iterdir()] == ["shared.bin"]
    assert call("weights", "fetch", "--all", "--quiet").stdout == ""
    assert (folder / "own.bin").read_bytes() == CONTENT


@pytest.mark.usefixtures("own")
def test_fetch_needs_to_know_what_and_says_what_failed(registry: Any, tmp_path: Path) -> None:
    assert call("weights", "fetch").exit_code == 2
    assert "Did you mean 'own.bin'" in call("weights", "fetch", "own.bn").output
    (tmp_path / "official.bin").unlink()
    failed = call("weights", "fetch", "--all")
    assert failed.exit_code == 1
    assert failed.output.count("put it at") == 2


def test_fetch_what_a_configuration_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the components' own choice: another face detector, another file."""
    (tmp_path / "study.yaml").write_text(
        "dataset: {use: animated_face, participants: 8}\n"
        "detector: {use: face_alignment, face_detector: yunet}\n"
        "cropper: face\nbackbone: r3d_18\nobjective: regression\nexplain: {methods: {s: saliency}}\n"
    )
    asked = []
    monkeypatch.setattr(WeightFile, "fetch", lambda file, progress=None: asked.append(file.name))
    assert call("weights", "fetch", "--config", str(tmp_path / "study.yaml")).exit_code == 0
    assert asked == ["2DFAN4-11f355bf06.pth.tar", "face_detection_yunet_2023mar.onnx", "r3d_18-b3b3357e.pth"]


@pytest.mark.usefixtures("own")
def test_verify_reads_the_files(folder: Path) -> None:
    (folder / "shared.bin").write_bytes(CONTENT)
    assert call("weights", "verify").exit_code == 0
    assert call("weights", "verify", "own.bin").exit_code == 1
    (found,) = json.loads(call("weights", "verify", "--json").stdout)
    assert (found["name"], found["sha256"]) == ("shared.bin", DIGEST)
    (folder / "shared.bin").write_bytes(b"x")
    damaged = call("weights", "verify")
    assert damaged.exit_code == 1
    assert "damaged or another file" in damaged.output


def test_verify_with_nothing_there() -> None:
    done = call("weights", "verify")
    assert done.exit_code == 0
    assert "no weight files are here" in done.output


def test_show_and_doctor_name_what_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.cli.doctor import plugin

    registry = load_registry()
    cls = registry.load("detector", "face_alignment")
    choice = Unavailable("face_detector", "scrfd", "It needs onnxruntime, which is not installed.", "Install it.")
    monkeypatch.setattr(cls, "unavailable", classmethod(lambda cls: [choice]))
    shown = call("plugins", "show", "detector", "face_alignment").output
    assert "face_detector: scrfd cannot be used here. It needs onnxruntime" in shown
    described = json.loads(call("plugins", "show", "detector", "face_alignment", "--json").stdout)
    assert described["unavailable"][0]["value"] == "scrfd"
    assert "2DFAN4-11f355bf06.pth.tar" in described["facts"]["weights"]
    facts = plugin(registry.entry("detector", "face_alignment"), registry)
    assert facts["unavailable"][0]["reason"] == choice.reason


def test_config_check_refuses_what_cannot_be_used_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = load_registry().load("detector", "face_alignment")
    choice = Unavailable("face_detector", "scrfd", "It needs onnxruntime, which is not installed.", "Install it.")
    monkeypatch.setattr(cls, "unavailable", classmethod(lambda cls: [choice]))
    (tmp_path / "study.yaml").write_text(
        "dataset: {use: animated_face, participants: 8}\n"
        "detector: {use: face_alignment, face_detector: scrfd}\n"
        "cropper: face\nbackbone: compact_r3d\nobjective: regression\nexplain: {methods: {s: saliency}}\n"
    )
    done = call("config", "check", str(tmp_path / "study.yaml"))
    assert done.exit_code == 2
    assert "detector.face_detector" in done.output
    assert "onnxruntime" in done.output
