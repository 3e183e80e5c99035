"""RISE against a slow twin, closed forms of its expectation, and its own promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

import mien
from mien.testing import clip_batch
from mien_perturbation.masks import drawn
from mien_perturbation.rise import Rise

SHAPE = (3, 4, 6, 5)
GRID = (2, 3, 2)


class Linear(nn.Module):
    """A weighted sum of the clip, plus a constant."""

    def __init__(self, constant: float = 0.0) -> None:
        super().__init__()
        self.weights = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)).double()
        self.constant = constant
        self.batches: list[int] = []

    def forward(self, clips: Tensor) -> Tensor:
        self.batches.append(len(clips))
        return (clips * self.weights).sum((1, 2, 3, 4))[:, None] + self.constant


class Curved(Linear):
    """The same, bent."""

    def forward(self, clips: Tensor) -> Tensor:
        return torch.tanh(super().forward(clips) / 10)


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0)).double() + 0.5


def batch_of(clips: Tensor) -> mien.ClipBatch:
    return replace(clip_batch(len(clips), frames=SHAPE[1]), inputs=clips)


def filling(clips: Tensor, method: Rise) -> Tensor:
    return method.filling(batch_of(clips))


def all_masks(count: int, shape: tuple, grid: tuple, keep: float, seed: int = 0) -> np.ndarray:
    made = drawn(count, shape, grid, keep, np.random.default_rng(seed))
    return made.made(np.arange(count), torch.zeros((), dtype=torch.float64)).numpy()


def covariance(size: int, cells: int) -> np.ndarray:
    """How two places on one axis of a mask go together: the cubic B-spline of their distance in cells."""
    away = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) * cells / size
    return np.where(away < 1, 2 / 3 - away**2 + away**3 / 2, np.where(away < 2, (2 - away) ** 3 / 6, 0.0))


def expected(clip: Tensor, hidden: Tensor, net: Linear, keep: float) -> np.ndarray:
    """The closed form of the centred map of a linear network: each element's weight, smoothed by the masks."""
    amounts = (net.weights * (clip - hidden)).sum(0).numpy()
    for axis, (size, cells) in enumerate(zip(SHAPE[1:], GRID, strict=True)):
        amounts = np.moveaxis(np.tensordot(covariance(size, cells), amounts, (1, axis)), 0, axis)
    return (1 - keep) * amounts


def test_the_mean_of_masks_is_p_everywhere_and_so_is_their_spread() -> None:
    made = all_masks(6000, (6, 9, 7), (2, 4, 3), 0.3)
    assert made.min() >= 0
    assert made.max() <= 1
    variance = 0.3 * 0.7 * (2 / 3) ** 3
    error = np.sqrt(variance / len(made))
    assert np.abs(made.mean(0) - 0.3).max() < 4.5 * error
    assert np.abs(made.var(0) / variance - 1).max() < 0.1


def test_masks_are_smooth_in_space_and_in_time() -> None:
    shape, grid = (8, 12, 10), (2, 3, 2)
    made = all_masks(200, shape, grid, 0.5)
    for axis, (size, cells) in enumerate(zip(shape, grid, strict=True), start=1):
        steps = np.abs(np.diff(made, axis=axis))
        assert steps.max() <= cells / size + 1e-12  # a whole cell is crossed in size / cells elements
        assert steps.mean() > 0
    smooth = all_masks(2000, shape, grid, 0.5)
    flat = smooth.reshape(len(smooth), *shape) - 0.5
    products = np.einsum("nt,ns->ts", flat[:, :, 5, 5], flat[:, :, 5, 5]) / len(flat)
    np.testing.assert_allclose(products, 0.25 * (2 / 3) ** 2 * covariance(8, 2), atol=0.01)


