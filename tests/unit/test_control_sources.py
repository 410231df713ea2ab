"""Which sources a command may name: the hostile ones, each refused, and the honest ones."""

import asyncio
from pathlib import Path

import pytest

from agent.config.settings import Settings
from agent.control.rules import Rules
from agent.control.sources import check_source
from agent.errors import CommandError

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
    base = tmp_path_factory.mktemp("base")
    root = base / "media"
    (root / "day").mkdir(parents=True)
    (root / "clip.mp4").touch()
    (root / "two words.mp4").touch()
    (root / "straße.mp4").touch()
    (root / "concat:a.mp4").touch()
    (base / "secret.mp4").touch()
    (base / "media-not").mkdir()
    (root / "out").symlink_to(base)
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "alias.mp4").symlink_to(root / "clip.mp4")
    (root / "loop").symlink_to(root / "loop")
    return root


def _check(
    source: str, media: Path, *, hosts: tuple[str, ...] = (), schemes: frozenset[str] = SCHEMES
) -> None:
    rules = Rules(schemes=schemes, hosts=hosts, media_roots=(media,))
    asyncio.run(check_source(source.replace("MEDIA", str(media)), rules, _resolve))


HOSTILE = [
    # what is no source at all
    "",
    "clip.mp4",
    "./clip.mp4",
    "../media/clip.mp4",
    "0",
    "~/clip.mp4",
    "C:clip.mp4",
    # FFmpeg's pseudo protocols, and what else it would open
    "concat:MEDIA/clip.mp4|/etc/passwd",
    "concatf:/etc/passwd",
    "subfile:,,start,0,end,0,,:/etc/passwd",
    "pipe:0",
    "pipe:",
    "fd:3",
    "exec:id",
    "crypto:MEDIA/clip.mp4",
    "crypto+file:///etc/passwd",
    "data:video/mp4;base64,AAAA",
    "tee:a|b",
    "unix:/run/docker.sock",
    "async:http://10.0.0.5/x",
    "cache:http://10.0.0.5/x",
    "md5:MEDIA/x",
    "ftp://10.0.0.5/x",
    "gopher://10.0.0.5/x",
    "smb://10.0.0.5/x",
    "udp://239.0.0.1:1234",
    "tcp://10.0.0.5:22",
    "srt://10.0.0.5:9000",
    "rtmp://10.0.0.5/live",  # known, but not in this list of schemes
    "hls+http://10.0.0.5/x.m3u8",
    "v4l2:/dev/video0",
    "lavfi:testsrc",
    "gst-launch:filesrc location=/etc/passwd ! fakesink",
    "javascript:alert(1)",
    # files outside
    "file:///etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "file://localhost/etc/passwd",
    "file://evil/etc/passwd",
    "file:////etc/passwd",
    "file:clip.mp4",
    "file:concat:MEDIA/clip.mp4|/etc/passwd",
    "file:file:///etc/passwd",
    "file://MEDIA/../secret.mp4",
    "file://MEDIA/%2e%2e/secret.mp4",
    "file://MEDIA/..%2fsecret.mp4",
    "file://MEDIA/straße/%2e%2e/%2e%2e/secret.mp4",
    "MEDIA/../secret.mp4",
    "MEDIA/day/../../secret.mp4",
    "MEDIA/out/secret.mp4",
    "MEDIA/passwd",
    "MEDIA/loop/x",
    "MEDIA-not/clip.mp4",
    "MEDIA/clip.mp4?/../../secret.mp4",
    "MEDIA/../secret.mp4?size=1",
    "file://MEDIA/clip.mp4%00.jpg",
    "file://MEDIA/clip.mp4%0a",
    "file://MEDIA/%ff%fe",
    "file://MEDIA/clip.mp4#/../../secret.mp4",
    "file://MEDIA/{secret:broker}",
    "/dev/video0",
    "/proc/self/environ",
    # devices
    "usb:/etc/passwd",
    "usb:/dev/mem",
    "usb:/dev/video0/../mem",
    "usb:/dev/v4l/by-id/..",
    "usb:/dev/v4l/by-id/../../mem",
    "usb:/dev/v4l/by-id/a/b",
    "usb:video0",
    "usb:///dev/video0",
    "usb:serial=../../x",
    "usb:serial=",
    "usb:/dev/video0?format=%0a",
    # the test source
    "test://elsewhere",
    "test:scene",
    "test://scene@10.0.0.5/",
    "test://scene/../x",
    # addresses that are no one's camera
    "rtsp://127.0.0.1/x",
    "rtsp://127.1.2.3:8554/x",
    "rtsp://[::1]/x",
    "rtsp://0.0.0.0/x",
    "rtsp://0.1.2.3/x",
    "rtsp://[::]/x",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://169.254.0.9/x",
    "http://100.100.100.200/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/",
    "http://[fe80::1]/x",
    "http://[fe80::1%25eth0]/x",
    "http://[fec0::1]/x",
    "rtsp://224.0.0.1/x",
    "rtsp://[ff02::1]/x",
    "rtsp://255.255.255.255/x",
    "rtsp://240.0.0.1/x",
    # the same in disguise
    "http://[::ffff:127.0.0.1]/x",
    "http://[::ffff:a9fe:a9fe]/x",
    "http://[::127.0.0.1]/x",
    "http://[64:ff9b::7f00:1]/x",
    "http://[64:ff9b::a9fe:a9fe]/x",
    "http://[2002:7f00:1::]/x",
    "http://[2002:a9fe:a9fe::1]/x",
    "http://[2001:0:7f00:1::]/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0x7f.0.0.1/x",
    "http://127.0.0.0x1/x",
    "http://0177.0.0.1/x",
    "http://017700000001/x",
    "http://127.1/x",
    "http://127.0.1/x",
    "http://10.0.0.05/x",
    "http://127.0.0.1./x",
    "http://10.0.0.5./x",
    "http://1.2.3.4.5/x",
    "http://127.0.0.1.1/x",
    "http://%31%32%37.0.0.1/x",
    "http://127.0.0.1%00.example.org/x",
    "http://①②⑦.0.0.1/x",
    "http://127。0。0。1/x",
    "http://\uff4cocalhost/x",  # a wide l
    # names
    "rtsp://localhost/x",
    "rtsp://LOCALHOST/x",
    "rtsp://localhost./x",
    "rtsp://rebound.example.org/x",
    "rtsp://inside.example.org/x",
    "rtsp://zone.example.org/x",
    "rtsp://nothing.example.org/x",
    "rtsp://nonsense.example.org/x",
    "rtsp://unknown.example.org/x",
    "http://metadata.google.internal/computeMetadata/v1/",
    "rtsp://camera..example.org/x",
    "rtsp://.example.org/x",
    "rtsp://camera.example.org./x",
    "rtsp://" + "a" * 64 + ".example.org/x",
    "rtsp://" + "a." * 127 + "org/x",
    # who is the host here?
    "rtsp://",
    "rtsp:///x",
    "rtsp:10.0.0.5/x",
    "rtsp:/10.0.0.5/x",
    "rtsp://:554/x",
    "rtsp://camera.example.org@127.0.0.1/x",
    "rtsp://camera.example.org:80@127.0.0.1:80/x",
    "rtsp://a@camera.example.org@127.0.0.1/x",
    "rtsp://127.0.0.1@a@camera.example.org/x",
    "rtsp://camera.example.org\\@127.0.0.1/x",
    "rtsp:\\\\10.0.0.5\\x",
    "rtsp://10.0.0.5\\.evil.example.org/x",
    "rtsp://10.0.0.5 @127.0.0.1/x",
    "rtsp://10.0.0.5:554:80/x",
    "rtsp://10.0.0.5:/x",
    "rtsp://10.0.0.5:0/x",
    "rtsp://10.0.0.5:65536/x",
    "rtsp://10.0.0.5:-1/x",
    "rtsp://10.0.0.5:\uff15\uff15\uff14/x",
    "rtsp://[10.0.0.5]/x",
    "rtsp://[::1/x",
    "rtsp://::1/x",
    "rtsp://[2001:db8::1]evil/x",
    "rtsp://10.0.0.5,127.0.0.1/x",
    "rtsp://10.0.0.5;127.0.0.1/x",
    # what ends a line, or hides
    "rtsp://10.0.0.5/x\n",
    "rtsp://10.0.0.5/x\r\nDESCRIBE /y",
    "rtsp://10.0.0.5/x y",
    "rtsp://10.0.0.5/\x00",
    "rtsp://10.0.0.5/\u200bx",
    "rtsp://10.0.0.5/\u202ex",
    " rtsp://10.0.0.5/x",
    "\trtsp://10.0.0.5/x",
    "rtsp://10.0.0.5/é",
    "rtsp://10.0.0.5/`id`",
    "rtsp://10.0.0.5/x|y",
    'rtsp://10.0.0.5/"x"',
    # secrets: not to anyone, and not as part of anything else
    "rtsp://{secret:door}@camera.example.org/x",
    "rtsp://{secret:door}@10.0.0.5/x",
    "rtsp://10.0.0.5/{secret:door}",
    "http://10.0.0.5/x?password={secret:door}",
    "rtsp://{secret:door}/x",
    "{secret:door}",
    "{secret:scheme}://10.0.0.5/x",
    "rtsp://{secret:a/b}@10.0.0.5/x",
    "rtsp://{secret:}@10.0.0.5/x",
    "rtsp://{env:HOME}@10.0.0.5/x",
]


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
