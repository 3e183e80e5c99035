"""The methods that embed features in few dimensions, with their parameters.

A method is deterministic under its seed.  Where it cannot be made of so few windows, it says why.
"""

from __future__ import annotations

import importlib.util
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from mien import FloatArray

Rotation = Literal["sign", "rotation"]


@dataclass(frozen=True)
class Embedded:
    """Windows in few dimensions.

    Attributes
    ----------
    points : ndarray of float64, shape (n, dimensions)
    explained : tuple of float
        The share of the features' variance on each axis; empty where the method has no such share.
    notes : sequence of str
        What is to be known of this embedding.
    """

    points: FloatArray
    explained: tuple[float, ...] = ()
    notes: Sequence[str] = ()


class Embedding(BaseModel):
    """Base of the methods."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: ClassVar[str]
    arbitrary: ClassVar[Rotation]
    """What of the axes is arbitrary: the sign of each alone, or how they are turned as well."""

    dimensions: int = Field(2, ge=1, le=10, description="Of the embedding; figures show the first two.")

    @property
    def fewest(self) -> int:
        """How many windows it needs."""
        return self.dimensions + 1

    def gap(self, windows: int, features: int) -> str:
        """Return why it cannot be made of so many windows and features; empty where it can."""
        if features < self.dimensions:
            return f"{self.dimensions} dimensions cannot be had of {features} features"
        if windows < self.fewest:
            return f"it needs {self.fewest} windows with these parameters, and there are {windows}"
        return ""

    @abstractmethod
    def embed(self, features: FloatArray, seed: int) -> Embedded:
        """Return the embedding of features ``(n, d)`` that `gap` has nothing against."""


class Pca(Embedding):
    """Principal components: the directions of largest variance (Hotelling 1933), by singular values."""

    title: ClassVar[str] = "PCA"
    arbitrary: ClassVar[Rotation] = "sign"

    use: Literal["pca"] = "pca"

    def embed(self, features: FloatArray, seed: int) -> Embedded:
        """Return the scores on the first components; scikit-learn fixes their signs."""
        from sklearn.decomposition import PCA

        fitted = PCA(self.dimensions, svd_solver="full")
        points = fitted.fit_transform(features)
        return Embedded(points, tuple(float(share) for share in fitted.explained_variance_ratio_))


class Isomap(Embedding):
    """Isometric mapping: distances along the graph of nearest neighbours, scaled classically (Tenenbaum 2000)."""

    title: ClassVar[str] = "Isomap"
    arbitrary: ClassVar[Rotation] = "sign"

    use: Literal["isomap"] = "isomap"
    neighbours: int = Field(8, ge=1, description="Nearest neighbours that each window is tied to.")

    @property
    def fewest(self) -> int:
        """More than its neighbours, and than its dimensions."""
        return max(self.neighbours + 1, self.dimensions + 1)

    def embed(self, features: FloatArray, seed: int) -> Embedded:
        """Return the embedding; a graph in several parts is joined by the shortest links, as scikit-learn does."""
        import numpy as np
        from scipy.sparse.csgraph import connected_components
        from sklearn.manifold import Isomap as Fitted
        from sklearn.neighbors import kneighbors_graph

        parts, _ = connected_components(kneighbors_graph(features, self.neighbours), directed=False)
        with warnings.catch_warnings():
            # Of the parts the note tells; the rest is scipy's about how the links are put into the graph.
            warnings.filterwarnings("ignore", message="The number of connected components")
            warnings.filterwarnings("ignore", message="Changing the sparsity structure")
            # The dense solver: the other one begins at a random vector.
            fitted = Fitted(n_neighbors=self.neighbours, n_components=self.dimensions, eigen_solver="dense")
            points = np.asarray(fitted.fit_transform(features), np.float64)
        note = (
            f"The graph of {self.neighbours} nearest neighbours falls into {parts} parts, which were joined by the "
            "shortest links between them: distances between parts mean little. More neighbours may tie them."
        )
        return Embedded(points, notes=[note] if parts > 1 else [])


class Tsne(Embedding):
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008); it begins with the PCA."""

    title: ClassVar[str] = "t-SNE"
    arbitrary: ClassVar[Rotation] = "rotation"

    use: Literal["tsne"] = "tsne"
    perplexity: float = Field(15.0, gt=0, description="About how many neighbours a window has; below their number.")
    iterations: int = Field(1000, ge=250, description="Steps of the optimisation.")

    @property
    def fewest(self) -> int:
        """More than its perplexity, and than its dimensions."""
        return max(int(self.perplexity) + 1, self.dimensions + 1)

    def embed(self, features: FloatArray, seed: int) -> Embedded:
        """Return the embedding; exact where Barnes and Hut's trees do not reach (more than three dimensions)."""
        import numpy as np
        from sklearn.manifold import TSNE

        fitted = TSNE(
            self.dimensions,
            perplexity=self.perplexity,
            max_iter=self.iterations,
            init="pca",
            method="barnes_hut" if self.dimensions <= 3 else "exact",
            random_state=seed,
            n_jobs=1,
        )
        return Embedded(np.asarray(fitted.fit_transform(features.astype(np.float32)), np.float64))


class Umap(Embedding):
    """Uniform manifold approximation and projection (McInnes, Healy & Melville 2018); needs umap-learn."""

    title: ClassVar[str] = "UMAP"
    arbitrary: ClassVar[Rotation] = "rotation"

    use: Literal["umap"] = "umap"
    neighbours: int = Field(15, ge=2, description="Nearest neighbours that each window is tied to.")
    min_distance: float = Field(0.1, ge=0, le=1, description="How close points may lie.")

    @property
    def fewest(self) -> int:
        """More than its neighbours, and than its spectral beginning needs."""
        return max(self.neighbours + 1, self.dimensions + 3)

    def embed(self, features: FloatArray, seed: int) -> Embedded:
        """Return the embedding.

        Raises
        ------
        PluginError
            When umap-learn is not installed.
        """
        import numpy as np

        if not umap_installed():
            from mien import PluginError

            raise PluginError(NO_UMAP, hint=GET_UMAP)
        with warnings.catch_warnings():
            # It tells of parts that it does without, and numba of what it compiles.
            warnings.simplefilter("ignore")
            from umap import UMAP

            fitted = UMAP(
                n_neighbors=self.neighbours,
                n_components=self.dimensions,
                min_dist=self.min_distance,
                random_state=seed,
                n_jobs=1,
            )
            return Embedded(np.asarray(fitted.fit_transform(features.astype(np.float32)), np.float64))


NO_UMAP = "UMAP needs umap-learn, which is not installed."
GET_UMAP = "Install it: pip install 'mien-manifold[umap]'."

Method = Annotated[Pca | Isomap | Tsne | Umap, Field(discriminator="use")]
METHODS: tuple[str, ...] = ("pca", "isomap", "tsne", "umap")


def umap_installed() -> bool:
    """Return whether umap-learn is there; nothing is imported."""
    return importlib.util.find_spec("umap") is not None


def reduced(features: FloatArray, components: int | None) -> FloatArray:
    """Return the features on their first principal components, which keep the distances of windows nearly.

    Features of no more dimensions than ``components`` stay as they are, and so do all with None.
    """
    if components is None or features.shape[1] <= components:
        return features
    from sklearn.decomposition import PCA

    scores: FloatArray = PCA(min(components, len(features)), svd_solver="full").fit_transform(features)
    return scores
