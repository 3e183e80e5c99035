"""Every cropper and every analyzer understands every landmark scheme, so that detectors can be swapped."""

from dataclasses import replace

import numpy as np
import pytest

from mien.regions.bits import REGIONS
from mien.registry import load_registry
from mien.testing import SUITES, face_frames, mean_face_track
from mien_plugins.landmarks import ibug_68

REGISTRY = load_registry()
SCHEMES = REGISTRY.ids("landmarks")


def _suites():
    for kind in ("cropper", "analyzer"):
        for entry in REGISTRY.entries(kind):
            for scheme in SCHEMES:
                if entry.missing() or scheme == SUITES[kind].scheme:
                    continue  # the suites' own scheme is tested with everything registered
                body = {"component": REGISTRY.load(kind, entry.id), "scheme": scheme}
                name = f"Test_{kind}_{entry.id}_{scheme}"
                yield name, type(name, (SUITES[kind],), body)


globals().update(dict(_suites()))


def test_there_are_several_schemes():
    assert {"ibug_68", "mediapipe_478"} <= set(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_schemes_define_the_same_regions_in_the_same_places(scheme):
    """On the mean face, the middle of each region is where the other schemes have it."""
    own, reference = REGISTRY.scheme(scheme), REGISTRY.scheme("mediapipe_478")
    assert tuple(own.regions) == REGIONS
    there = reference.region_centres(reference.mean_face)
    for name, centre in own.region_centres(own.mean_face).items():
        np.testing.assert_allclose(centre, there[name], atol=0.12, err_msg=name)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_places_of_one_name_are_one_place(scheme):
    own, reference = REGISTRY.scheme(scheme), REGISTRY.scheme("mediapipe_478")
    there = reference.places(reference.mean_face)
    shared = {name: place for name, place in own.places(own.mean_face).items() if name in there}
    assert len(shared) >= 4
    for name, place in shared.items():
        np.testing.assert_allclose(place, there[name], atol=0.05, err_msg=name)


@pytest.mark.parametrize("entry", REGISTRY.entries("cropper"), ids=lambda entry: entry.id)
def test_croppers_show_the_same_whatever_the_scheme(entry):
    """The mean face of each scheme, cropped: the crops show nearly the same pixels of the source."""
    cropper = REGISTRY.load("cropper", entry.id)()
    corners = {}
    for scheme in map(REGISTRY.scheme, SCHEMES):
        frames = np.zeros((1, 160, 160, 3), np.uint8)
        crops = cropper.crop(frames, mean_face_track(scheme, frames=1), scheme)
        assert crops.valid.all()
        inverse = [np.linalg.inv(np.vstack([affine, [0, 0, 1]])) for affine in crops.transforms[0]]
        tiles = [(tile.x0, tile.y0, tile.x1, tile.y1) for tile in cropper.tiles]
        corners[scheme.id] = np.array(
            [
                [inv @ (x, y, 1) for x in (x0, x1) for y in (y0, y1)]
                for inv, (x0, y0, x1, y1) in zip(inverse, tiles, strict=True)
            ]
        )[..., :2]
    inter_ocular = 160 / 4
    for found in corners.values():
        np.testing.assert_allclose(found, corners["mediapipe_478"], atol=0.25 * inter_ocular)


@pytest.fixture(scope="module")
def real_tracks(mediapipe_usable):
    """Frames of a real face, its mesh, and the 68 points of that mesh."""
    frames = face_frames(4)
    with REGISTRY.create("detector", "mediapipe").open("cpu") as session:
        found = session.detect(frames, np.arange(4) / 25)
    landmarks = np.stack([faces.landmarks[0] for faces in found])
    mesh = replace(
        mean_face_track(REGISTRY.scheme("mediapipe_478"), frames=4, size=256),
        landmarks=landmarks,
        boxes=np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1),
    )
    return frames, {
        "mediapipe_478": mesh,
        "ibug_68": replace(mesh, scheme="ibug_68", landmarks=landmarks[:, list(ibug_68.MESH_POINTS)]),
    }


def test_a_real_face_is_aligned_alike(real_tracks):
    """Upright and centred alike; as large but for a tenth, since one scheme also fits the width of the face."""
    frames, tracks = real_tracks
    cropper = REGISTRY.create("cropper", "face")
    affines = [cropper.crop(frames, track, REGISTRY.scheme(name)).transforms[:, 0] for name, track in tracks.items()]
    turns = [affine[:, 0, 0] + 1j * affine[:, 1, 0] for affine in affines]  # scale and angle
    between = REGISTRY.scheme("mediapipe_478").eye_centres(tracks["mediapipe_478"].landmarks).mean(1)
    middles = [np.einsum("tij,tj->ti", affine[..., :2], between) + affine[..., 2] for affine in affines]
    ratio = turns[1] / turns[0]
    assert np.abs(np.angle(ratio)).max() < np.radians(2)
    assert np.abs(np.log(np.abs(ratio))).max() < np.log(1.12)
    inter_ocular = cropper.width / cropper.extent  # in the crop
    assert np.linalg.norm(middles[1] - middles[0], axis=-1).max() < 0.06 * inter_ocular


def test_regions_of_a_real_face_lie_alike(real_tracks):
    """Of every region's smaller area, most lies in the other scheme's."""
    frames, tracks = real_tracks
    cropper = REGISTRY.create("cropper", "face")
    transforms = cropper.crop(frames, tracks["mediapipe_478"], REGISTRY.scheme("mediapipe_478")).transforms
    bits = {
        name: cropper.regions(track.landmarks, transforms, REGISTRY.scheme(name), "hull")
        for name, track in tracks.items()
    }
    for number, name in enumerate(REGIONS):
        one, other = (bits[scheme] >> number & 1 for scheme in ("mediapipe_478", "ibug_68"))
        smaller = min(one.sum(), other.sum())
        assert (one & other).sum() > 0.8 * smaller, name
