"""The paper's boxes and pooling against a slow twin, written from its definitions (Moreno et al. 2023).

- Face box: grown to the aspect ratio of the network's input, same centre, clipped to the image.
- Region box: the bounding box of the region's points in the crop, grown by a fraction of its side on each side.
- Pooling: relevance is summed inside each region's box, frame by frame, and divided by the total relevance; boxes
  overlap, and what lies in two counts in both.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.regions.bits import region_names
from mien.regions.measures import add_measures
from mien.regions.pooling import pool_cells, region_rows
from mien.registry import load_registry
from mien.types import ClipBatch, ClipKey, FaceTrack, LandmarkScheme

HEIGHT, WIDTH = 180, 240
RANGES = {
    "mouth": range(48, 68), "right_eyebrow": range(17, 22), "left_eyebrow": range(22, 27), "right_eye": range(36, 42),
    "left_eye": range(42, 48), "nose": range(27, 36),
}  # fmt: skip
"""Of the 68 points.  The paper's nose is 27-34, a half-open range's last point short: the left nostril's is 35."""


def face_box(box: np.ndarray, height: int, width: int) -> list[float]:
    """Return the paper's face box for a network's input of ``height`` x ``width``."""
    x0, y0, x1, y1 = map(float, box)
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    box_width, box_height = x1 - x0, y1 - y0
    if box_width / box_height < width / height:
        box_width = box_height * width / height  # too narrow
    else:
        box_height = box_width * height / width  # too flat
    left, right = centre_x - box_width / 2, centre_x + box_width / 2
    top, bottom = centre_y - box_height / 2, centre_y + box_height / 2
    return [max(left, -0.5), max(top, -0.5), min(right, WIDTH - 0.5), min(bottom, HEIGHT - 0.5)]


def track_of(scheme: LandmarkScheme, seed: int) -> FaceTrack:
    """Return faces whose regions are scattered enough to overlap, some of them at the image's borders."""
    rng = np.random.default_rng(seed)
    places = np.array([(120, 70, 45), (30, 25, 50), (215, 150, 50), (120, 10, 70), (100, 90, 110), (5, 95, 60)])
    landmarks = np.stack([np.asarray(scheme.mean_face, float) * s + [x, y] for x, y, s in places])
    landmarks += rng.normal(0, 0.12, landmarks.shape) * places[:, 2, None, None]
    boxes = np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1) + rng.normal(0, 4, (6, 4))
    return FaceTrack(
        scheme.id, np.arange(6) / 25, boxes, np.ones(6), landmarks.astype(np.float32), np.ones(6, int), WIDTH, HEIGHT
    )


def batch_of(bits: np.ndarray, seed: int) -> ClipBatch:
    frames, height, width = bits.shape
    relevance = np.random.default_rng(seed).normal(0.2, 1, (1, 3, frames, height, width)).astype(np.float32)
    numbers = torch.arange(frames)[None]
    return ClipBatch(
        inputs=torch.from_numpy(relevance),
        regions=torch.from_numpy(bits[None].astype(np.int32)),
        region_names=region_names,
        times=numbers / 25,
        frames=numbers,
        valid=torch.ones((1, frames), dtype=torch.bool),
        keys=[ClipKey("r", "p", 0)],
        labels=torch.zeros(1),
    )


def pooled(batch: ClipBatch) -> dict[tuple[int, str], tuple[float, float]]:
    """Return the signed sum and the signed share of each frame and region."""
    rows = region_rows(pool_cells(batch.inputs, batch), region_names)
    rows = add_measures(rows, ["frame"])
    return {(row.frame, row.region): (row.signed, row.signed_share) for row in rows.itertuples()}


@pytest.mark.parametrize("size", [(112, 112), (80, 128), (128, 48)])
@pytest.mark.parametrize("seed", [0, 1])
def test_face_box_is_the_papers(size: tuple[int, int], seed: int) -> None:
    registry = load_registry()
    scheme = registry.scheme("ibug_68")
    track = track_of(scheme, seed)
    cropper = registry.load("cropper", "face")(mode="box", height=size[0], width=size[1])
    transforms = cropper.transforms(track, scheme)
    clipped = 0
    for frame in range(len(track)):
        x0, y0, x1, y1 = face_box(track.boxes[frame], *size)
        corners = transforms[frame, :, :2] @ [[x0, x1], [y0, y1]] + transforms[frame, :, 2:]
        np.testing.assert_allclose(corners, [[-0.5, size[1] - 0.5], [-0.5, size[0] - 0.5]], atol=1e-6)
        clipped += (x0, y0) != (max(x0, 0), max(y0, 0)) or x1 == WIDTH - 0.5 or y1 == HEIGHT - 0.5
        if not (x0 == -0.5 or y0 == -0.5 or x1 == WIDTH - 0.5 or y1 == HEIGHT - 0.5):
            assert (x1 - x0) / (y1 - y0) == pytest.approx(size[1] / size[0])
    assert clipped >= 2


