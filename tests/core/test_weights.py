"""Weights are fetched, verified, resumed, and asked for by name where there is no network."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mien.errors import ModelError
from mien.weights import fetch, file_sha256, official_prefix, weights_folder

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{DIGEST[:8]}.pth"


class Server(ThreadingHTTPServer):
    """Serves CONTENT on the loopback; may cut answers short, or know no ranges."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.cut: int | None = None
        self.ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{NAME}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_file_is_fetched_once_and_verified(server: Server) -> None:
    path = fetch(server.url, NAME, sha256=DIGEST)
    assert path == weights_folder() / NAME
    assert path.read_bytes() == CONTENT
    assert fetch(server.url, NAME, hash_prefix=official_prefix(NAME)) == path
    assert len(server.asked) == 1
    assert [each.name for each in path.parent.iterdir()] == [NAME]


def test_a_download_that_was_cut_off_is_taken_up(server: Server) -> None:
    server.cut = 300_000
    with pytest.raises(ModelError, match=r"ended after 300000 of 1280000 bytes"):
        fetch(server.url, NAME, sha256=DIGEST)
    assert not (weights_folder() / NAME).exists()
    server.cut = None
    assert fetch(server.url, NAME, sha256=DIGEST).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_a_server_without_ranges_sends_all_again(server: Server) -> None:
    weights_folder().mkdir()
    (weights_folder() / f"{NAME}.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert fetch(server.url, NAME, sha256=DIGEST).read_bytes() == CONTENT


def test_a_whole_part_needs_no_download(server: Server) -> None:
    weights_folder().mkdir()
    (weights_folder() / f"{NAME}.part").write_bytes(CONTENT)
    assert fetch(server.url, NAME, sha256=DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize("expected", [{"sha256": "0" * 64}, {"hash_prefix": "00000000"}])
def test_another_file_than_expected_is_refused_and_not_kept(server: Server, expected: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="expected 00000000"):
        fetch(server.url, NAME, **expected)
    assert list(weights_folder().iterdir()) == []


def test_a_damaged_file_of_the_cache_is_noticed(server: Server) -> None:
    path = fetch(server.url, NAME, sha256=DIGEST)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match=f"Delete {path}"):
        fetch(server.url, NAME, sha256=DIGEST)


def test_without_any_hash_the_first_fetch_is_recorded(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        path = fetch(server.url, "unknown.bin")
    assert DIGEST in caplog.text
    assert fetch(server.url, "unknown.bin") == path
    path.write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged or another file"):
        fetch(server.url, "unknown.bin")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/net.pth", "file:///no/such/file.pth"])
def test_without_a_network_the_error_says_which_file_to_put_where(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ModelError) as caught:
        fetch(url, "net-01234567.pth", hash_prefix="01234567")
    assert f"Download {url}" in str(caught.value)
    assert str(tmp_path / "net-01234567.pth") in str(caught.value)


def test_a_file_put_by_hand_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path))
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch("http://127.0.0.1:9/", NAME, hash_prefix=DIGEST[:8]) == tmp_path / NAME


def test_a_local_address_is_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path / "cache"))
    (tmp_path / "official.bin").write_bytes(CONTENT)
    path = fetch((tmp_path / "official.bin").as_uri(), NAME, sha256=DIGEST)
    assert file_sha256(path) == DIGEST


def test_official_names_carry_the_beginning_of_their_hash() -> None:
    assert official_prefix("r3d_18-b3b3357e.pth") == "b3b3357e"
    assert official_prefix("face_landmarker.task") is None
    assert official_prefix("net-small.pth") is None
