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
from mien.training.augment import Change, draw_change
from mien.types import InputSpec

if TYPE_CHECKING:
    from mien.clips.source import ClipSource
    from mien.clips.windows import Window

Item = tuple[npt.NDArray[Any], float]
Asked = tuple[int, ...]
"""Epoch and index of a clip; where it is repeated within an epoch, the number of the repetition follows."""
MEMORY_LIMIT = 2**30
"""Crops of all recordings are kept in memory when they take no more bytes than this."""


class TrainingClips(Dataset[Item]):
    """Clips with labels; as many an epoch as the recordings have windows.

    An item is asked for by epoch and index (and repetition, see `Asked`), and is a pure function of them and the
    seed: neither the order of asking nor an interruption changes it.

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
    label_noise : float
        Standard deviation of Gaussian noise on the label, in the label's unit.  A noisy label may leave the score's
        range: cutting it off there would pull the lowest and highest labels inwards.

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
        label_noise: float = 0.0,
    ) -> None:
        self._source = source
        self.spec = source.spec
        self._seed = seed
        self._changes = changes
        self._label_noise = label_noise
        self._labels = {id_: _label(source, id_) for id_ in recordings}
        self._items = [(id_, window) for id_ in recordings for window in source.windows(id_)]
        self._crops = _in_memory(source, recordings, memory)

    @property
    def labels(self) -> list[float]:
        """The label of each recording, in the order given."""
        return list(self._labels.values())

    @property
    def clip_labels(self) -> list[float]:
        """The label of each clip, without noise."""
        return [self._labels[recording] for recording, _ in self._items]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, item: Asked) -> Item:
        recording, window, change = self._drawn(item)
        pixels = self._pixels(recording, window)
        if change is not None:
            pixels = change.pixels(pixels, self._source.cropper.tiles)
        return pixels, self._labels[recording] + self._noise(item)

    def regions(self, item: Asked) -> npt.NDArray[Any]:
        """Return the region bits of an item's elements, moved as its pixels are: ``(T, H, W)`` or ``(T, N)``."""
        recording, window, change = self._drawn(item)
        bits = self._source.regions(recording, window.content)
        return bits if change is None else change.regions(bits, self._source.cropper.tiles)

    def _drawn(self, item: Asked) -> tuple[str, Window, Change | None]:
        """Return which window of which recording an item shows, and how its pixels are changed."""
        epoch, index, *repetition = item
        recording, window = self._items[index]
        if self._changes is None:
            return recording, window, None
        again = [0, *repetition] if any(repetition) else []
        rng = np.random.default_rng([self._seed, epoch, index, *again])
        if self._changes.phase:
            window = self._source.random_window(recording, rng)
        return recording, window, draw_change(self._changes, rng) if self.spec.layout == "video" else None

    def _noise(self, item: Asked) -> float:
        if not self._label_noise:
            return 0.0
        epoch, index, *repetition = item
        # A stream of its own: the changes of the pixels stay what they are without noise.
        rng = np.random.default_rng([self._seed, epoch, index, 2, *(repetition or [0])])
        return float(rng.normal(0, self._label_noise))

    def _pixels(self, recording: str, window: Window) -> npt.NDArray[Any]:
        if recording in self._crops:
            return np.asarray(self._crops[recording][window.content])
        return self._source.pixels(recording, window.content)


class EpochSampler(Sampler[Asked]):
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

    def __iter__(self) -> Iterator[Asked]:
        # numpy fills a short seed with zeros; the fourth word tells this stream from those of the items.
        rng = np.random.default_rng([self._seed, self._epoch, 0, 1])
        return ((self._epoch, int(index)) for index in rng.permutation(self._size))


class SharedSampler(Sampler[Asked]):
    """One device's part of each whole batch that a sampler gives.

    Parameters
    ----------
    sampler : EpochSampler
        The same on all devices.
    batch : int
        Clips of all devices at once; a multiple of ``devices``.
    rank, devices : int
        Which part, of how many.
    """

    def __init__(self, sampler: EpochSampler, batch: int, rank: int, devices: int) -> None:
        self._sampler = sampler
        self._batch = batch
        self._part = batch // devices
        self._first = rank * self._part

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose items come next."""
        self._sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._sampler) // self._batch * self._part

    def __iter__(self) -> Iterator[Asked]:
        order = list(self._sampler)
        starts = range(self._first, len(self) // self._part * self._batch, self._batch)
        return (item for start in starts for item in order[start : start + self._part])


def training_batches(
    clips: TrainingClips,
    batch: int,
    seed: int,
    *,
    sampler: EpochSampler | None = None,
    share: tuple[int, int] = (0, 1),
) -> DataLoader[Any]:
    """Return shuffled batches; an epoch's last clips are left out when they do not fill a batch.

    Another permutation leaves out others, and a batch norm gets no batch of one.

    Parameters
    ----------
    batch : int
        Clips of all devices at once.
    sampler : EpochSampler, optional
        Each clip once an epoch, by default.
    share : (int, int)
        Which device's part of each batch, and of how many devices.

    Raises
    ------
    DataError
        When several devices shall share a batch and there are not enough clips for one.
    """
    sampler = sampler or EpochSampler(len(clips), seed)
    rank, devices = share
    collate = _Collate(clips.spec)
    if devices == 1:
        return DataLoader(clips, batch_size=batch, sampler=sampler, drop_last=len(sampler) >= batch, collate_fn=collate)
    if len(sampler) < batch:
        raise DataError(
            f"{len(sampler)} training clips do not fill a batch of {batch}, which {devices} devices shall share.",
            where="training.devices",
            hint="Lower 'training.batch', or train on one device.",
        )
    part: Sampler[Asked] = SharedSampler(sampler, batch, rank, devices)
    return DataLoader(clips, batch_size=batch // devices, sampler=part, collate_fn=collate)


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
