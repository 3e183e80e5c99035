"""Every registered component keeps the promises of its kind; a new one is tested by being registered."""

import numpy as np
import pytest

from mien.registry import Entry, load_registry
from mien.testing import SUITES
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
    ("backbone", "r3d_18"): {"weights": "none"},
    ("backbone", "mc3_18"): {"weights": "none"},
    ("backbone", "r2plus1d_18"): {"weights": "none"},
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


def test_every_kind_has_a_suite_and_a_built_in_component():
    for kind, suite in SUITES.items():
        assert REGISTRY.ids(kind), kind
        assert suite.__name__ in globals() or any(
            issubclass(value, suite) for value in globals().values() if isinstance(value, type)
        )


def test_loading_found_no_problem():
    assert REGISTRY.problems == []
