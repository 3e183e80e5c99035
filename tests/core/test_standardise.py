"""Standardisation against numpy, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.clips.standardise import standardise
from mien.errors import ModelError
from mien.types import InputSpec


def pixels(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))


def test_clip_standardises_each_channel_of_each_clip() -> None:
    data = pixels(3, 4, 6, 5, 3)
    data[1] //= 7
    found = standardise(data, InputSpec(standardise="clip"))
    assert found.shape == (3, 3, 4, 6, 5)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    values = np.moveaxis(data.numpy().astype(float), -1, 1)
    expected = (values - values.mean((2, 3, 4), keepdims=True)) / values.std((2, 3, 4), keepdims=True)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_clip_may_be_standardised_like_another() -> None:
    data, like = pixels(2, 4, 6, 5, 3), pixels(4, 2, 6, 5, 3).reshape(2, 4, 6, 5, 3) // 3
    found = standardise(data, InputSpec(standardise="clip"), like=like)
    values, others = (np.moveaxis(part.numpy().astype(float), -1, 1) for part in (data, like))
    mean, deviation = others.mean((2, 3, 4), keepdims=True), others.std((2, 3, 4), keepdims=True)
    np.testing.assert_allclose(found, (values - mean) / deviation, rtol=1e-4, atol=1e-5)
    own = standardise(data, InputSpec(standardise="none"))
    np.testing.assert_array_equal(standardise(data, InputSpec(standardise="none"), like=like), own)


@pytest.mark.parametrize("level", [0, 113, 255])
def test_a_constant_channel_becomes_zero(level: int) -> None:
    data = pixels(1, 16, 64, 64, 3)
    data[..., 1] = level
    found = standardise(data, InputSpec(standardise="clip"))
    assert (found[:, 1] == 0).all()
    assert found[:, 0].std() == pytest.approx(1, abs=1e-4)


def test_a_landmark_coordinate_that_stands_still_becomes_zero() -> None:
    points = torch.full((1, 7, 13, 2), 123.456)
    points[..., 0] += torch.arange(13)
    found = standardise(points, InputSpec(layout="landmarks"))
    assert (found[..., 1] == 0).all()
    assert found[..., 0].std(correction=0) == pytest.approx(1)


def test_fixed_and_none() -> None:
    data = pixels(2, 3, 4, 5, 3)
    values = np.moveaxis(data.numpy() / 255, -1, 1)
    np.testing.assert_allclose(standardise(data, InputSpec(standardise="none")), values, atol=1e-6)
    mean, std = (0.43, 0.39, 0.37), (0.22, 0.21, 0.2)
    expected = (values - np.reshape(mean, (3, 1, 1, 1))) / np.reshape(std, (3, 1, 1, 1))
    spec = InputSpec(standardise="fixed", mean=mean, std=std)
    np.testing.assert_allclose(standardise(data, spec), expected, atol=1e-5)


@pytest.mark.parametrize("how", ["clip", "none"])
def test_one_clip_is_a_batch_of_one(how: str) -> None:
    data = pixels(4, 6, 5, 3)
    spec = InputSpec(standardise=how)  # type: ignore[arg-type]
    torch.testing.assert_close(standardise(data, spec), standardise(data[None], spec))


def test_landmarks_keep_their_shape() -> None:
    points = torch.from_numpy(np.random.default_rng(1).normal(60, 20, (2, 5, 9, 2)).astype(np.float32))
    torch.testing.assert_close(standardise(points, InputSpec(layout="landmarks", standardise="none")), points)
    found = standardise(points, InputSpec(layout="landmarks", standardise="clip")).numpy()
    np.testing.assert_allclose(found.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((1, 2)), 1, atol=1e-5)
    assert standardise(points[0], InputSpec(layout="landmarks")).shape == (1, 5, 9, 2)


@pytest.mark.parametrize(("mean", "std"), [((), ()), ((0.5,) * 3, (0.2, 0.2)), ((0.5,) * 3, (0.2, 0.0, 0.2))])
def test_fixed_needs_fitting_figures(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="needs as many means"):
        standardise(pixels(1, 2, 4, 4, 3), InputSpec(standardise="fixed", mean=mean, std=std))
