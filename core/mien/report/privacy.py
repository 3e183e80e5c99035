"""Reports without faces and names: replaced ids, and a search for images that should not be there."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_SIGNATURES: Mapping[str, bytes] = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff(?:\xe0..JFIF|\xe1..Exif|\xee..Adobe|\xdb\x00[\x43\x84\xc5])",
    "GIF": rb"GIF8[79]a",
    "WebP": rb"RIFF.{4}WEBP",
    "MP4": rb"ftyp(?:isom|iso2|mp4|avc1|qt  |M4V)",
    "Matroska": rb"\x1a\x45\xdf\xa3.{0,64}(?:webm|matroska)",
    "image inside a PDF": rb"/Subtype\s*/Image\b",
    "image inside SVG or HTML": rb"<(?:image|img|video|picture|canvas)\b",
    "data address of an image": rb"data:(?:image|video)/",
}
_PATTERNS = {name: re.compile(pattern, re.DOTALL) for name, pattern in _SIGNATURES.items()}
_PATH = re.compile(r"(?<!\w)(?:[A-Za-z]:)?[\w.~-]*[/\\][^\s:;,]*\.\w{2,4}\b|(?<!\S)[/~][^\s:;,]+")
_FILE = re.compile(r"[/\\]|\.\w{2,4}$|^\(file\)$")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{400,}={0,2}")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


def without_files(value: Any) -> Any:
    """Return plain data in which a text that looks like a file is left out; a file's name may hold that of a person."""
    if isinstance(value, Mapping):
        return {key: without_files(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_files(item) for item in value]
    return "(file)" if names_a_file(value) else value


def without_paths(text: str) -> str:
    """Return a sentence in which paths are replaced; a folder's name may hold that of a person."""
    return _PATH.sub("(file)", text)


def names_a_file(value: Any) -> bool:
    """Return whether a value is a text that looks like a path or the name of a file."""
    return isinstance(value, str) and _FILE.search(value) is not None


def pseudonyms(participants: Iterable[str], seed: int | None) -> dict[str, str]:
    """Return ``P001``, ``P002``, ... for each participant, in an order that does not follow the names.

    With a seed the same participants get the same pseudonyms again, and whoever knows both can tell who
    is who; with None nobody can.
    """
    names = sorted(set(participants))
    order = np.random.default_rng(seed).permutation(len(names))
    width = max(3, len(str(len(names))))
    return {name: f"P{place + 1:0{width}d}" for name, place in zip(names, order, strict=True)}


@dataclass(frozen=True)
class Pseudonyms:
    """Ids and what stands for them: participants ``P001``, their recordings ``P001-1``, ``P001-2``, ...

    ``sessions`` are named within their participant: ``P001-s1``; one that is a recording has that one's pseudonym.
    ``files`` are the names of video files, which texts must not hold.
    """

    participants: Mapping[str, str]
    recordings: Mapping[str, str]
    files: frozenset[str] = frozenset()
    sessions: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, recordings: pd.DataFrame, seed: int | None) -> Pseudonyms:
        """Make them for a table with recording, participant and, if known, session and video."""
        people = pseudonyms(recordings["participant"], seed)
        ids: dict[str, str] = {}
        pairs = recordings[["participant", "recording"]].drop_duplicates().sort_values(["participant", "recording"])
        for person, own in pairs.groupby("participant"):
            ids |= {name: f"{people[str(person)]}-{i}" for i, name in enumerate(own["recording"], 1)}
        sessions = _session_pseudonyms(recordings, people, ids) if "session" in recordings else {}
        videos = [str(video) for video in recordings.get("video", []) if not pd.isna(video) and str(video)]
        return cls(people, ids, frozenset([*videos, *(Path(video).name for video in videos)]), sessions)

    def apply(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a copy of a table without the ids: participant, recording, session, video and reason replaced.

        The video file's name is left out; an id inside a reason is replaced.  Rows are put in the order of the
        pseudonyms, because the data set's own order may be that of the names.

        Raises
        ------
        KeyError
            When an id has no pseudonym: a name must not slip through.
        """
        replaced = table.copy()
        if "session" in replaced:
            pairs = zip(table["participant"].map(str), table["session"].map(str), strict=True)
            replaced["session"] = [self.sessions[pair] for pair in pairs]
        for column, known in (("participant", self.participants), ("recording", self.recordings)):
            if column in replaced:
                replaced[column] = [known[str(value)] for value in replaced[column]]
        if "video" in replaced:
            replaced["video"] = ""
        if "reason" in replaced:
            replaced["reason"] = [text if pd.isna(text) else self.text(str(text)) for text in replaced["reason"]]
        ids = [column for column in ("participant", "recording") if column in replaced]
        return replaced.sort_values(ids, kind="stable", ignore_index=True) if ids else replaced

    def text(self, text: str) -> str:
        """Return a text in which every id, and every path of a file, is replaced.

        An id that is a mere number or has fewer than three letters might as well be part of a sentence ("16
        frames"): it is replaced where it is the whole text, stands in quotation marks, or follows "recording" or
        "participant".
        """
        sessions = {session: name for (_, session), name in self.sessions.items()}
        known = {**sessions, **self.participants, **self.recordings}
        if text in known:
            return known[text]
        for name in sorted(self.files, key=len, reverse=True):
            text = text.replace(name, "(file)")
        text = without_paths(text)
        plain = [name for name in known if len(name) > 2 and not name.isdigit()]
        text = _replace(text, r"(?<!\w)", plain, known)
        before = r"(?i:(?<=recording )|(?<=participant )|(?<=session )|(?<=['\"“‘]))"
        return _replace(text, before, list(known), known)


def _session_pseudonyms(
    recordings: pd.DataFrame, people: Mapping[str, str], ids: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for person, own in recordings.groupby("participant"):
        for number, session in enumerate(sorted({str(name) for name in own["session"]}), 1):
            alone = session in set(own["recording"])
            found[str(person), session] = ids[session] if alone else f"{people[str(person)]}-s{number}"
    return found


def _replace(text: str, before: str, names: Sequence[str], known: Mapping[str, str]) -> str:
    if not names:
        return text
    choices = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"{before}(?:{choices})(?!\w)", lambda found: known[found.group()], text)


def find_images(folder: Path) -> list[str]:
    """Return where a folder's files hold image or video data: ``path: what``; empty when there is none.

    Known signatures are searched for in every file, in the base64 and in the compressed streams inside it.
    The library that draws the charts holds icons of its own and is left out.
    """
    library = _library()
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes().replace(library, b"") if path.suffix == ".html" else path.read_bytes()
            found += [f"{path.relative_to(folder)}: {what}" for what in _images_in(data)]
    return found


def _library() -> bytes:
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    library: str = get_plotlyjs()
    return library.encode()


def _images_in(data: bytes) -> list[str]:
    parts = [data]
    for text in _BASE64.findall(data):
        parts.append(base64.b64decode(text[: len(text) // 4 * 4] if b"=" not in text else text))
    for stream in _STREAM.findall(data):
        try:
            parts.append(zlib.decompress(stream))
        except zlib.error:
            continue  # a stream that is not compressed was searched as it stands
    return sorted({name for part in parts for name, pattern in _PATTERNS.items() if pattern.search(part)})
