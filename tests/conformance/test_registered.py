"""Every component that mien registers keeps the promises of its kind; a new one is tested by being registered.

Other distributions that are installed bring tests of their own.
"""

import pytest

from mien.registry import Entry, load_registry
from mien.testing import SUITES, checks

REGISTRY = load_registry()
OWN = [entry for entry in REGISTRY.entries() if entry.distribution.startswith("mien==")]


LARGE = {"mvit_v2_s", "r2plus1d_18", "r3d_18", "s3d", "swin3d_t"}  # their whole runs take more than three seconds


@pytest.mark.slow
def _slow_run(self, made, tmp_path):
    SUITES["backbone"].test_it_works_in_a_whole_small_run(self, made, tmp_path)


def _suite(entry: Entry) -> type:
    body = {"component": REGISTRY.load(entry.kind, entry.id) if not entry.missing() else None}
    if entry.id in LARGE:
        body["test_it_works_in_a_whole_small_run"] = _slow_run
    made = type(f"Test_{entry.kind}_{entry.id}", (SUITES[entry.kind],), body)
    reason = f"not installed: {', '.join(entry.missing())}"
    return pytest.mark.skipif(bool(entry.missing()), reason=reason)(made)


globals().update({suite.__name__: suite for suite in map(_suite, OWN)})


class Test_detector_face_alignment(SUITES["detector"]):
    component = REGISTRY.load("detector", "face_alignment")
    run_frames = 1  # on the CPU, a face takes FAN more than a second
    run_labels = (0.0, 1.0)

    @pytest.fixture
    def made(self, face_alignment_weights):
        return self.component(
            fan_file=face_alignment_weights / "2DFAN4-11f355bf06.pth.tar",
            face_detector_file=face_alignment_weights / "s3fd-619a316812.pth",
            flip_input=False,
        )

    @pytest.mark.slow
    def test_it_works_in_a_whole_small_run(self, made, tmp_path):
        super().test_it_works_in_a_whole_small_run(made, tmp_path)


def test_every_kind_has_a_suite_and_a_built_in_component():
    for kind, suite in SUITES.items():
        assert REGISTRY.ids(kind), kind
        assert suite.__name__ in globals() or any(
            issubclass(value, suite) for value in globals().values() if isinstance(value, type)
        )


@pytest.mark.parametrize("kind", SUITES)
def test_every_check_pins_a_stated_guarantee_and_every_guarantee_is_pinned(kind):
    stated = {guarantee.name for guarantee in checks.guarantees(SUITES[kind])}
    assert {name for _, name in checks.checks(SUITES[kind])} == stated


@pytest.mark.parametrize("kind", SUITES)
def test_guarantees_are_sentences_of_one_line(kind):
    for guarantee in checks.guarantees(SUITES[kind]):
        assert guarantee.text.endswith("."), guarantee
        assert len(guarantee.text) <= 120, guarantee


def test_loading_found_no_problem():
    assert [problem for problem in REGISTRY.problems if problem.distribution.startswith("mien==")] == []
