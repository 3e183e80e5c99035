"""Embeddings: PCA is the singular value decomposition; Isomap unrolls; all are the same again under a seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from mien_manifold.association import left_out
from mien_manifold.embedding import Isomap, Pca, Tsne, Umap, reduced


def swiss_roll(points: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points on a rolled-up sheet in 20 dimensions, and how far along the roll each is."""
    rng = np.random.default_rng(seed)
    along = np.sort(1.5 * np.pi * (1 + 2 * rng.random(points)))
    sheet = np.column_stack([along * np.cos(along), 8 * rng.random(points), along * np.sin(along)])
    turned = np.linalg.qr(rng.normal(size=(20, 20)))[0][:3]
    return sheet @ turned + rng.normal(0, 0.02, (points, 20)), along


def test_pca_is_the_singular_value_decomposition():
    features = np.random.default_rng(0).normal(size=(30, 12)) * np.arange(1, 13)
    found = Pca(dimensions=3).embed(features, 0)
    left, sizes, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    expected = left[:, :3] * sizes[:3]
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(found.explained, sizes[:3] ** 2 / (sizes**2).sum())


def test_isomap_unrolls_what_pca_does_not():
    features, along = swiss_roll()
    isomap = Isomap(neighbours=8).embed(features, 0)
    pca = Pca().embed(features, 0)
    assert abs(spearmanr(isomap.points[:, 0], along)[0]) > 0.9
    assert np.abs(spearmanr(pca.points[:, 0], along)[0]) < 0.6
    assert not isomap.notes


def test_isomap_says_that_its_graph_falls_apart():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(20, 5)), rng.normal(50, 1, size=(20, 5))])
    found = Isomap(neighbours=3).embed(features, 0)
    assert np.isfinite(found.points).all()
    assert "falls into 2 parts" in found.notes[0]


@pytest.mark.parametrize("method", [Pca(), Isomap(neighbours=5), Tsne(perplexity=5, iterations=300)])
def test_the_same_again(method):
    features, _ = swiss_roll(40)
    first, again = method.embed(features, 3), method.embed(features, 3)
    assert first.points.shape == (40, 2)
    np.testing.assert_array_equal(first.points, again.points)


def test_tsne_keeps_clusters_together():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(25, 10)), rng.normal(20, 1, size=(25, 10))])
    points = Tsne(perplexity=8, iterations=400).embed(features, 0).points
    middle = points.mean(0)
    direction = points[:25].mean(0) - middle
    sides = (points - middle) @ direction > 0
    assert sides[:25].all()
    assert not sides[25:].any()


@pytest.mark.slow
def test_umap_keeps_clusters_together_and_is_the_same_again():
    pytest.importorskip("umap", exc_type=ImportError)
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(25, 10)), rng.normal(20, 1, size=(25, 10))])
    method = Umap(neighbours=8)
    points = method.embed(features, 1).points
    np.testing.assert_array_equal(points, method.embed(features, 1).points)
    gap = np.linalg.norm(points[:25].mean(0) - points[25:].mean(0))
    assert gap > 3 * max(points[:25].std(), points[25:].std())


@pytest.mark.parametrize(
    ("method", "windows", "features", "said"),
    [
        (Pca(), 2, 5, "needs 3 windows"),
        (Pca(dimensions=4), 20, 3, "4 dimensions cannot be had of 3 features"),
        (Isomap(neighbours=8), 8, 5, "needs 9 windows"),
        (Tsne(perplexity=15), 15, 5, "needs 16 windows"),
        (Umap(neighbours=15), 15, 5, "needs 16 windows"),
    ],
)
def test_too_few_windows_are_told(method, windows, features, said):
    assert said in method.gap(windows, features)
    assert method.gap(40, 5) == ""


@pytest.mark.parametrize("method", [Isomap(neighbours=8), Tsne(perplexity=15, iterations=250), Isomap(neighbours=1)])
def test_the_fewest_windows_are_enough(method):
    features = np.random.default_rng(0).normal(size=(method.fewest, 6))
    assert method.gap(*features.shape) == ""
    assert np.isfinite(method.embed(features, 0).points).all()


def test_reduction_keeps_distances_where_nothing_is_lost():
    features = np.random.default_rng(0).normal(size=(20, 200))
    fewer = reduced(features, 50)
    assert fewer.shape == (20, 20)
    np.testing.assert_allclose(np.linalg.norm(fewer[3] - fewer[9]), np.linalg.norm(features[3] - features[9]))
    assert reduced(features, None) is features
    assert reduced(features[:, :30], 50).shape == (20, 30)


def test_leaving_out_has_a_closed_form():
    rng = np.random.default_rng(0)
    axes, rating = rng.normal(size=(9, 2)), rng.normal(size=9)
    errors, of_mean = left_out(axes, rating)
    for i in range(9):
        others = np.arange(9) != i
        design = np.column_stack([np.ones(8), axes[others]])
        weights, *_ = np.linalg.lstsq(design, rating[others], rcond=None)
        assert errors[i] == pytest.approx(rating[i] - np.r_[1, axes[i]] @ weights)
        assert of_mean[i] == pytest.approx(rating[i] - rating[others].mean())
