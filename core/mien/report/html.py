"""Writes the report: one HTML file that opens offline, and the figures for print beside it."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mien.errors import DataError, printable
from mien.interfaces.analyzer import Analysis
from mien.report import draw_matplotlib, draw_plotly
from mien.report.charts import Chart
from mien.report.frame_charts import FrameGrid
from mien.report.material import Picture, ReportMaterial, VideoLink
from mien.report.sections import Content, content

LIMIT_BYTES = 25_000_000
"""Largest report; videos and pictures beyond it are linked or left out, and the report says so."""

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Embedded:
    """A picture or video as the template shows it; ``source`` is a data address, or empty."""

    item: Picture | VideoLink
    source: str


def write_report(material: ReportMaterial, out: Path, *, limit: int = LIMIT_BYTES) -> Path:
    """Write ``out/report.html`` and ``out/figures/``; return the path of the former.

    With ``faces: none`` no picture, video or raster figure is written, whatever the material holds; with
    ``consented`` only those of recordings with consent.

    Parameters
    ----------
    out : Path
        An existing folder.
    limit : int
        Largest size of the HTML file, bytes.

    Raises
    ------
    DataError
        When the folder cannot be written to.
    """
    material = permitted(material)
    shown = content(material)
    path = out / "report.html"
    try:
        for chart in shown.charts:
            draw_matplotlib.save(chart, out / "figures", raster=material.faces != "none")
        part = path.with_name(f".report.{os.getpid()}.part")
        part.write_text(render(material, shown, limit), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise DataError(
            f"The report cannot be written: {error.strerror}.",
            where=str(out),
            hint="Free space, or name another folder.",
        ) from error
    return path


def permitted(material: ReportMaterial) -> ReportMaterial:
    """Return the material without pictures and videos of people who may not be shown."""
    if material.faces == "full":
        return material
    if material.faces == "none":
        return replace(material, pictures=(), videos=(), analyses=_framed(material, set()))
    recordings = material.table("recordings")
    agreed = set(recordings.loc[recordings["consent"].astype(bool), "recording"]) if len(recordings) else set()
    return replace(
        material,
        pictures=[picture for picture in material.pictures if picture.recording in agreed],
        videos=[video for video in material.videos if video.recording in agreed],
        analyses=_framed(material, agreed),
    )


def _framed(material: ReportMaterial, agreed: set[str]) -> dict[str, Analysis]:
    """Return the analyses without the pictures that figures of frames have of other recordings."""
    return {
        name: replace(
            analysis,
            charts=[one.only(agreed) if isinstance(one, FrameGrid) else one for one in analysis.charts],
        )
        for name, analysis in material.analyses.items()
    }


def render(material: ReportMaterial, shown: Content, limit: int = LIMIT_BYTES) -> str:
    """Return the report as HTML of at most ``limit`` bytes, as far as leaving out pictures can bring it there."""
    bare = _fill(material, shown, [], [], notice="")
    pictures, videos, left_out = _within(limit - len(bare.encode()) - 20_000, material)
    notice = ""
    if left_out:
        notice = f"{left_out} pictures or videos are not embedded, to keep this file below {limit / 1e6:.0f} MB."
    return _fill(material, shown, pictures, videos, notice=notice)


def _within(room: int, material: ReportMaterial) -> tuple[list[Embedded], list[Embedded], int]:
    pictures: list[Embedded] = []
    videos: list[Embedded] = []
    left_out = 0
    for picture in material.pictures:
        source = _address(picture.mime, picture.data)
        room -= len(source) + 600
        if room > 0:
            pictures.append(Embedded(picture, source))
        left_out += room <= 0
    for video in material.videos:
        source = _address("video/mp4", video.embed) if video.embed else ""
        fits = len(source) + 600 < room
        room -= len(source) + 600 if fits else 600
        left_out += bool(source) and not fits
        videos.append(Embedded(video, source if fits else ""))
    return pictures, videos, left_out


def _address(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _fill(
    material: ReportMaterial, shown: Content, pictures: Sequence[Embedded], videos: Sequence[Embedded], notice: str
) -> str:
    page = page_environment().get_template("report.html.j2")
    filled = page.render(
        material=material,
        shown=shown,
        pictures=pictures,
        videos=videos,
        notice=notice,
        css=page_asset("report.css"),
        js=page_asset("report.js"),
        library=_library(),
    )
    return printable(filled)


@lru_cache(maxsize=1)
def page_environment() -> Environment:
    """Return what fills the templates; every text that is put in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plot"] = _plot
    return environment


def _plot(chart: Chart) -> Markup:
    return Markup(draw_plotly.div(chart))  # every text in it is escaped where it is made


def page_asset(name: str) -> Markup:
    """Return a file that lies beside the templates, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _library() -> Any:
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    return Markup(get_plotlyjs())
