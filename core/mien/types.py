"""The data that travels between components, and the one tensor convention.

=============  ===========================  =====================================================
What           Shape and type               Unit
=============  ===========================  =====================================================
video frames   ``(T, H, W, 3)`` uint8       RGB, 0-255
clips          ``(B, C, T, H, W)`` float32  the network's input space (after standardisation)
landmark clip  ``(B, T, N, 2)`` float32     the network's input space
boxes          ``(T, 4)`` float32           x0, y0, x1, y1 in source pixels; NaN without a face
landmarks      ``(T, N, 2)`` float32        x, y in source pixels; NaN without a face
region bits    ``(T, H, W)`` uint16         bit r set: the pixel belongs to region r
transforms     ``(T, K, 2, 3)`` float64     affine, source pixels to the crop's pixels in tile k
time           ``(T,)`` float64             seconds from the start of the source
=============  ===========================  =====================================================

Pixel coordinates have their origin at the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mien.landmarks import LandmarkScheme as LandmarkScheme  # types are imported from here

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    FloatArray = npt.NDArray[np.floating[Any]]
    """An array of real numbers of any width, e.g. boxes, landmarks and times."""

    ByteArray = npt.NDArray[np.uint8]
    """An array of bytes, e.g. RGB frames."""

    BitArray = npt.NDArray[np.uint16]
    """An array of region bits: bit r set, the pixel belongs to region r."""

    BoolArray = npt.NDArray[np.bool_]
    """An array of truth values, e.g. which frames show a face."""

    IntArray = npt.NDArray[np.integer[Any]]
    """An array of whole numbers of any width, e.g. indices of frames."""
else:  # numpy takes longer to import than a listing may take to print
    FloatArray = ByteArray = BitArray = BoolArray = IntArray = Any

Layout = Literal["video", "landmarks"]
"""``video``: clips ``(B, C, T, H, W)``; ``landmarks``: sequences ``(B, T, N, 2)``."""

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Recording:
    """One video of one participant, with its label.

    The participant is the unit of statistics; the recording is the labelled unit.

    Attributes
    ----------
    id : str
        Unique within the data set; used in file names.
    participant : str
        The person.  Several recordings may share one.
    video : Path
        The video file.
    label : float or None
        The score (or class index); None when it is not known.
    split : {"train", "validation", "test"} or None
        None leaves the choice to mien, which never puts a participant on two sides.
    covariates : mapping
        Further columns, e.g. age or sex.
    action_units : Path or None
        A file of Action Units that belongs to the video.
    session : str or None
        The sitting that the label belongs to: recordings of one sitting (several tasks) share it, and a person may
        come back for another.  None: the recording is a sitting of its own.
    consent : bool
        Whether the person's face may be shown in a report with ``faces: consented``.
    """

    id: str
    participant: str
    video: Path
    label: float | None = None
    split: Split | None = None
    covariates: Mapping[str, str | float] = field(default_factory=dict)
    action_units: Path | None = None
    consent: bool = False
    session: str | None = None


@dataclass(frozen=True)
class Exclusion:
    """A recording that was set aside, and why.

    ``stage`` is the step that set it aside (``dataset``, ``track``, ``crop``, ...); ``reason`` is one
    sentence for the user.
    """

    recording: str
    participant: str
    stage: str
    reason: str
    video: str = ""


@dataclass(frozen=True)
class DatasetListing:
    """What a data set holds: the usable recordings, and those set aside with a reason."""

    recordings: Sequence[Recording]
    exclusions: Sequence[Exclusion] = ()


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself.

    ``width`` and ``height`` are those of the frame as displayed (after ``rotation``, in degrees
    anti-clockwise).  ``frames`` and ``duration`` (seconds) are the container's claims and may be 0 when unknown.
    """

    width: int
    height: int
    rate: float
    frames: int
    duration: float
    rotation: int = 0
    codec: str = ""


@dataclass(frozen=True)
class FrameFaces:
    """All faces of one frame, the most confident first; ``F`` may be 0.

    Attributes
    ----------
    boxes : ndarray, shape (F, 4)
        x0, y0, x1, y1 in pixels.
    confidence : ndarray, shape (F,)
        0 to 1.
    landmarks : ndarray, shape (F, N, 2)
        Pixels, under the detector's landmark scheme.
    extras : mapping of str to ndarray, shape (F, ...)
        What else the detector knows, e.g. ``blendshapes``; every frame has the same keys.
    """

    boxes: FloatArray
    confidence: FloatArray
    landmarks: FloatArray
    extras: Mapping[str, FloatArray] = field(default_factory=dict)
    others: int = 0
    """Further faces that were noticed but not returned."""

    @property
    def count(self) -> int:
        """The number of faces returned."""
        return len(self.confidence)


@dataclass(frozen=True)
class FaceTrack:
    """The face followed through one recording, frame by frame.

    Attributes
    ----------
    scheme : str
        Id of the landmark scheme.
    times : ndarray, shape (T,)
        Presentation time of each frame, seconds.
    boxes : ndarray, shape (T, 4)
        NaN where no face was found.
    confidence : ndarray, shape (T,)
        0 where no face was found.
    landmarks : ndarray, shape (T, N, 2)
        NaN where no face was found.
    faces : ndarray of int, shape (T,)
        How many faces were seen in the frame.
    width, height : int
        Of the source frame, pixels.
    extras : mapping of str to ndarray, shape (T, ...)
        As the detector gave them; NaN where no face was found.
    """

    scheme: str
    times: FloatArray
    boxes: FloatArray
    confidence: FloatArray
    landmarks: FloatArray
    faces: IntArray
    width: int
    height: int
    extras: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def valid(self) -> BoolArray:
        """Frames with a face, shape (T,)."""
        return self.confidence > 0

    def __getitem__(self, rows: slice | IntArray) -> FaceTrack:
        return replace(
            self,
            times=self.times[rows],
            boxes=self.boxes[rows],
            confidence=self.confidence[rows],
            landmarks=self.landmarks[rows],
            faces=self.faces[rows],
            extras={name: values[rows] for name, values in self.extras.items()},
        )


