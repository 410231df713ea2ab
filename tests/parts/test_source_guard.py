"""A source that a command named leads nowhere else: not by redirect, playlist, DNS, link or container.

What is allowed is 127.0.0.1 and one folder; what must never be touched listens at 127.0.0.2 and lies outside.
"""

import contextlib
import itertools
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from agent.capture import confined
from agent.capture.dial import Dialler
from agent.capture.guard import guard
from agent.capture.source import Source
from agent.control.rules import Rules
from agent.errors import Cause, SourceError
from tests.camera import HttpCamera, RtspCamera
from tests.canary import Canary
from tests.certificates import make_certificates
from tests.parts.sources import numbers, opened, play
from tests.servers import Talk, listening, playlist, redirecting, serving
from tests.video import encode

SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "file"})
OUTSIDE = "127.0.0.2"
BACKENDS = ["pyav", "opencv"]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


@pytest.fixture
def rules(media: Path) -> Rules:
    return Rules(schemes=SCHEMES, hosts=("127.0.0.1",), media_roots=(media,))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    # A real video: whoever opens it would show it.
    encode(tmp_path / "canary.mp4", codec="libx264", frames=10, gop=5, b_frames=0)
    with Canary(tmp_path, (OUTSIDE, "127.0.0.3")) as canary:
        yield canary
        assert canary.seen == []


def refused(url: str | Path, rules: Rules, **changes: Any) -> SourceError:  # noqa: ANN401  any part of a request
    """Why it gives no frames, be it when it is opened or soon after."""
    try:
        with opened(url, rules=rules, **changes) as source:
            for _ in range(1000):
                source.decode(source.read())
    except SourceError as err:
        return err
    raise AssertionError(f"{url} plays")


def clip(path: Path, frames: int = 20) -> Path:
    return encode(path, codec="libx264", frames=frames, gop=5, b_frames=0)


