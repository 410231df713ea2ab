"""Which sources a command may name: the hostile ones, each refused, and the honest ones."""

import asyncio
from pathlib import Path

import pytest

from agent.config.settings import Settings
from agent.control.rules import Rules
from agent.control.sources import check_source
from agent.errors import CommandError
from tests.hostile import HOSTILE, filled, lay_out

SCHEMES = frozenset({"rtsp", "rtsps", "http", "https", "file", "usb", "test"})
NAMES = {
    "camera.example.org": ["203.0.113.7", "2001:db8::7"],
    "lan.example.org": ["10.0.0.5"],
    "rebound.example.org": ["203.0.113.7", "127.0.0.1"],
    "inside.example.org": ["::ffff:169.254.169.254"],
    "localhost": ["127.0.0.1", "::1"],
    "zone.example.org": ["fe80::1%eth0"],
    "nothing.example.org": [],
    "nonsense.example.org": ["not an address"],
    "metadata.google.internal": ["169.254.169.254"],
}


async def _resolve(name: str) -> list[str]:
    if name not in NAMES:
        raise OSError("no such name")
    return NAMES[name]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A media root with a file, a folder and links, beside a file that is not to be read."""
    return lay_out(tmp_path_factory.mktemp("base"))


def _check(
    source: str, media: Path, *, hosts: tuple[str, ...] = (), schemes: frozenset[str] = SCHEMES
) -> None:
    rules = Rules(schemes=schemes, hosts=hosts, media_roots=(media,))
    asyncio.run(check_source(filled(source, media), rules, _resolve))


@pytest.mark.parametrize("source", HOSTILE)
def test_a_hostile_source_is_refused(source: str, media: Path) -> None:
    with pytest.raises(CommandError, match="the source is refused: ") as caught:
        _check(source, media)
    assert caught.value.status == 403


HONEST = [
    "rtsp://10.0.0.5/stream1",
    "rtsp://192.168.1.9:8554/a/b?channel=1&subtype=0",
    "RTSPS://203.0.113.7:322/x",
    "rtsp://user:pa55%40word@10.0.0.5/x",
    "rtsp://user@10.0.0.5",
    "http://10.0.0.5/mjpg/video.cgi?resolution=640x480",
    "https://camera.example.org/live/index.m3u8",
    "http://[2001:db8::1]:8080/x",
    "http://[fd12:3456::1]/x",  # a private network's own addresses
    "http://[::ffff:10.0.0.5]/x",
    "rtsp://lan.example.org/x",
    "rtsp://Lan.Example.ORG/x",
    "file://MEDIA/clip.mp4",
    "file://localhostMEDIA/clip.mp4",
    "file://MEDIA/two%20words.mp4",
    "file:MEDIA/clip.mp4",
    "MEDIA/clip.mp4",
    "MEDIA/two words.mp4",
    "MEDIA/straße.mp4",
    "MEDIA/concat:a.mp4",
    "MEDIA/alias.mp4",
    "MEDIA/day",
    "MEDIA/day?fps=5",
    "MEDIA/not-there-yet.mp4",
    "usb:/dev/video0",
    "usb:/dev/video12?size=1280x720&fps=30&format=mjpeg",
    "usb:/dev/v4l/by-id/usb-046d_C920-video-index0",
    "usb:serial=ABC-123",
    "test://scene",
    "test://scene?size=640x360&fps=25&seed=1&shapes=3",
]


@pytest.mark.parametrize("source", HONEST)
def test_an_honest_source_is_taken(source: str, media: Path) -> None:
    _check(source, media)


LISTED: list[tuple[tuple[str, ...], str, bool]] = [
    (("10.0.0.0/8",), "rtsp://10.1.2.3/x", True),
    (("10.0.0.0/8",), "rtsp://[::ffff:10.1.2.3]/x", True),
    (("10.0.0.0/8",), "rtsp://11.1.2.3/x", False),
    (("10.0.0.0/8",), "rtsp://203.0.113.7/x", False),
    (("10.0.0.0/8",), "rtsp://lan.example.org/x", True),
    (("10.0.0.0/8",), "rtsp://camera.example.org/x", False),
    (("10.0.0.0/8",), "rtsp://{secret:door}@10.1.2.3/x", True),
    (("10.0.0.0/8",), "rtsp://user:{secret:door}@10.1.2.3/x", True),
    (("10.0.0.0/8",), "rtsp://{secret:door}@203.0.113.7/x", False),
    (("10.0.0.0/8",), "rtsp://10.1.2.3/{secret:door}", False),
    (("10.0.0.5",), "rtsp://10.0.0.5/x", True),
    (("10.0.0.5",), "rtsp://10.0.0.6/x", False),
    (("203.0.113.0/24", "2001:db8::/32"), "rtsp://camera.example.org/x", True),
    (("203.0.113.0/24",), "rtsp://camera.example.org/x", False),  # one of its addresses is elsewhere
    (("203.0.113.0/24",), "rtsp://rebound.example.org/x", False),
    (("127.0.0.0/8",), "rtsp://127.0.0.1:8554/x", True),
    (("127.0.0.0/8",), "rtsp://localhost/x", False),  # ::1 is another network
    (("Camera.local",), "rtsp://camera.LOCAL/x", True),
    (("camera.local",), "rtsp://camera.local.evil.example.org/x", False),
    (("camera.local",), "rtsp://10.0.0.5/x", False),
    (("10.0.0.0/33",), "rtsp://10.0.0.5/x", False),
    (("0.0.0.0/0",), "http://169.254.169.254/x", False),
    (("0.0.0.0/0",), "http://0.0.0.0/x", False),
    (("0.0.0.0/0",), "http://224.0.0.1/x", False),
    (("169.254.0.0/16",), "http://169.254.169.254/x", False),
    (("169.254.169.254",), "http://169.254.169.254/x", True),
    (("::/0",), "http://[64:ff9b::a9fe:a9fe]/x", False),
    (("::/0",), "http://[fd00:ec2::254]/x", False),
    (("::/0",), "http://[2001:db8::1]/x", True),
]


@pytest.mark.parametrize(("hosts", "source", "taken"), LISTED)
def test_listed_hosts_and_no_others(hosts: tuple[str, ...], source: str, taken: bool, media: Path) -> None:  # noqa: FBT001
    if taken:
        _check(source, media, hosts=hosts)
        return
    with pytest.raises(CommandError) as caught:
        _check(source, media, hosts=hosts)
    assert caught.value.status == 403


def test_a_scheme_that_is_not_a_source_cannot_be_allowed(media: Path) -> None:
    with pytest.raises(CommandError, match="never taken from the network"):
        _check("concat:a|b", media, schemes=SCHEMES | {"concat"})
    with pytest.raises(CommandError, match=r"not in security\.source_schemes"):
        _check("file://MEDIA/clip.mp4", media, schemes=frozenset({"rtsp"}))
    _check("rtmp://10.0.0.5/live", media, schemes=frozenset({"rtmp"}))


def test_no_media_roots_no_files(media: Path) -> None:
    rules = Rules(schemes=SCHEMES)
    with pytest.raises(CommandError, match="media_roots"):
        asyncio.run(check_source(f"{media}/clip.mp4", rules, _resolve))


def test_a_refusal_tells_no_password(media: Path) -> None:
    for source in ("rtsp://user:pa55word@127.0.0.1/x", "rtsp://user:pa55 word@10.0.0.5/x"):
        with pytest.raises(CommandError) as caught:
            _check(source, media)
        assert "pa55" not in str(caught.value)


def test_rules_come_from_the_settings() -> None:
    rules = Rules.of(Settings())
    assert rules.schemes == SCHEMES
    assert rules.hosts == ()
    assert rules.media_roots == ()