@dataclass(frozen=True)
class Crops:
    """The network's view of a stretch of video, before windows are cut.

    Attributes
    ----------
    data : ndarray
        ``(T, H, W, 3)`` uint8 for the layout ``video``, ``(T, N, 2)`` float32 for ``landmarks``.
    transforms : ndarray, shape (T, K, 2, 3)
        Affine from source pixels into the crop, one for each of the crop's K tiles.
    valid : ndarray of bool, shape (T,)
        Frames that hold a face.  The data of the others is undefined.
    """

    data: npt.NDArray[Any]
    transforms: FloatArray
    valid: BoolArray

    def __len__(self) -> int:
        return len(self.valid)


@dataclass(frozen=True)
class Tile:
    """A rectangle of the crop (pixels, half-open) that one affine transform fills.

    ``region`` names the only region that the tile shows, or is None when it shows all.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    region: str | None = None


@dataclass(frozen=True)
class InputSpec:
    """What a backbone takes: clips of this shape, standardised in this way.

    Attributes
    ----------
    layout : {"video", "landmarks"}
    frames : int
        Default number of frames of a clip.
    height, width : int
        Default size in pixels (0 for landmarks).
    standardise : {"clip", "fixed", "none"}
        ``clip``: each channel of each clip to mean 0 and standard deviation 1.  ``fixed``: 0-1 pixels
        with ``mean`` and ``std``.  ``none``: pixels scaled to 0-1.
    mean, std : tuple of float
        Per channel, for ``fixed``.
    """

    layout: Layout = "video"
    frames: int = 16
    height: int = 112
    width: int = 112
    standardise: Literal["clip", "fixed", "none"] = "clip"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class ClipKey:
    """Which window of which recording a clip is."""

    recording: str
    participant: str
    window: int


@dataclass(frozen=True)
class ClipBatch:
    """A batch of clips with what is needed to read their relevance.

    Attributes
    ----------
    inputs : Tensor
        ``(B, C, T, H, W)`` for the layout ``video``, ``(B, T, N, 2)`` for ``landmarks``; float32, in the
        network's input space.
    regions : Tensor of int32
        Bits of the region of each element: ``(B, T, H, W)`` or ``(B, T, N)``.  Bit r is
        ``region_names[r]``.
    region_names : tuple of str
    times : Tensor, shape (B, T)
        Seconds in the source.
    frames : Tensor of int64, shape (B, T)
        Frame number in the source.
    valid : Tensor of bool, shape (B, T)
        False where the frame had no face and was filled from its neighbour.
    keys : sequence of ClipKey
    labels : Tensor, shape (B,)
        NaN where unknown.
    transforms : Tensor, shape (B, T, K, 2, 3), or None
        The way back to source pixels.
    layout : {"video", "landmarks"}
    """

    inputs: Tensor
    regions: Tensor
    region_names: tuple[str, ...]
    times: Tensor
    frames: Tensor
    valid: Tensor
    keys: Sequence[ClipKey]
    labels: Tensor
    transforms: Tensor | None = None
    layout: Layout = "video"

    def __len__(self) -> int:
        return int(self.inputs.shape[0])

    def __getitem__(self, rows: slice) -> ClipBatch:
        return replace(
            self,
            inputs=self.inputs[rows],
            regions=self.regions[rows],
            times=self.times[rows],
            frames=self.frames[rows],
            valid=self.valid[rows],
            keys=self.keys[rows],
            labels=self.labels[rows],
            transforms=None if self.transforms is None else self.transforms[rows],
        )

    def to(self, device: Any) -> ClipBatch:
        """Return the batch with its inputs on ``device``; the rest stays where it is."""
        return replace(self, inputs=self.inputs.to(device))

    @property
    def time_axis(self) -> int:
        """The axis of ``inputs`` that is time."""
        return 2 if self.layout == "video" else 1


@dataclass(frozen=True)
class Explanation:
    """The relevance of every input element for the explained output.

    Attributes
    ----------
    relevance : Tensor
        Same shape as the batch's ``inputs``; signed where the method is.
    output : Tensor, shape (B,)
        The explained quantity f(x), in the objective's space (a standardised score, a logit).
    baseline_output : Tensor, shape (B,), or None
        f(baseline), for methods that have a baseline.
    gap : Tensor, shape (B,), or None
        ``sum(relevance) + bias - (f(x) - f(baseline))``, where ``bias`` is the diagnostic of that name, 0 where there
        is none; None for methods without completeness.
    diagnostics : mapping of str to Tensor, shape (B,)
        What else the method measured, e.g. ``steps``; ``bias``: what a network's biases took of the relevance, which
        then is no input's.
    """

    relevance: Tensor
    output: Tensor
    baseline_output: Tensor | None = None
    gap: Tensor | None = None
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionUnitTrace:
    """Action Units of one recording over time.

    Attributes
    ----------
    names : tuple of str
        e.g. ``("AU01", "AU12")``; a source leaves out what it cannot see.
    times : ndarray, shape (T,)
        Seconds.
    intensity : ndarray, shape (T, len(names))
        0 to 5; NaN where the face was not seen, and throughout for an Action Unit of which the source tells the
        presence alone.
    presence : ndarray, shape (T, len(names)), or None
        0 or 1; NaN where unknown; None when the source does not tell.
    """

    names: tuple[str, ...]
    times: FloatArray
    intensity: FloatArray
    presence: FloatArray | None = None