# --- what is allowed still works ---------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_allowed_camera_plays(tmp_path: Path, rules: Rules, backend: str, transport: str) -> None:
    with (
        RtspCamera(clip(tmp_path / "a.mp4"), user="door", password="hunter2/@:?") as camera,
        opened(camera.url, rules=rules, rtsp_transport=transport, backend=backend) as source,
    ):
        seen = numbers(play(source, limit=30)[0])
        assert [later - sooner for sooner, later in itertools.pairwise(seen)].count(1) >= 26
        if backend == "pyav" and transport == "tcp":
            camera.hang_up()
            play(source)  # to its end
            assert camera.clients == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_allowed_server_plays(tmp_path: Path, rules: Rules, backend: str) -> None:
    clip(tmp_path / "a.mp4")
    mjpeg = encode(tmp_path / "b.avi", codec="mjpeg", frames=20, gop=5, b_frames=0)
    with HttpCamera(tmp_path, mjpeg=mjpeg, user="door", password="hunter2") as server:
        for url in (server.url("a.mp4"), server.mjpeg_url):
            with opened(url, rules=rules, backend=backend) as source:
                assert len(play(source, limit=15)[0]) == 15


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_allowed_playlist_plays(tmp_path: Path, rules: Rules, backend: str) -> None:
    clip(tmp_path / "part.ts")
    (tmp_path / "list.m3u8").write_text(playlist("part.ts", "part.ts?again"))
    with (
        HttpCamera(tmp_path) as server,
        opened(server.url("list.m3u8"), rules=rules, backend=backend) as source,
    ):
        assert len(play(source, limit=30)[0]) == 30


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    certificates = make_certificates(tmp_path / "tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    return context


@pytest.mark.parametrize("backend", BACKENDS)
def test_https_plays_with_redirects_and_playlists_of_either_kind(
    tmp_path: Path, rules: Rules, tls: ssl.SSLContext, backend: str
) -> None:
    clip(tmp_path / "a.mp4")
    clip(tmp_path / "part.ts")
    with HttpCamera(tmp_path) as server, listening(behind_tls(server.port, tls)) as port:
        with opened(f"https://127.0.0.1:{port}/a.mp4", rules=rules, backend=backend) as source:
            assert len(play(source)[0]) == 20
        entries = ("part.ts", f"https://127.0.0.1:{port}/part.ts?2", f"//127.0.0.1:{port}/part.ts?3")
        (tmp_path / "list.m3u8").write_text(playlist(*entries, f"{server.url('part.ts')}?4"))
        with opened(f"https://127.0.0.1:{port}/list.m3u8", rules=rules, backend=backend) as source:
            assert len(play(source)[0]) == 80
        with (
            serving(redirecting(f"https://127.0.0.1:{port}/a.mp4")) as plain,
            opened(f"http://127.0.0.1:{plain}/", rules=rules, backend=backend) as source,
        ):
            assert len(play(source)[0]) == 20


def test_rtsps_plays_through_tls_of_ours(tmp_path: Path, rules: Rules, tls: ssl.SSLContext) -> None:
    with RtspCamera(clip(tmp_path / "a.mp4")) as camera, listening(behind_tls(camera.port, tls)) as port:
        url = f"rtsps://127.0.0.1:{port}{camera.path}"
        with opened(url, rules=rules) as source:
            assert len(play(source, limit=30)[0]) == 30


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_and_folders_in_a_media_root_play(media: Path, rules: Rules, backend: str) -> None:
    file = clip(media / "a.mp4")
    (media / "link.mp4").symlink_to(file)
    for url in (file, f"file://{file}", media / "link.mp4"):
        with opened(url, rules=rules, backend=backend) as source:
            assert numbers(play(source)[0]) == list(range(20))
    with opened(file, rules=rules, backend=backend, loop=True) as source:
        assert numbers(play(source, limit=45)[0]) == [n % 20 for n in range(45)]


# --- the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:PORT/video.mp4",
        "https://127.0.0.2:PORT/video.mp4",
        "http://user:pass@127.0.0.2:PORT/video.mp4",
        "http://127.0.0.1@127.0.0.2:PORT/video.mp4",
        "//127.0.0.2:PORT/video.mp4",
        "http://127.2:PORT/video.mp4",
        "http://0x7f000002:PORT/video.mp4",
        "http://[::ffff:127.0.0.2]:PORT/video.mp4",
        "http://169.254.169.254/latest/meta-data/",
        "tcp://127.0.0.2:PORT",
        "rtsp://127.0.0.2:PORT/stream",
        "udp://127.0.0.2:PORT",
        "file://FILE",
        "file:FILE",
        "concat:FILE",
        "subfile,,start,0,end,0,,:FILE",
        "crypto+http://127.0.0.2:PORT/video.mp4",
        "httpproxy://127.0.0.2:PORT/127.0.0.2:PORT",
    ],
)
def test_an_http_redirect_is_checked(canary: Canary, rules: Rules, backend: str, target: str) -> None:
    with serving(redirecting(filled(target, canary))) as port:
        error = refused(f"http://127.0.0.1:{port}/video.mp4", rules, backend=backend)
    if target.startswith(("http://127.0.0.2", "https://", "http://169")):
        assert error.cause is Cause.FORBIDDEN
        assert "is not allowed: it is not in security.source_hosts" in str(error)


def test_an_allowed_redirect_is_followed(tmp_path: Path, rules: Rules) -> None:
    clip(tmp_path / "a.mp4")
    with (
        HttpCamera(tmp_path) as server,
        serving(redirecting("/again", server.url("a.mp4"))) as port,
        opened(f"http://127.0.0.1:{port}/", rules=rules) as source,
    ):
        assert len(play(source)[0]) == 20


