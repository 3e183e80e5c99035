"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from mien.interfaces.analyzer import Analysis
from mien.report.plugin_sections import PluginSection
from mien.types import LandmarkScheme, Layout

Faces = Literal["full", "consented", "none"]


@dataclass(frozen=True)
class Picture:
    """A picture of a recording, for embedding.

    Attributes
    ----------
    role : str
        Why it is shown: ``top`` or ``bottom`` (relevance), or any word.
    caption : str
        Method, time, value.
    data : bytes
        JPEG or PNG.
    method : str
        The attribution method whose relevance it shows.
    """

    recording: str
    participant: str
    role: str
    caption: str
    data: bytes
    method: str = ""

    @property
    def mime(self) -> str:
        """The media type."""
        return "image/png" if self.data.startswith(b"\x89PNG") else "image/jpeg"


@dataclass(frozen=True)
class VideoLink:
    """An overlay video.

    Attributes
    ----------
    role : str
        ``worst``, ``median``, ``best``, ``out of distribution``, or empty.
    path : str
        Relative to the report.
    embed : bytes or None
        MP4 to embed while there is room; None only links it.
    """

    recording: str
    participant: str
    role: str
    path: str
    embed: bytes | None = None
    method: str = ""


@dataclass(frozen=True)
class ReportMaterial:
    """Everything that a report shows.

    Attributes
    ----------
    config : mapping
        The dump of the run's configuration.
    summary : mapping
        ``summary.json``.
    record : mapping
        ``run.json``.
    tables : mapping of str to DataFrame
        The tables of the run; ids already replaced when ``faces`` is ``none``.
    analyses : mapping of str to Analysis
        By the user's name of the analyzer.
    limits : sequence of str
        Sentences; the first says what the results must not be used for and who the participants are.
    sections : sequence of PluginSection
        What plugins add, each under its own heading.
    scheme : LandmarkScheme or None
        For the drawn mean face.
    selected : mapping of str to str
        Recordings shown in detail, and why (``worst``, ``median``, ``best``, ``out of distribution``).
    classes : sequence of str or None
        Names of the classes that labels stand for, as far as they have any; None where labels are numbers on a scale.
    layout : {"video", "landmarks"}
        What clips are of.
    """

    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    record: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    analyses: Mapping[str, Analysis] = field(default_factory=dict)
    sections: Sequence[PluginSection] = ()
    pictures: Sequence[Picture] = ()
    videos: Sequence[VideoLink] = ()
    notes: Sequence[str] = ()
    limits: Sequence[str] = ()
    scheme: LandmarkScheme | None = None
    selected: Mapping[str, str] = field(default_factory=dict)
    faces: Faces = "full"
    classes: Sequence[str] | None = None
    layout: Layout = "video"

    def table(self, name: str) -> pd.DataFrame:
        """Return a table, or an empty one when the run has none of that name."""
        return self.tables.get(name, pd.DataFrame())
