"""LIME against closed forms, the authors' library, scikit-learn, and its own promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mien
from mien.testing import clip_batch
from mien_perturbation.lime import Lime
from mien_perturbation.surrogate import lasso, proximity, ridge

SHAPE = (3, 4, 6, 8)
FILLS = ["temporal_mean", "blur", "grey"]


class Noting(nn.Module):
    """A smooth function of the clip; notes what passed."""

    def __init__(self, linear: bool) -> None:
        super().__init__()
        weights = torch.randn(3, int(np.prod(SHAPE)), generator=torch.Generator().manual_seed(1)).double()
        self.weights = nn.Parameter(weights / 10)
        self.linear = linear
        self.seen: list[Tensor] = []

    def forward(self, clips: Tensor) -> Tensor:
        self.seen.append(clips.clone())
        sums = clips.flatten(1) @ self.weights.T
        return sums[:, :1] + (0 if self.linear else torch.tanh(sums[:, 1:2] * sums[:, 2:]))


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0)).double() + 0.5


@pytest.fixture
def masks() -> dict[str, Tensor]:
    """Mouth and nose; the second clip has no nose."""
    regions = {name: torch.zeros(2, *SHAPE[1:], dtype=torch.bool) for name in ("mouth", "nose")}
    regions["mouth"][..., 3:6] = True
    regions["nose"][0, ..., 6:] = True
    return regions


def filling(clips: Tensor, method: Lime) -> Tensor:
    return method.filling(mien.ClipBatch(**{**vars(clip_batch(len(clips))), "inputs": clips}))


def superpixels(masks: dict[str, Tensor], clip: int, segments: int) -> list[Tensor]:
    """The superpixels of a clip that hold an element, as booleans of the clip's shape."""
    mouth, nose = masks["mouth"][clip], masks["nose"][clip]
    time = torch.arange(SHAPE[1]) * segments // SHAPE[1]
    parts = [mouth, nose, ~mouth & ~nose]
    found = [part & (time == place)[:, None, None] for part in parts for place in range(segments)]
    return [one.expand(SHAPE) for one in found if bool(one.any())]


@pytest.mark.parametrize("fill", FILLS)
def test_a_network_linear_in_the_switches_gives_their_exact_coefficients(
    fill: str, clips: Tensor, masks: dict[str, Tensor]
) -> None:
    net = Noting(linear=True)
    method = Lime(fill=fill, ridge=0, time_segments=2)
    found = mien.explain(net, clips, regions=masks, method=method)
    hidden = filling(clips, method)
    terms = net.weights[0].detach().reshape(SHAPE) * (clips - hidden)
    for clip in range(2):
        for one in superpixels(masks, clip, 2):
            expected = terms[clip][one].sum().expand(int(one.sum())) / one.sum()
            torch.testing.assert_close(found.relevance[clip][one], expected, rtol=1e-9, atol=1e-12)
    told = found.explanation.diagnostics
    assert told["features"].tolist() == [6, 4]
    assert told["samples"].tolist() == [64, 64]
    torch.testing.assert_close(told["r2"], torch.ones(2))
    assert float(told["surrogate_error"].max()) < 1e-6
    torch.testing.assert_close(found.explanation.output, net(clips)[:, 0].detach())
    torch.testing.assert_close(found.explanation.baseline_output, net(hidden)[:, 0].detach())


def test_it_is_what_the_authors_library_finds_for_the_same_samples(clips: Tensor, masks: dict[str, Tensor]) -> None:
    lime_base = pytest.importorskip("lime.lime_base")
    from sklearn.metrics import pairwise_distances

    net = Noting(linear=False)
    method = Lime(time_segments=2, samples=40)
    found = mien.explain(net, clips[:1], regions={name: each[:1] for name, each in masks.items()}, method=method)
    seen = torch.cat(net.seen)[:40]  # the last one is the filling
    parts = superpixels(masks, 0, 2)
    hidden = filling(clips[:1], method)[0]
    off = torch.stack([torch.stack([bool(torch.equal(v[p], hidden[p])) * torch.ones(()) for p in parts]) for v in seen])
    switches = 1 - off.numpy()
    assert 0.4 < switches.mean() < 0.6
    outputs = net(seen).detach().numpy()
    base = lime_base.LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)))  # lime_image's kernel and width
    distances = pairwise_distances(switches, np.ones((1, len(parts))), metric="cosine").ravel()
    intercept, told, r2, local = base.explain_instance_with_data(
        switches, outputs, distances, 0, len(parts), feature_selection="none"
    )
    sums = [float(found.relevance[0][part].sum()) for part in parts]
    assert sums == pytest.approx([dict(told)[place] for place in range(len(parts))], rel=1e-6, abs=1e-9)
    diagnostics = found.explanation.diagnostics
    assert float(diagnostics["r2"]) == pytest.approx(r2, abs=1e-6)
    assert 0.3 < r2 < 0.999
    error = abs(float(local[0]) - float(outputs[0, 0])) / np.ptp(outputs)
    assert float(diagnostics["surrogate_error"]) == pytest.approx(error, rel=1e-4)
    weights = base.kernel_fn(distances)
    assert float(diagnostics["effective_samples"]) == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-5)
    own = ridge(switches, outputs[:, 0], weights, 1.0)
    assert own.intercept == pytest.approx(intercept)


