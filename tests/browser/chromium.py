"""Chromium without a window: plays one video from a server of its own and tells what it showed."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PAGE = Path(__file__).with_name("page.html")
_PATIENCE_S = 180.0
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
)


@dataclass(frozen=True)
class Playback:
    """What the page saw: size in pixels, currentTime every 50 ms, and the RGB picture at the wanted time."""

    size: tuple[int, int]
    duration_s: float
    times_s: list[float]
    picture: NDArray[np.uint8]
    ranges: int


def chromium() -> str | None:
    """Return the path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def play(browser: str, video: Path, at_s: float, profile: Path) -> Playback:
    """Play `video` to its end, then show the frame at `at_s`; `profile` is an empty folder."""
    with _Server(video) as server:
        address = f"http://127.0.0.1:{server.server_port}/page.html?video=/video.mp4&at={at_s}"
        with opened(browser, address, profile):
            seen = server.seen.get(timeout=_PATIENCE_S)
    if seen["error"] is not None:
        raise RuntimeError(f"{video.name} cannot be played: {seen['error']}")
    png = np.frombuffer(base64.b64decode(seen["png"]), np.uint8)
    picture = np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR), np.uint8)
    return Playback(
        size=(seen["width"], seen["height"]),
        duration_s=seen["duration"],
        times_s=seen["times"],
        picture=np.ascontiguousarray(picture[:, :, ::-1]),
        ranges=server.ranges,
    )


class _Server(ThreadingHTTPServer):
    """Serves the page and the video on a free port of this machine, and takes what the page tells."""

    daemon_threads = True

    def __init__(self, video: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.video = video
        self.seen: Queue[dict[str, Any]] = Queue()
        self.ranges = 0
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def server_close(self) -> None:
        self.shutdown()
        self._thread.join()
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the page, or the part of the video that is asked for."""
        path = self.path.partition("?")[0]
        if path == "/page.html":
            self._answer(200, "text/html", _PAGE.read_bytes())
        elif path == "/video.mp4":
            self._answer_video(self.server.video.read_bytes())
        else:
            self._answer(404, "text/plain", b"")

    def do_POST(self) -> None:
        """Take what the page saw."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(204, "text/plain", b"")
        self.server.seen.put(json.loads(body))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class names it so
        """Say nothing."""

    def _answer_video(self, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, "video/mp4", content)
            return
        self.server.ranges += 1
        first, last = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        self._answer(206, "video/mp4", content[first : last + 1], f"bytes {first}-{last}/{len(content)}")

    def _answer(self, status: int, kind: str, body: bytes, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        # The browser hangs up when it has seen enough.
        try:
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True


@contextmanager
def opened(browser: str, address: str, profile: Path, *switches: str) -> Iterator[None]:
    """Show the page at `address` while open; `profile` is an empty folder."""
    command = [browser, *_SWITCHES, *switches, f"--user-data-dir={profile}", address]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            yield
        finally:
            process.terminate()