@pytest.mark.parametrize(
    ("entry", "head"),
    [
        ("http://127.0.0.2:PORT/part.ts", ""),
        ("https://127.0.0.2:PORT/part.ts", ""),
        ("//127.0.0.2:PORT/part.ts", ""),
        ("file://FILE", ""),
        ("file:FILE", ""),
        ("FILE", ""),
        ("tcp://127.0.0.2:PORT/part.ts", ""),
        ("udp://127.0.0.2:PORT/part.ts", ""),
        ("rtp://127.0.0.2:PORT/part.ts", ""),
        ("rtsp://127.0.0.2:PORT/part.ts", ""),
        ("concat:FILE|FILE", ""),
        ("subfile,,start,0,end,0,,:FILE", ""),
        ("crypto:FILE", ""),
        ("crypto+http://127.0.0.2:PORT/part.ts", ""),
        ("data:video/mp2t;base64,AAAA", ""),
        ("httpproxy://127.0.0.2:PORT/127.0.0.2:PORT/part.ts", ""),
        ("part.ts", '#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.2:PORT/key.key"\n'),
        ("part.ts", '#EXT-X-KEY:METHOD=AES-128,URI="file://FILE"\n'),
        ("part.ts", '#EXT-X-MAP:URI="http://127.0.0.2:PORT/init.mp4"\n'),
        ("part.ts", '#EXT-X-MAP:URI="file://FILE"\n'),
        ("part.ts", "#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.2:PORT/other.m3u8\n"),
        ("part.ts", '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="http://127.0.0.2:PORT/a.m3u8"\n'),
    ],
)
def test_a_playlist_leads_nowhere_else(
    tmp_path: Path, canary: Canary, rules: Rules, entry: str, head: str
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    clip(served / "part.ts")
    (served / "list.m3u8").write_text(playlist(filled(entry, canary), "part.ts", head=filled(head, canary)))
    with HttpCamera(served) as server:
        for backend in BACKENDS:
            # FFmpeg leaves out a part that it cannot have, so that the others may come.
            with (
                contextlib.suppress(SourceError),
                opened(server.url("list.m3u8"), rules=rules, backend=backend) as source,
            ):
                play(source, limit=30)
            assert canary.seen == []


def test_a_playlist_that_names_a_forbidden_host_says_so(tmp_path: Path, canary: Canary, rules: Rules) -> None:
    (tmp_path / "list.m3u8").write_text(playlist(filled("http://127.0.0.2:PORT/part.ts", canary)))
    with HttpCamera(tmp_path) as server:
        error = refused(server.url("list.m3u8"), rules)
    assert error.cause is Cause.FORBIDDEN
    assert "127.0.0.2 is not allowed" in str(error)


_SDP = """v=0
o=- 0 0 IN IP4 127.0.0.2
s=x
c=IN IP4 127.0.0.2
t=0 0
m=video PORT RTP/AVP 96
a=rtpmap:96 H264/90000
"""


@pytest.mark.parametrize("content", ["ffconcat version 1.0\nfile 'FILE'\n", _SDP])
@pytest.mark.parametrize("name", ["list.mp4", "list.ffconcat", "list.sdp"])
def test_a_container_that_names_others_is_not_read(
    tmp_path: Path, media: Path, canary: Canary, rules: Rules, content: str, name: str
) -> None:
    text = filled(content, canary)
    (media / name).write_text(text)
    (tmp_path / name).write_text(text)
    with HttpCamera(tmp_path) as server:
        for backend in BACKENDS:
            refused(server.url(name), rules, backend=backend)
            refused(media / name, rules, backend=backend)


def saying(answer: str, *, to: str) -> Talk:
    """An RTSP server that has one answer to a method, and nothing against the others."""

    def talk(client: socket.socket) -> None:
        data = b""
        while chunk := client.recv(4096):
            data += chunk
            if not data.endswith(b"\r\n\r\n"):
                continue
            lines = data.decode().split("\r\n")
            sequence = next(line for line in lines if line.lower().startswith("cseq:"))
            said = answer if lines[0].startswith(to) else "RTSP/1.0 200 OK\r\nPublic: DESCRIBE, SETUP, PLAY"
            client.sendall(said.replace("CSEQ", sequence).encode())
            if "CSEQ" not in said:
                client.sendall(f"\r\n{sequence}\r\n\r\n".encode())
            data = b""

    return talk


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
@pytest.mark.parametrize(
    "answer",
    [
        "RTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0 301 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0 302\r\nlocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0 302 Moved\r\nLocation: rtsps://127.0.0.2:PORT/stream",
        "RTSP/1.0 302 Moved\nLocation: rtsp://127.0.0.2:PORT/stream\nCSEQ\n\n",
        "\rRTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0  302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0\t302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        " RTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0 0302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0 +302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/ 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "$\x00\x00\x02hiRTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
        "RTSP/1.0 200 OK\r\nCSEQ\r\nContent-Length: 4\r\n\r\nhi\r\nRTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT",
        "RTSP/1.0 200 OK\r\nContent-Length: 9\r\nContent-Length: 0\r\n\r\nRTSP/1.0 302 X\r\nLocation: rtsp://127.0.0.2:PORT",
        "PLAY rtsp://x RTSP/1.0\r\n\r\nRTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.2:PORT/stream",
    ],
)
def test_an_rtsp_redirect_is_not_followed(
    canary: Canary, rules: Rules, answer: str, method: str, backend: str
) -> None:
    with listening(saying(filled(answer, canary), to=method)) as port:
        error = refused(f"rtsp://127.0.0.1:{port}/stream", rules, backend=backend, open_timeout_s=1.0)
    if answer.startswith("RTSP/1.0 30"):
        assert error.cause is Cause.FORBIDDEN
        assert "the server redirects elsewhere" in str(error)


def tampering(port: int, change: Callable[[bytes], bytes]) -> Talk:
    """In the middle: what the server at `port` says goes through `change`."""

    def talk(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := server.recv(65536):
                        client.sendall(change(data))
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

            thread = threading.Thread(target=back)
            thread.start()
            try:
                while data := client.recv(65536):
                    server.sendall(data)
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    return talk


def behind_tls(port: int, context: ssl.SSLContext) -> Talk:
    """TLS in front of the server at `port`; for one direction at a time, as RTSP opens."""

    def talk(client: socket.socket) -> None:
        with (
            context.wrap_socket(client, server_side=True) as tls,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            tls.settimeout(0.02)
            server.settimeout(0.02)
            while True:
                for source, sink in ((tls, server), (server, tls)):
                    with contextlib.suppress(TimeoutError):
                        data = source.recv(65536)
                        if not data:
                            return
                        sink.sendall(data)

    return talk


@pytest.mark.parametrize("parameter", [";source=127.0.0.2", "; source = 127.0.0.2", ";SOURCE=127.0.0.2"])
def test_media_over_udp_comes_from_the_camera_alone(
    tmp_path: Path, canary: Canary, rules: Rules, parameter: str
) -> None:
    """FFmpeg sends packets to the source of the media that a camera names, to open firewalls."""
    ports = f"server_port={canary.port}-{canary.port + 1}"

    def change(data: bytes) -> bytes:
        return re.sub(rb";server_port=[0-9-]+", f";{ports}{parameter}".encode(), data)

    with RtspCamera(clip(tmp_path / "a.mp4")) as camera, listening(tampering(camera.port, change)) as port:
        url = f"rtsp://127.0.0.1:{port}{camera.path}"
        with opened(url, rules=rules, rtsp_transport="udp") as source:
            assert play(source, limit=10)[0]


@pytest.mark.usefixtures("canary")
def test_a_name_is_looked_up_once(tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS server that answers differently the second time."""
    plain, asked = socket.getaddrinfo, []

    def rebinding(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as the real one
        if host != "camera.test":
            return plain(host, port, *args, **kwargs)
        asked.append(host)
        return plain("127.0.0.1" if len(asked) == 1 else OUTSIDE, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    clip(tmp_path / "a.mp4")
    with RtspCamera(clip(tmp_path / "b.mp4")) as camera, HttpCamera(tmp_path) as server:
        for backend in BACKENDS:
            for url in (camera.url, server.url("a.mp4")):
                asked.clear()
                with opened(url.replace("127.0.0.1", "camera.test"), rules=rules, backend=backend) as source:
                    assert len(play(source, limit=10)[0]) == 10
                assert asked == ["camera.test"]
        asked.append("camera.test")  # from now on it is elsewhere
        for url in (camera.url, server.url("a.mp4")):
            error = refused(url.replace("127.0.0.1", "camera.test"), rules)
            assert error.cause is Cause.FORBIDDEN
            assert "camera.test (127.0.0.2) is not allowed" in str(error)


def test_one_forbidden_address_of_a_name_is_enough(rules: Rules) -> None:
    dialler = Dialler(rules, 1.0, lambda _: ["127.0.0.1", "127.0.0.2"])
    with pytest.raises(SourceError, match="not allowed"):
        dialler.connect("camera.test", 80)


def test_others_get_no_way_through_the_guard(rules: Rules) -> None:
    """The guard's port is on loopback: another process must not reach the camera, or a host, by it."""

    def greets(client: socket.socket) -> None:
        client.sendall(b"hello\n")
        client.recv(1)

    with listening(greets) as port:
        gate = guard(urlsplit(f"rtmp://127.0.0.1:{port}/live"), Dialler(rules, 1.0))
        try:
            inside = urlsplit(gate.target).port
            code = f"import socket; print(socket.create_connection(('127.0.0.1', {inside})).recv(9))"
            came = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=20, check=False)
            assert b"hello" not in came.stdout
            with socket.create_connection(("127.0.0.1", inside or 0)) as mine:
                assert mine.recv(9) == b"hello\n"
        finally:
            gate.close()


@pytest.mark.parametrize(
    ("path", "application"),
    [("/live/door", "live"), ("/live/one/door", "live/one"), ("/live/mp4:a/door", "live"), ("/live", "live")],
)
def test_an_rtmp_server_is_told_its_own_name(
    rules: Rules, monkeypatch: pytest.MonkeyPatch, path: str, application: str
) -> None:
    """FFmpeg connects to the guard, and says what it would have said to the server."""
    plain = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as the real one
        return plain("127.0.0.1" if host == "camera.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    said = bytearray()

    def talk(client: socket.socket) -> None:
        """The handshake, as of the first version, and then silence."""
        greeting = b""
        while len(greeting) < 1537:
            greeting += client.recv(4096)
        client.sendall(b"\x03" + bytes(1536) + greeting[1:1537])
        while data := client.recv(4096):
            said.extend(data)

    with listening(talk) as port:
        refused(f"rtmp://camera.test:{port}{path}", rules, open_timeout_s=1.0)
    told = f"rtmp://camera.test:{port}/{application}".encode()
    assert b"tcUrl\x02" + len(told).to_bytes(2, "big") + told in bytes(said).replace(b"\xc3", b"")


# --- files -------------------------------------------------------------------------------------------------


def test_a_link_that_is_swapped_after_the_check_leads_nowhere(
    media: Path, canary: Canary, rules: Rules
) -> None:
    inside, link = clip(media / "a.mp4"), media / "link.mp4"
    link.symlink_to(inside)
    descriptor = confined.reach(link, rules)
    guard = confined.FileGuard(descriptor)
    link.unlink()
    link.symlink_to(canary.file)
    with opened(guard.target) as source:
        assert len(play(source)[0]) == 20
    guard.close()
    error = refused(link, rules)
    assert error.cause is Cause.FORBIDDEN
    assert "media_roots" in str(error)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_link_that_is_swapped_all_the_time_never_leads_out(
    media: Path, canary: Canary, rules: Rules, backend: str
) -> None:
    inside, link, other = clip(media / "a.mp4"), media / "link.mp4", media / "other"
    link.symlink_to(inside)
    stop = threading.Event()

    def swap() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            other.unlink(missing_ok=True)
            other.symlink_to((inside, canary.file)[turn % 2])
            other.replace(link)

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes: set[int | Cause] = set()
    try:
        for _ in range(60):
            try:
                with opened(link, rules=rules, backend=backend) as source:
                    outcomes.add(len(play(source)[0]))
            except SourceError as err:
                outcomes.add(err.cause)
    finally:
        stop.set()
        thread.join()
    assert outcomes <= {20, Cause.FORBIDDEN, Cause.NOT_FOUND}


def test_a_folder_that_was_exchanged_and_images_that_lead_out(
    tmp_path: Path, media: Path, rules: Rules
) -> None:
    folder = media / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), np.full((8, 8, 3), 9, np.uint8))
    outside = tmp_path / "outside"
    outside.mkdir()
    cv2.imwrite(str(outside / "1.png"), np.full((8, 8, 3), 200, np.uint8))

    def shown(source: Source) -> int:
        return play(source, limit=1)[0][0].width

    with opened(folder, rules=rules, loop=True) as source:
        assert shown(source) == 8
        (folder / "1.png").unlink()
        (folder / "1.png").symlink_to(outside / "1.png")
        with pytest.raises(SourceError) as caught:
            source.read()
        assert caught.value.cause is Cause.FORBIDDEN
    folder.rename(media / "gone")
    folder.symlink_to(outside)
    assert refused(folder, rules).cause is Cause.FORBIDDEN
    os.mkfifo(media / "gone" / "0.png")
    (media / "gone" / "1.png").unlink()
    refused(media / "gone", rules)
    refused(media / "gone" / "0.png", rules)


def test_a_scheme_that_is_not_allowed_any_more(media: Path) -> None:
    rules = Rules(schemes=frozenset({"https"}), media_roots=(media,))
    for url in (clip(media / "a.mp4"), "rtsp://127.0.0.1/x", "test://scene"):
        error = refused(url, rules)
        assert error.cause is Cause.FORBIDDEN
        assert "security.source_schemes" in str(error)


def filled(text: str, canary: Canary) -> str:
    return text.replace("PORT", str(canary.port)).replace("FILE", str(canary.file))