@pytest.fixture
def samples() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    switches = rng.random((50, 12)) < 0.5
    outputs = switches @ np.r_[3.0, -2.0, 1.0, np.zeros(9)] + 0.3 * rng.normal(size=50) + 7
    return switches, outputs, proximity(switches, 0.25)


@pytest.mark.parametrize("penalty", [0.0, 1e-3, 1.0, 50.0])
def test_the_closed_form_is_scikit_learns_ridge(penalty: float, samples: tuple) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    switches, outputs, weights = samples
    theirs = linear.Ridge(alpha=penalty).fit(switches, outputs, sample_weight=weights)
    own = ridge(switches, outputs, weights, penalty)
    np.testing.assert_allclose(own.coefficients, theirs.coef_, rtol=1e-8, atol=1e-10)
    assert own.intercept == pytest.approx(theirs.intercept_)
    assert own.r2 == pytest.approx(theirs.score(switches, outputs, sample_weight=weights))
    np.testing.assert_allclose(own.at(switches), theirs.predict(switches))


@pytest.mark.parametrize("strength", [1e-3, 0.05, 0.3])
def test_the_lasso_is_scikit_learns(strength: float, samples: tuple) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    switches, outputs, weights = samples
    share = weights / weights.sum()
    most = np.abs((switches - share @ switches).T @ (share * (outputs - share @ outputs))).max()
    theirs = linear.Lasso(alpha=strength * most, tol=1e-12, max_iter=100_000)
    theirs.fit(switches, outputs, sample_weight=weights)
    own = lasso(switches, outputs, weights, strength)
    np.testing.assert_allclose(own.coefficients, theirs.coef_, rtol=1e-6, atol=1e-8)
    assert own.intercept == pytest.approx(theirs.intercept_)


def test_the_lasso_keeps_what_matters_and_at_full_strength_nothing(samples: tuple) -> None:
    switches, outputs, weights = samples
    assert not lasso(switches, outputs, weights, 1.0).coefficients.any()
    few = lasso(switches, outputs, weights, 0.3).coefficients
    assert set(np.flatnonzero(few)) == {0, 1}
    assert few[0] > 0 > few[1]


def test_proximity_by_hand() -> None:
    switches = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    # Cosine distances of 0, 1 - 1/2 and 1.
    np.testing.assert_allclose(proximity(switches, 0.5), [1, np.exp(-0.5), np.exp(-2)])


def test_switches_that_are_never_told_apart_share_alike() -> None:
    switches = np.array([[1, 1], [0, 0], [1, 1]])
    found = ridge(switches, [2.0, 0.0, 2.0], np.ones(3), 0.0)
    np.testing.assert_allclose(found.coefficients, [1, 1])


def test_what_never_changes_has_no_relevance_and_no_r2(clips: Tensor) -> None:
    class Constant(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return torch.full((len(clips), 1), 3.0).double()

    found = mien.explain(Constant(), clips, method=Lime())
    assert not found.relevance.any()
    assert found.explanation.diagnostics["r2"].isnan().all()


def test_the_sign_says_for_or_against(clips: Tensor, masks: dict[str, Tensor]) -> None:
    class Against(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return (clips[..., 6:].square().sum((1, 2, 3, 4)) - clips[..., 3:6].square().sum((1, 2, 3, 4)))[:, None]

    rows = mien.explain(Against(), clips[:1], regions={k: v[:1] for k, v in masks.items()}, method=Lime()).regions
    sums = rows.groupby("region")["signed"].sum()
    assert sums["mouth"] < -1
    assert sums["nose"] > 1
    assert abs(sums["background"]) < 0.1 * min(-sums["mouth"], sums["nose"])


def test_another_seed_draws_others_and_no_global_generator_is_touched(clips: Tensor) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    maps = [
        mien.explain(Noting(linear=False), clips, method=Lime(seed=seed, samples=9)).relevance for seed in (0, 0, 1)
    ]
    assert torch.equal(maps[0], maps[1])
    assert not torch.allclose(maps[0], maps[2])
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_landmarks_are_explained_by_region_and_time() -> None:
    points = torch.randn(2, 6, 5, 2, generator=torch.Generator().manual_seed(0)).double()
    weights = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(1)).double()

    class Weighted(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return (clips * weights).sum((1, 2, 3))[:, None]

    mouth = torch.tensor([True, True, False, False, False])
    found = mien.explain(Weighted(), points, regions={"mouth": mouth}, method=Lime(ridge=0, time_segments=3)).relevance
    terms = weights * (points - points.mean(1, keepdim=True))
    for start in (0, 2, 4):
        for part in (slice(0, 2), slice(2, 5)):
            place = (slice(None), slice(start, start + 2), part)
            torch.testing.assert_close(found[place].sum((1, 2, 3)), terms[place].sum((1, 2, 3)))
    for fill in ("blur", "grey"):
        with pytest.raises(mien.ModelError, match="no picture") as told:
            mien.explain(Weighted(), points, method=Lime(fill=fill))
        assert "temporal_mean" in str(told.value)


def test_grey_is_the_clips_mean_colour_and_blur_keeps_a_uniform_clip(clips: Tensor) -> None:
    grey = filling(clips, Lime(fill="grey"))
    torch.testing.assert_close(grey, clips.mean((2, 3, 4), keepdim=True).expand_as(clips))
    torch.testing.assert_close(filling(grey, Lime(fill="blur")), grey)
    assert all(Lime(fill=fill).compared_with for fill in FILLS)