@pytest.mark.parametrize("centred", [True, False])
def test_it_is_its_slow_twin(centred: bool, clips: Tensor) -> None:
    net = Curved()
    method = Rise(masks=37, grid=GRID, keep=0.4, centred=centred, fill="blur", seed=5)
    found = mien.explain(net, clips, method=method)
    hidden = filling(clips, method)
    for clip, fill, own in zip(clips, hidden, found.relevance, strict=True):
        masks = drawn(37, SHAPE[1:], GRID, 0.4, method.generator(clip))
        made, outputs = [], []
        for cells, shift in zip(masks.cells, masks.shifts, strict=True):
            axes = [np.arange(s) * c / s + o for s, c, o in zip(SHAPE[1:], GRID, shift, strict=True)]
            mask = map_coordinates(cells.astype(float), np.meshgrid(*axes, indexing="ij"), order=1)
            variant = torch.from_numpy(mask) * clip + torch.from_numpy(1 - mask) * fill
            made.append(mask)
            outputs.append(float(net(variant[None])))
        maps = np.empty(SHAPE[1:])
        for place in np.ndindex(*maps.shape):
            values = [mask[place] for mask in made]
            maps[place] = np.cov(values, outputs)[0, 1] if centred else np.mean(np.multiply(values, outputs))
        np.testing.assert_allclose(own.sum(0), maps / 0.4, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(own[0], own[2])
    torch.testing.assert_close(found.explanation.output, net(clips)[:, 0])
    torch.testing.assert_close(found.explanation.baseline_output, net(hidden)[:, 0])


def test_the_map_of_a_linear_network_is_its_closed_form_in_the_mean(clips: Tensor) -> None:
    """Of many maps of few masks: the estimate is unbiased, however few they are."""
    net, seeds = Linear(constant=100.0), 200
    model, batch = mien.ExplainedModel(net), batch_of(clips[:1])
    methods = [Rise(masks=6, grid=GRID, keep=0.4, seed=seed) for seed in range(seeds)]
    explained = [method.attribute(model, batch, lambda output: output[:, 0]) for method in methods]
    maps = np.stack([each.relevance[0].sum(0).numpy() for each in explained])
    wanted = expected(clips[0], filling(clips, Rise())[0], net, 0.4)
    error = maps.std(0) / np.sqrt(seeds)
    scores = (maps.mean(0) - wanted) / error
    assert np.abs(scores).max() < 4.5
    assert 0.5 < scores.std() < 1.6


def test_many_masks_come_near_the_closed_form_also_of_the_papers_map(clips: Tensor) -> None:
    net = Linear(constant=2.0)
    hidden = filling(clips, Rise())
    wanted = expected(clips[0], hidden[0], net, 0.4)
    total = float((net.weights * (clips[0] - hidden[0])).sum())
    start = float(net(hidden[:1]))
    for centred, truth in ((True, wanted), (False, wanted + start + 0.4 * total)):
        found = mien.explain(net, clips[:1], method=Rise(masks=4000, grid=GRID, keep=0.4, centred=centred))
        own = found.relevance[0].sum(0).numpy()
        assert np.corrcoef(own.ravel(), truth.ravel())[0, 1] > 0.95
        assert np.abs(own - truth).mean() < 0.2 * np.abs(truth).mean()


def test_a_constant_moves_the_papers_map_and_not_the_centred_one(clips: Tensor) -> None:
    maps = {
        (centred, constant): mien.explain(
            Linear(constant), clips, method=Rise(masks=50, centred=centred, grid=GRID)
        ).relevance
        for centred in (True, False)
        for constant in (0.0, 1e6)
    }
    torch.testing.assert_close(maps[True, 0.0], maps[True, 1e6], rtol=1e-6, atol=1e-6)
    assert float((maps[False, 1e6] - maps[False, 0.0]).min()) > 1e4


def test_halves_agree_the_more_the_more_masks_there_are(clips: Tensor) -> None:
    told = [
        mien.explain(Linear(), clips, method=Rise(masks=masks, grid=GRID)).explanation.diagnostics
        for masks in (40, 2000)
    ]
    assert (told[1]["half_split"] > told[0]["half_split"]).all()
    assert float(told[1]["half_split"].min()) > 0.85
    torch.testing.assert_close(told[1]["reliability"], 2 * told[1]["half_split"] / (1 + told[1]["half_split"]))
    assert told[0]["cells"].tolist() == [12, 12]
    assert told[1]["masks"].tolist() == [2000, 2000]


def test_what_never_changes_has_no_relevance_and_no_agreement(clips: Tensor) -> None:
    class Constant(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return torch.full((len(clips), 1), 3.7)

    found = mien.explain(Constant(), clips, method=Rise(masks=20))
    assert not found.relevance.any()
    assert found.explanation.diagnostics["half_split"].isnan().all()
    assert found.explanation.diagnostics["reliability"].isnan().all()


def test_masks_pass_in_small_batches_and_only_grids_are_held(clips: Tensor) -> None:
    net = Linear()
    mien.explain(net, clips[:1], method=Rise(masks=101, grid=GRID))
    assert max(net.batches) <= mien.rows_at_once(clips[0])
    assert sum(net.batches) == 101 + 2
    held = drawn(1000, (16, 112, 112), (4, 7, 7), 0.5, np.random.default_rng(0))
    assert held.cells.nbytes + held.shifts.nbytes < 1e6


@pytest.mark.parametrize("shape", [(1, 3, 1, 4, 4), (1, 3, 2, 1, 9), (1, 1, 1, 1, 1)])
def test_clips_smaller_than_the_grid_are_explained(shape: tuple[int, ...]) -> None:
    class Sum(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return clips.flatten(1).sum(1, keepdim=True)

    clip = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = mien.explain(Sum(), clip, method=Rise(masks=8, fill="blur", blur=1.0))
    assert found.relevance.shape == shape
    assert bool(found.relevance.isfinite().all())


def test_landmarks_are_refused_with_what_to_do() -> None:
    with pytest.raises(mien.ModelError, match="no grid") as told:
        mien.explain(Linear(), torch.zeros(1, 4, 5, 2), method=Rise())
    assert "lime" in str(told.value)


def test_another_seed_draws_others_and_no_global_generator_is_touched(clips: Tensor) -> None:
    before = torch.get_rng_state()
    maps = [mien.explain(Curved(), clips, method=Rise(masks=20, seed=seed)).relevance for seed in (0, 0, 1)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.allclose(maps[0], maps[2])
    assert torch.equal(before, torch.get_rng_state())
