"""Every registered component keeps the promises of its kind; a new one is tested by being registered."""

import numpy as np
import pytest

from mien.registry import Entry, load_registry
from mien.testing import SUITES, avec_tree
from mien.types import Recording
from mien.video.writer import VideoWriter

REGISTRY = load_registry()

# What a component requires to be made at all, and small sizes that make the tests quick.
FIELDS: dict[tuple[str, str], dict] = {
    ("dataset", "animated_face"): {
        "participants": 3,
        "test_participants": 1,
        "recordings_per_participant": 1,
        "frames": 8,
        "size": 128,
    },
    ("backbone", "module"): {"factory": "mien.testing:tiny_network"},
    ("backbone", "r3d_18"): {"weights": "none", "frames": 8, "size": 48},
    ("backbone", "mc3_18"): {"weights": "none", "frames": 8, "size": 48},
    ("backbone", "r2plus1d_18"): {"weights": "none", "frames": 8, "size": 48},
    ("backbone", "s3d"): {"weights": "none"},
    ("backbone", "mvit_v2_s"): {"weights": "none", "frames": 4, "size": 64},
    ("backbone", "swin3d_t"): {"weights": "none", "frames": 4, "size": 64},
    ("backbone", "frame_cnn"): {"weights": "none", "frames": 4, "size": 64},
}


def _suite(entry: Entry) -> type:
    target = REGISTRY.load(entry.kind, entry.id) if not entry.missing() else None
    body = {"component": target, "fields": FIELDS.get((entry.kind, entry.id), {})}
    made = type(f"Test_{entry.kind}_{entry.id}", (SUITES[entry.kind],), body)
    reason = f"not installed: {', '.join(entry.missing())}"
    return pytest.mark.skipif(bool(entry.missing()), reason=reason)(made)


globals().update({suite.__name__: suite for suite in map(_suite, REGISTRY.entries())})


class Test_dataset_manifest(SUITES["dataset"]):
    component = REGISTRY.load("dataset", "manifest")

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("manifest")
        for name in ("a.mp4", "b.mp4"):
            with VideoWriter(folder / name, 25, 32, 32) as writer:
                writer.write(np.zeros((2, 32, 32, 3), np.uint8))
        (folder / "videos.csv").write_text("participant,video,score\np0,a.mp4,1\np1,b.mp4,2\n")
        return cls.component(file=folder / "videos.csv")


class Test_dataset_avec2014(SUITES["dataset"]):
    component = REGISTRY.load("dataset", "avec2014")
    challenge = 2014

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("avec")
        with VideoWriter(folder / "any.mp4", 25, 32, 32) as writer:
            writer.write(np.zeros((2, 32, 32, 3), np.uint8))
        people = [
            Recording(f"{split}{turn}", split, folder / "any.mp4", label=turn, split=split)
            for split in ("train", "validation", "test")
            for turn in range(2)
        ]
        avec_tree(people, folder / "tree", challenge=cls.challenge)
        return cls.component(folder=folder / "tree")


class Test_dataset_avec2013(Test_dataset_avec2014):
    component = REGISTRY.load("dataset", "avec2013")
    challenge = 2013


class Test_detector_face_alignment(SUITES["detector"]):
    component = REGISTRY.load("detector", "face_alignment")

    @pytest.fixture
    def made(self, face_alignment_weights):
        return self.component(
            fan_file=face_alignment_weights / "2DFAN4-11f355bf06.pth.tar",
            face_detector_file=face_alignment_weights / "s3fd-619a316812.pth",
            flip_input=False,
        )


def test_every_kind_has_a_suite_and_a_built_in_component():
    for kind, suite in SUITES.items():
        assert REGISTRY.ids(kind), kind
        assert suite.__name__ in globals() or any(
            issubclass(value, suite) for value in globals().values() if isinstance(value, type)
        )


def test_loading_found_no_problem():
    assert REGISTRY.problems == []
