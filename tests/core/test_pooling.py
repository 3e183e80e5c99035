"""Pooling against a slow twin, and the measures against hand-made tables.

1. Cells equal a loop over pixels, are disjoint, and add up to the total, whatever regions overlap.
2. A region's row is the sum of the pixels that hold its bit.
3. Share and density are what they say, per participant.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mien.regions.bits import FACE, REGIONS, bit, region_names
from mien.regions.measures import add_measures, per_participant
from mien.regions.pooling import SUMS, pool_cells, region_rows
from mien.types import ClipBatch, ClipKey


def batch_of(layout: str = "video", seed: int = 0, clips: int = 3, frames: int = 4) -> ClipBatch:
    rng = np.random.default_rng(seed)
    elements = (6, 7) if layout == "video" else (11,)
    shape = (clips, 3, frames, 6, 7) if layout == "video" else (clips, frames, 11, 2)
    bits = rng.integers(0, 128, (clips, frames, *elements)).astype(np.int32)
    # Regions overlap at random; one frame is all background.
    bits[0, 1:2] = 0
    numbers = np.stack([rng.permutation(50)[:frames] for _ in range(clips)])
    return ClipBatch(
        inputs=torch.from_numpy(rng.normal(size=shape).astype(np.float32)),
        regions=torch.from_numpy(bits),
        region_names=region_names,
        times=torch.from_numpy(numbers / 25),
        frames=torch.from_numpy(numbers),
        valid=torch.from_numpy(rng.random((clips, frames)) < 0.7),
        keys=[ClipKey(f"r{clip // 2}", "p", clip % 2) for clip in range(clips)],
        labels=torch.zeros(clips),
        layout=layout,  # type: ignore[arg-type]
    )


def slow_cells(relevance: torch.Tensor, batch: ClipBatch) -> dict[tuple[str, int, int, int], list[float]]:
    """Return the sums by (recording, window, frame, cell), one element after the other."""
    values = relevance.double().numpy()
    values = np.moveaxis(values, 1, -1) if batch.layout == "video" else values
    found: dict[tuple[str, int, int, int], list[float]] = defaultdict(lambda: [0.0] * 5)
    for place in np.ndindex(*batch.regions.shape):
        key, frame = batch.keys[place[0]], int(batch.frames[place[0], place[1]])
        value = sum(float(v) for v in values[place])
        sums = found[key.recording, key.window, frame, int(batch.regions[place])]
        for column, part in enumerate([value, max(value, 0), min(value, 0), abs(value), 1]):
            sums[column] += part
    return found


@pytest.mark.parametrize("layout", ["video", "landmarks"])
def test_cells_equal_the_slow_twin(layout: str) -> None:
    batch = batch_of(layout)
    relevance = batch.inputs
    cells = pool_cells(relevance, batch)
    expected = slow_cells(relevance, batch)
    assert len(cells) == len(expected)
    for row in cells.itertuples():
        found = [row.signed, row.positive, row.negative, row.absolute, row.area]
        np.testing.assert_allclose(found, expected[row.recording, row.window, row.frame, row.cell], atol=1e-12)


@pytest.mark.parametrize("layout", ["video", "landmarks"])
def test_cells_add_up_to_the_total(layout: str) -> None:
    batch = batch_of(layout, seed=1)
    cells = pool_cells(batch.inputs, batch)
    assert cells["signed"].sum() == pytest.approx(float(batch.inputs.double().sum()), rel=1e-12)
    assert cells["area"].sum() == batch.regions.numel()
    np.testing.assert_allclose(cells["absolute"], cells["positive"] - cells["negative"])
    assert not cells.duplicated(["recording", "window", "frame", "cell"]).any()


def test_sums_do_not_lose_small_values_beside_large_ones() -> None:
    batch = replace(batch_of(clips=1, frames=1), regions=torch.zeros((1, 1, 6, 7), dtype=torch.int32))
    relevance = torch.full((1, 3, 1, 6, 7), 1e-3)
    relevance[0, 0, 0, 0, 0] = 1e8
    cells = pool_cells(relevance, batch)
    expected = relevance.double().sum().item()
    assert cells["signed"].item() == pytest.approx(expected, abs=1e-6)


def test_sign_is_that_of_the_pixel_not_of_its_channels() -> None:
    batch = replace(batch_of(clips=1, frames=1), regions=torch.ones((1, 1, 6, 7), dtype=torch.int32))
    relevance = torch.zeros((1, 3, 1, 6, 7))
    relevance[0, :, 0, 0, 0] = torch.tensor([3.0, -1.0, -1.0])
    relevance[0, :, 0, 0, 1] = torch.tensor([1.0, -3.0, 0.0])
    row = pool_cells(relevance, batch).iloc[0]
    assert row[list(SUMS)].tolist() == [-1, 1, -2, 3, 42]


def test_rows_carry_clip_frame_time_and_validity() -> None:
    batch = batch_of()
    cells = pool_cells(batch.inputs, batch)
    for row in cells.itertuples():
        clip = [key.recording == row.recording and key.window == row.window for key in batch.keys].index(True)
        place = batch.frames[clip].tolist().index(row.frame)
        assert row.time_s == pytest.approx(float(batch.times[clip, place]))
        assert row.valid == bool(batch.valid[clip, place])


def test_a_frame_that_comes_twice_has_one_row_a_cell() -> None:
    batch = batch_of(clips=1, frames=2)
    batch = replace(batch, frames=torch.tensor([[5, 5]]), times=torch.tensor([[0.2, 0.2]]))
    cells = pool_cells(batch.inputs, batch)
    assert not cells.duplicated("cell").any()
    assert cells["area"].sum() == 84
    assert cells["signed"].sum() == pytest.approx(float(batch.inputs.double().sum()))


@pytest.mark.parametrize("layout", ["video", "landmarks"])
def test_region_rows_are_sums_over_the_pixels_with_the_bit(layout: str) -> None:
    batch = batch_of(layout, seed=2)
    rows = region_rows(pool_cells(batch.inputs, batch), region_names)
    values = batch.inputs.double().sum(1 if layout == "video" else -1).numpy()
    bits = batch.regions.numpy()
    face_only = sum(bit(name) for name in region_names if name == FACE)
    holds = {name: bits & bit(name) != 0 for name in REGIONS}
    holds |= {"elsewhere_face": bits == face_only, "background": bits == 0, "total": bits >= 0}
    assert len(rows) == bits.shape[0] * bits.shape[1] * len(holds)
    for row in rows.itertuples():
        clip = [key.recording == row.recording and key.window == row.window for key in batch.keys].index(True)
        place = batch.frames[clip].tolist().index(row.frame)
        inside = values[clip, place][holds[row.region][clip, place]]
        assert row.signed == pytest.approx(inside.sum(), abs=1e-12)
        assert row.absolute == pytest.approx(np.abs(inside).sum(), abs=1e-12)
        assert row.area == inside.size


def test_region_rows_keep_further_columns_and_tell_frames_of_other_methods_apart() -> None:
    batch = batch_of(seed=3)
    cells = pool_cells(batch.inputs, batch)
    both = pd.concat([cells.assign(method="a", split="test"), cells.assign(method="b", split="test")])
    rows = region_rows(both, region_names)
    assert list(rows.columns[-6:]) == ["region", *SUMS]
    assert set(rows.columns) == {*both.columns, "region"} - {"cell"}
    alone = region_rows(cells, region_names)
    for method in "ab":
        own = rows[rows["method"] == method].reset_index(drop=True)
        pd.testing.assert_frame_equal(own[alone.columns], alone)


def test_a_region_that_is_not_there_has_zeros() -> None:
    batch = replace(batch_of(clips=1, frames=1), regions=torch.full((1, 1, 6, 7), bit(FACE), dtype=torch.int32))
    rows = region_rows(pool_cells(batch.inputs, batch), region_names).set_index("region")
    assert rows.loc["mouth", list(SUMS)].tolist() == [0] * 5
    assert rows.loc["elsewhere_face", "area"] == rows.loc["total", "area"] == 42


def test_regions_without_a_face_bit_are_a_users_own() -> None:
    batch = replace(batch_of(clips=1, frames=1), regions=torch.ones((1, 1, 6, 7), dtype=torch.int32))
    rows = region_rows(pool_cells(batch.inputs, batch), ("hat",)).set_index("region")
    assert rows["area"].to_dict() == {"hat": 42, "elsewhere_face": 0, "background": 0, "total": 42}


def hand_rows() -> pd.DataFrame:
    """Return two windows of p0 and one of p1: absolute relevance and area of mouth, rest of the face, background."""
    sums = {
        ("p0", 0): [(6, 10), (2, 30), (2, 60)],
        ("p0", 1): [(3, 10), (3, 40), (4, 50)],
        ("p1", 0): [(0, 0), (0, 50), (0, 50)],
    }
    rows = []
    for (participant, window), values in sums.items():
        regions = [*zip(("mouth", "elsewhere_face", "background"), values, strict=True)]
        regions.append(("total", tuple(np.sum(values, axis=0))))
        for region, (absolute, area) in regions:
            own = {"signed": -absolute / 2, "positive": absolute / 4, "negative": -absolute * 3 / 4}
            rows.append(
                {"method": "m", "participant": participant, "window": window, "region": region, **own,
                 "absolute": absolute, "area": area}
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_share_and_density_by_hand() -> None:
    found = per_participant(hand_rows()).set_index(["participant", "region"])
    # p0: mouth 9 of 14 in the face and of 20 in all, on 20 of 90 pixels of the face and of 200 in all.
    assert found.loc[("p0", "mouth"), "share"] == pytest.approx(9 / 20)
    assert found.loc[("p0", "mouth"), "signed_share"] == pytest.approx(9 / 20)
    assert found.loc[("p0", "mouth"), "density"] == pytest.approx((9 / 14) / (20 / 90))
    assert found.loc[("p0", "elsewhere_face"), "density"] == pytest.approx((5 / 14) / (70 / 90))
    assert found.loc[("p0", "background"), "density"] == pytest.approx((6 / 20) / (110 / 200))
    assert found.loc[("p0", "total"), "density"] == pytest.approx(1)


def test_measures_without_relevance_or_area_are_nan() -> None:
    found = per_participant(hand_rows()).set_index(["participant", "region"])
    assert found.loc["p1", ["share", "signed_share", "density"]].isna().all().all()
    one = hand_rows().query("participant == 'p0' and window == 0").assign(area=0)
    assert add_measures(one, ["method"])["density"].isna().all()


def test_even_relevance_has_density_one_everywhere() -> None:
    batch = batch_of(seed=5)
    rows = region_rows(pool_cells(torch.ones_like(batch.inputs), batch), region_names)
    summed = per_participant(rows.assign(method="m", participant="p"))
    # Random bits hold regions without the face's, so that "the face" here is all that is not background.
    np.testing.assert_allclose(summed["density"], 1)
