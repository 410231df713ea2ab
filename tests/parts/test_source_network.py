"""Network sources against real sockets: what is told of each failure, how soon, and never a password."""

import itertools
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest

from agent.capture.source import Source
from agent.errors import Cause, SourceError
from tests.parts.sources import numbers, opened, pixels, play, stamp, times
from tests.servers import Talk, listening, serving
from tests.video import encode, picture, read_number

PASSWORD = "hunter2"


def answers(status: str, *, scheme: str) -> Talk:
    """A server that has one answer to everything."""

    def talk(client: socket.socket) -> None:
        data = b""
        while chunk := client.recv(4096):
            data += chunk
            if not data.endswith(b"\r\n\r\n"):
                continue
            head = f"{'RTSP/1.0' if scheme == 'rtsp' else 'HTTP/1.1'} {status}\r\nContent-Length: 0\r\n"
            for line in data.decode().split("\r\n"):
                if line.lower().startswith("cseq:"):
                    head += f"{line}\r\n"
            if status.startswith("401"):
                head += 'WWW-Authenticate: Basic realm="camera"\r\n'
            client.sendall(f"{head}\r\n".encode())
            data = b""

    return talk


def says_nothing(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def hangs_up(client: socket.socket) -> None:
    client.recv(4096)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


def failure(url: str, **changes: object) -> tuple[SourceError, float]:
    """The error that opening `url` raises, and after how many seconds."""
    began_s = time.monotonic()
    with pytest.raises(SourceError) as caught:
        opened(url, **changes)
    return caught.value, time.monotonic() - began_s


def assert_no_password(error: SourceError) -> None:
    assert PASSWORD not in "".join(traceback.format_exception(error))
    assert PASSWORD not in repr(error.__cause__)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize(
    ("talk", "cause"),
    [
        ("401 Unauthorized", Cause.AUTH),
        ("403 Forbidden", Cause.AUTH),
        ("404 Not Found", Cause.NOT_FOUND),
        ("503 Service Unavailable", Cause.REFUSED),
        ("nothing", Cause.TIMEOUT),
        ("hang-up", Cause.REFUSED),
        ("refused", Cause.REFUSED),
    ],
)
@pytest.mark.parametrize("backend", ["pyav", "opencv"])
def test_causes(
    scheme: str, talk: str, cause: Cause, backend: str, capfd: pytest.CaptureFixture[str]
) -> None:
    talks = {"nothing": says_nothing, "hang-up": hangs_up, "refused": says_nothing}
    with listening(talks.get(talk) or answers(talk, scheme=scheme)) as listener:
        port = free_port() if talk == "refused" else listener
        url = f"{scheme}://someone:{PASSWORD}@127.0.0.1:{port}/door?key={PASSWORD}"
        error, took_s = failure(url, backend=backend, open_timeout_s=1.0, read_timeout_s=1.0)
    if backend == "pyav":
        assert error.cause is cause
    else:  # OpenCV does not say why
        assert error.cause in (cause, Cause.NOT_FOUND)
    assert took_s < 4.0
    assert f"127.0.0.1:{port}/door" in str(error)
    assert "\n" not in str(error)
    assert_no_password(error)
    out, err = capfd.readouterr()
    assert out + err == ""


def test_a_host_that_is_not_known() -> None:
    error, _ = failure(f"rtsp://someone:{PASSWORD}@no-such-host.invalid/door")
    assert error.cause is Cause.REFUSED
    assert_no_password(error)


def test_a_page_is_no_stream() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>a camera's front page</html>" * 100)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            pass

    with serving(Page) as port:
        error, _ = failure(f"http://someone:{PASSWORD}@127.0.0.1:{port}/")
    assert error.cause is Cause.CORRUPT
    assert_no_password(error)


@pytest.fixture
def folder_server(tmp_path: Path) -> Iterator[int]:
    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            super().__init__(*args, directory=str(tmp_path), **kwargs)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            pass

    with serving(Files) as port:
        yield port


@pytest.mark.parametrize("backend", ["pyav", "opencv"])
def test_a_file_over_http_is_finite(tmp_path: Path, folder_server: int, backend: str) -> None:
    encode(tmp_path / "video.mkv", frames=30, b_frames=2)
    with opened(f"http://127.0.0.1:{folder_server}/video.mkv", backend=backend) as source:
        assert not source.info.live
        pictures, _ = play(source)
    assert numbers(pictures) == list(range(30))


@pytest.mark.parametrize("complete", [True, False])
def test_hls(tmp_path: Path, folder_server: int, complete: bool) -> None:  # noqa: FBT001
    """A playlist that is complete is finite, one that grows is live."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    for part in range(3):
        pts = [part + n / 25 for n in range(25)]
        encode(tmp_path / f"part{part}.ts", start=part * 25, pts=pts)
        lines += ["#EXTINF:1.0,", f"part{part}.ts"]
    (tmp_path / "list.m3u8").write_text("\n".join([*lines, *(["#EXT-X-ENDLIST"] if complete else [])]) + "\n")
    with opened(f"http://127.0.0.1:{folder_server}/list.m3u8") as source:
        assert source.info.live != complete
        assert source.info.codec == "h264"
        pictures, _ = play(source, limit=None if complete else 10)
    begin = 0 if complete else numbers(pictures)[0]
    assert numbers(pictures) == list(range(begin, begin + len(pictures)))
    if complete:
        assert len(pictures) == 75
        assert times(pictures) == pytest.approx([n / 25 for n in range(75)], abs=0.0011)


def test_a_playlist_on_the_network_never_leads_to_a_file(tmp_path: Path, folder_server: int) -> None:
    secret = encode(tmp_path / "secret.ts", frames=30)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1.0,", f"file://{secret}", "#EXT-X-ENDLIST"]
    (tmp_path / "list.m3u8").write_text("\n".join(lines) + "\n")
    failure(f"http://127.0.0.1:{folder_server}/list.m3u8")


class Mjpeg(BaseHTTPRequestHandler):
    """A camera that sends numbered JPEG pictures for ever, or as many as its path says."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        limit = int(self.path.strip("/") or 10**6)
        try:
            for number in range(limit):
                _, data = cv2.imencode(".jpg", picture(number)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data.tobytes() + b"\r\n")
                self.server.pause.wait(0.02)  # type: ignore[attr-defined]
        except OSError:
            pass

    def log_message(self, *_: Any) -> None:  # noqa: ANN401
        pass


@pytest.fixture
def mjpeg(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(ThreadingHTTPServer, "pause", threading.Event(), raising=False)
    with serving(Mjpeg) as port:
        yield port


def test_mjpeg_over_http_is_live_and_has_the_clock_of_arrival(mjpeg: int) -> None:
    began_s = time.monotonic()
    with opened(f"http://127.0.0.1:{mjpeg}/") as source:
        assert (source.info.live, source.info.codec, source.info.fps) == (True, "mjpeg", None)
        assert time.monotonic() - began_s < 2.5
        pictures, errors = play(source, limit=40)
        first = read_number(pixels(pictures[0]))
        assert errors == []
        assert numbers(pictures) == list(range(first, first + 40))
        for one, other in itertools.pairwise(pictures):
            between_s = (stamp(other).mono_ns - stamp(one).mono_ns) / 1e9
            assert other.pts_s - one.pts_s == pytest.approx(between_s)


def test_a_live_stream_that_ends_says_so(mjpeg: int) -> None:
    with opened(f"http://127.0.0.1:{mjpeg}/80", loop=True) as source:
        pictures, _ = play(source)
        assert numbers(pictures)[-1] == 79


def test_a_stall_is_a_timeout(tmp_path: Path) -> None:
    path = encode(tmp_path / "video.ts", frames=50, width=640, height=480)

    def talk(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + path.read_bytes())
        says_nothing(client)

    with (
        listening(talk) as port,
        opened(f"http://x:{PASSWORD}@127.0.0.1:{port}/live.ts", read_timeout_s=0.7) as source,
    ):
        assert source.info.live
        error, waited_s = read_until_it_fails(source)
    assert error.cause is Cause.TIMEOUT
    assert waited_s < 3.0
    assert_no_password(error)


def read_until_it_fails(source: Source) -> tuple[SourceError, float]:
    """The error, and how many seconds the last read took."""
    while True:
        began_s = time.monotonic()
        try:
            source.read()
        except SourceError as err:
            return err, time.monotonic() - began_s


@pytest.mark.parametrize(
    "url",
    [
        "",
        "exec:ls",
        "concat:/etc/passwd|/etc/group",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "pipe:0",
        "udp://127.0.0.1:5000",
        "ftp://127.0.0.1/x.mp4",
        "data:video/mp4;base64,AAAA",
        "lavfi:testsrc",
        "tcp://127.0.0.1:5",
        "file://elsewhere/etc/passwd",
        "http://[::1",
        "rtsp://127.0.0.1:port/door",
        "http:///door",
        "rtsp:door",
        "test://bars",
        "/dev/zero",
        "/etc/hos\nts",
    ],
)
def test_what_is_no_source(url: str) -> None:
    error, took_s = failure(url)
    assert error.cause is Cause.NOT_FOUND
    assert took_s < 1.0
