"""Training clips, of which each depends on the seed, the epoch and its index alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mien.clips.standardise import standardise
from mien.config.settings import AugmentSettings
from mien.errors import DataError
from mien.training.augment import augment
from mien.types import InputSpec

if TYPE_CHECKING:
    from mien.clips.source import ClipSource
    from mien.clips.windows import Window

Item = tuple[npt.NDArray[Any], float]
MEMORY_LIMIT = 2**30
"""Crops of all recordings are kept in memory when they take no more bytes than this."""


class TrainingClips(Dataset[Item]):
    """Clips with labels; as many an epoch as the recordings have windows.

    An item is asked for by epoch and index, and is a pure function of them and the seed: neither the order of
    asking nor an interruption changes it.

    Parameters
    ----------
    source : ClipSource
    recordings : sequence of str
        Ids; each with a label.
    seed : int
    changes : AugmentSettings or None
        Random changes; None gives the planned windows as they are, whatever the epoch.
    memory : int
        Bytes of crops that may be kept in memory; beyond it rows are read when they are asked for.

    Attributes
    ----------
    spec : InputSpec
        How the network wants the clips.

    Raises
    ------
    DataError
        When a recording has no label, or no window.
    """

    def __init__(
        self,
        source: ClipSource,
        recordings: Sequence[str],
        seed: int,
        changes: AugmentSettings | None,
        memory: int = MEMORY_LIMIT,
    ) -> None:
        self._source = source
        self.spec = source.spec
        self._seed = seed
        self._changes = changes
        self._labels = {id_: _label(source, id_) for id_ in recordings}
        self._items = [(id_, window) for id_ in recordings for window in source.windows(id_)]
        self._crops = _in_memory(source, recordings, memory)

    @property
    def labels(self) -> list[float]:
        """The label of each recording, in the order given."""
        return list(self._labels.values())

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, item: tuple[int, int]) -> Item:
        epoch, index = item
        recording, window = self._items[index]
        if self._changes is None:
            return self._pixels(recording, window), self._labels[recording]
        rng = np.random.default_rng([self._seed, epoch, index])
        if self._changes.phase:
            window = self._source.random_window(recording, rng)
        pixels = self._pixels(recording, window)
        if self.spec.layout == "video":
            pixels = augment(pixels, self._changes, rng)
        return pixels, self._labels[recording]

    def _pixels(self, recording: str, window: Window) -> npt.NDArray[Any]:
        if recording in self._crops:
            return np.asarray(self._crops[recording][window.content])
        return self._source.pixels(recording, window.content)


class EpochSampler(Sampler[tuple[int, int]]):
    """Asks for each item once an epoch, in an order drawn from the seed and the epoch.

    Lightning calls ``set_epoch`` before each epoch.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose items come next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # numpy fills a short seed with zeros; the fourth word tells this stream from those of the items.
        rng = np.random.default_rng([self._seed, self._epoch, 0, 1])
        return ((self._epoch, int(index)) for index in rng.permutation(self._size))


def training_batches(clips: TrainingClips, batch: int, seed: int) -> DataLoader[Any]:
    """Return shuffled batches; an epoch's last clips are left out when they do not fill a batch.

    Another permutation leaves out others, and a batch norm gets no batch of one.
    """
    return DataLoader(
        clips,
        batch_size=batch,
        sampler=EpochSampler(len(clips), seed),
        drop_last=len(clips) >= batch,
        collate_fn=_Collate(clips.spec),
    )


def fixed_batches(clips: TrainingClips, batch: int) -> DataLoader[Any]:
    """Return batches of all clips in order."""
    order = [(0, index) for index in range(len(clips))]
    return DataLoader(clips, batch_size=batch, sampler=order, collate_fn=_Collate(clips.spec))


class _Collate:
    """Stacks items, standardised, to ``(B, C, T, H, W)`` and labels ``(B,)``."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec

    def __call__(self, items: Sequence[Item]) -> tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(np.stack([pixels for pixels, _ in items]))
        labels = torch.tensor([label for _, label in items], dtype=torch.float32)
        return standardise(pixels, self._spec), labels


def _label(source: ClipSource, recording: str) -> float:
    label = source.prepared(recording).recording.label
    if label is None:
        raise DataError("A recording without a label cannot train.", where=f"recording {recording}")
    return label


def _in_memory(source: ClipSource, recordings: Sequence[str], memory: int) -> dict[str, npt.NDArray[Any]]:
    if not recordings:
        return {}
    frames = {id_: len(source.timeline(id_)[0]) for id_ in recordings}
    frame = source.pixels(recordings[0], [0]).nbytes
    if frame * sum(frames.values()) > memory:
        return {}
    return {id_: source.pixels(id_, np.arange(count)) for id_, count in frames.items()}
