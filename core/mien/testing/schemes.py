"""What every landmark scheme promises."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mien.regions.names import REGIONS
from mien.testing.checks import pins
from mien.testing.importing import heavy_imports
from mien.testing.surroundings import importable
from mien.types import LandmarkScheme


class LandmarkSchemeSuite:
    """Checks of a landmark scheme: ``component`` is the function that returns it."""

    guarantees: ClassVar[Mapping[str, str]] = {
        "regions": "It defines the regions that all schemes share, each of a point or more.",
        "points": "All its indices are points of the scheme; three or more are stable; edges join two points.",
        "mean face": "Its mean face is (points, 2), finite, of unit inter-ocular distance, centred between the eyes.",
        "sides": "Right and left are the person's own, and the mouth is below the eyes.",
        "repeatable": "Made again, it is the same, and it travels to worker processes.",
        "light": "Importing its module imports no heavy library (torch, pandas, cv2, ...): listings stay fast.",
        "whole run": "A face told in it goes through a whole small run, from videos to a report.",
    }

    component: ClassVar[Any]
    fields: ClassVar[dict[str, Any]] = {}
    no_whole_run: ClassVar[str] = ""

    @pytest.fixture
    def made(self) -> LandmarkScheme:
        """Return the scheme."""
        return self.function()()

    @classmethod
    def function(cls) -> Callable[[], LandmarkScheme]:
        """Return the component, which is no method of the suite."""
        found: Callable[[], LandmarkScheme] = next(
            vars(base)["component"] for base in cls.__mro__ if "component" in vars(base)
        )
        return found

    @pins("regions")
    def test_it_defines_the_shared_regions(self, made: LandmarkScheme) -> None:
        """Every cropper and analyzer understands every detector."""
        assert tuple(made.regions) == REGIONS
        assert all(made.regions.values()), "a region has no point"

    @pins("points")
    def test_its_indices_exist(self, made: LandmarkScheme) -> None:
        """All of them are points of the scheme."""
        used = [*made.outline, *made.stable, *made.right_eye_corners, *made.left_eye_corners]
        used += [point for region in made.regions.values() for point in region]
        used += [point for edge in made.edges for point in edge]
        used += [point for place in made.named_points.values() for point in place]
        assert min(used) >= 0
        assert max(used) < made.points
        assert len(made.stable) >= 3
        assert len(made.outline) >= 3
        assert all(len(edge) == 2 for edge in made.edges)

    @pins("mean face")
    def test_its_mean_face_is_normalised(self, made: LandmarkScheme) -> None:
        """Eyes one unit apart and level around the origin."""
        assert made.mean_face.shape == (made.points, 2)
        assert np.isfinite(made.mean_face).all()
        eyes = made.eye_centres(made.mean_face)
        np.testing.assert_allclose(eyes.mean(0), 0, atol=0.02)
        np.testing.assert_allclose(made.inter_ocular(made.mean_face), 1, atol=0.02)

    @pins("sides")
    def test_right_and_left_are_the_persons(self, made: LandmarkScheme) -> None:
        """The person's right is on the left of the picture; y points down."""
        eyes = made.eye_centres(made.mean_face)
        assert eyes[0, 0] < eyes[1, 0], "the person's right eye is not on the left"
        centres = made.region_centres(made.mean_face)
        assert centres["right_eyebrow"][0] < centres["left_eyebrow"][0]
        assert made.mean_face[list(made.regions["mouth"]), 1].mean() > 0.5, "the mouth is not below the eyes"

    @pins("repeatable")
    def test_it_is_the_same_again(self, made: LandmarkScheme) -> None:
        """From the function, and from another process."""
        for again in (self.function()(), pickle.loads(pickle.dumps(made))):
            assert (again.id, again.points, again.regions, again.edges) == (
                made.id, made.points, made.regions, made.edges,
            )  # fmt: skip
            np.testing.assert_array_equal(again.mean_face, made.mean_face)

    @pins("light")
    def test_importing_it_is_light(self) -> None:
        """A fresh process that imports the module holds no heavy library."""
        module = importable(self.function())
        if not module:
            pytest.skip("it is defined in a test, which no other process can import")
        assert heavy_imports(module) == (), "import these inside the functions that need them"

    @pins("whole run")
    def test_it_works_in_a_whole_small_run(self, made: LandmarkScheme, tmp_path: Path) -> None:
        """The mean face, cropped, looked at by a small network, explained by region."""
        from mien.testing.whole_run import small_run

        if self.no_whole_run:
            pytest.skip(self.no_whole_run)
        run = small_run(tmp_path / "run", {}, scheme=self.function())
        assert run.outcome.exit_code == 0, f"the run says: {run.notes}"
        assert set(REGIONS) <= set(run.table("relevance")["region"])