@pytest.mark.parametrize("padding", [0.25, 0.0, 0.6])
@pytest.mark.parametrize("size", [(40, 40), (30, 45)])
@pytest.mark.parametrize("mode", ["box", "aligned"])
def test_pooling_by_boxes_is_the_papers(mode: str, size: tuple[int, int], padding: float) -> None:
    registry = load_registry()
    scheme = registry.scheme("ibug_68")
    track = track_of(scheme, 3)
    cropper = registry.load("cropper", "face")(mode=mode, height=size[0], width=size[1], extent=1.8)
    transforms = cropper.transforms(track, scheme)[:, None]
    batch = batch_of(cropper.regions(track.landmarks, transforms, scheme, "box", padding), 4)
    found = pooled(batch)
    relevance = batch.inputs[0].double().sum(0).numpy()  # of a pixel: summed over its channels
    overlapping = at_border = 0
    for frame in range(len(track)):
        matrix = transforms[frame, 0]
        hits = np.zeros(size, int)
        for name, points in RANGES.items():
            inner = [matrix[:, :2] @ track.landmarks[frame, point] + matrix[:, 2] for point in points]
            xs, ys = [x for x, _ in inner], [y for _, y in inner]
            reach_x, reach_y = padding * (max(xs) - min(xs)), padding * (max(ys) - min(ys))
            total = 0.0
            for row in range(size[0]):
                for column in range(size[1]):
                    if min(xs) - reach_x < column < max(xs) + reach_x and min(ys) - reach_y < row < max(ys) + reach_y:
                        total += relevance[frame, row, column]
                        hits[row, column] += 1
            signed, share = found[frame, name]
            assert signed == pytest.approx(total, abs=1e-6)
            assert share == pytest.approx(total / relevance[frame].sum(), rel=1e-6)
            at_border += min(xs) - reach_x < 0 or max(ys) + reach_y > size[0] - 1
        overlapping += (hits > 1).any()
    assert overlapping >= 3
    assert at_border >= 1


def test_pooling_a_mosaic_is_the_papers() -> None:
    registry = load_registry()
    scheme = registry.scheme("ibug_68")
    track = track_of(scheme, 3)
    mosaic = registry.load("cropper", "region_mosaic")(height=48, width=56)
    crops = mosaic.crop(np.zeros((6, HEIGHT, WIDTH, 3), np.uint8), track, scheme)
    batch = batch_of(mosaic.regions(track.landmarks, crops.transforms, scheme, "box", 0.25), 5)
    found = pooled(batch)
    relevance = batch.inputs[0].double().sum(0).numpy()
    assert 3 <= crops.valid.sum() < 6
    for frame in np.flatnonzero(crops.valid):
        for place, tile in enumerate(mosaic.tiles):
            points = track.landmarks[frame, list(RANGES[tile.region])].astype(float)
            low, high = points.min(0), points.max(0)
            reach = 0.25 * (high - low)
            if min(high - low) < 0.1 * scheme.inter_ocular(track.landmarks[frame]):
                continue  # our smallest side
            total, matrix = 0.0, crops.transforms[frame, place]
            for row in range(tile.y0, tile.y1):
                for column in range(tile.x0, tile.x1):
                    source = np.linalg.solve(matrix[:, :2], [column, row] - matrix[:, 2])
                    # The box that relevance is pooled in is at least the box that was cut out: all of the tile.
                    assert (low - reach < source).all()
                    assert (source < high + reach).all()
                    total += relevance[frame, row, column]
            signed, share = found[frame, tile.region]
            assert signed == pytest.approx(total, abs=1e-6)
            assert share == pytest.approx(total / relevance[frame].sum(), rel=1e-6)
