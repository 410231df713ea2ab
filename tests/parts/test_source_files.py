"""Files of every codec, whole and damaged, read by both backends: the right frames at the right times."""

import random
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from agent.capture.pyav_options import Place
from agent.capture.pyav_source import open_pyav
from agent.capture.source import Source, Unit
from agent.errors import Cause, SourceError
from tests.parts.sources import numbers, opened, pixels, play, request, stamp, times
from tests.video import Segment, encode, encode_segments


@dataclass(frozen=True)
class Recipe:
    codec: str
    suffix: str
    b_frames: int = 0
    open_gop: bool = False


RECIPES = [
    Recipe("libx264", ".mp4"),
    Recipe("libx264", ".mp4", b_frames=3),
    Recipe("libx264", ".mkv", b_frames=3),
    Recipe("libx264", ".mkv", b_frames=2, open_gop=True),
    Recipe("libx264", ".ts", b_frames=2),
    Recipe("libx264", ".avi"),
    Recipe("libx264", ".h264"),
    Recipe("libx264", ".h264", b_frames=2),
    Recipe("libx265", ".mp4"),
    Recipe("libx265", ".mkv", b_frames=3),
    Recipe("libx265", ".ts", b_frames=2, open_gop=True),
    Recipe("libx265", ".h265", b_frames=2),
    Recipe("mjpeg", ".avi"),
    Recipe("mjpeg", ".mkv"),
    Recipe("libvpx-vp9", ".webm"),
]
CODECS = {"libx264": "h264", "libx265": "hevc", "mjpeg": "mjpeg", "libvpx-vp9": "vp9"}


def next_unit(source: Source) -> Unit | None:
    """What `source` gives next, None at its end."""
    try:
        return source.read()
    except SourceError as err:
        if err.cause is Cause.ENDED:
            return None
        raise


def recipe_id(recipe: Recipe) -> str:
    return f"{recipe.codec}{recipe.suffix}-b{recipe.b_frames}{'-open' if recipe.open_gop else ''}"


@pytest.mark.parametrize("recipe", RECIPES, ids=recipe_id)
def test_every_frame_in_order_at_its_time(tmp_path: Path, recipe: Recipe) -> None:
    path = encode(
        tmp_path / f"video{recipe.suffix}",
        codec=recipe.codec,
        frames=60,
        gop=12,
        b_frames=recipe.b_frames,
        open_gop=recipe.open_gop,
    )
    with opened(path) as source:
        info = source.info
        pictures, errors = play(source)
    assert (info.width, info.height, info.codec, info.fps) == (320, 240, CODECS[recipe.codec], 25.0)
    assert (info.live, info.backend, info.hwaccel) == (False, "pyav", "none")
    assert errors == []
    assert numbers(pictures) == list(range(60))
    assert times(pictures) == pytest.approx([n / 25 for n in range(60)], abs=0.0011)
    assert pictures[0].is_key
    assert sum(picture.is_key for picture in pictures) >= 5


@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_picture_has_the_stamp_of_its_own_packet(tmp_path: Path, b_frames: int) -> None:
    path = encode(tmp_path / "video.mp4", frames=40, b_frames=b_frames)
    stamps = {}
    pictures = []
    with opened(path) as source:
        while (unit := next_unit(source)) is not None:
            assert unit.pts_s is not None
            assert unit.size > 0
            stamps[round(unit.pts_s, 3)] = unit.stamp
            pictures += source.decode(unit)
        pictures += source.flush()
    assert len(pictures) == 40
    assert all(stamp(picture) == stamps[round(picture.pts_s, 3)] for picture in pictures)


def test_decoding_times_never_fall_and_units_know_key_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "video.mkv", frames=40, gop=10, b_frames=3)
    units = []
    with opened(path) as source:
        while (unit := next_unit(source)) is not None:
            units.append(unit)
    decoding = [unit.dts_s for unit in units]
    assert None not in decoding
    assert decoding == sorted(decoding)  # type: ignore[type-var]
    assert [index for index, unit in enumerate(units) if unit.is_key] == [0, 10, 20, 30]


def test_variable_rate_and_gaps(tmp_path: Path) -> None:
    pts = [0.0, 0.04, 0.1, 0.5, 0.52, 3.0, 3.04, 9.0]
    path = encode(tmp_path / "video.mkv", pts=pts, b_frames=2)
    with opened(path) as source:
        pictures, _ = play(source)
    assert numbers(pictures) == list(range(8))
    assert times(pictures) == pytest.approx(pts, abs=0.0011)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_picture_changes_its_size(tmp_path: Path, b_frames: int) -> None:
    segments = [
        Segment(width=320, height=240, frames=20),
        Segment(width=480, height=272, frames=15),
        Segment(width=320, height=240, frames=10),
    ]
    path = encode_segments(tmp_path / "video.ts", segments, gop=10, b_frames=b_frames)
    with opened(path) as source:
        pictures, errors = play(source)
    assert errors == []
    assert numbers(pictures) == list(range(45))
    assert [(p.width, p.height) for p in pictures] == [(320, 240)] * 20 + [(480, 272)] * 15 + [
        (320, 240)
    ] * 10
    assert {pixels(picture, size=(160, 120)).shape for picture in pictures} == {(120, 160, 3)}


@pytest.mark.parametrize("recipe", [RECIPES[1], RECIPES[6], RECIPES[9], RECIPES[12]], ids=recipe_id)
@pytest.mark.parametrize("backend", ["pyav", "opencv"])
def test_a_looped_file_goes_on_in_time(tmp_path: Path, recipe: Recipe, backend: str) -> None:
    path = encode(
        tmp_path / f"video{recipe.suffix}", codec=recipe.codec, frames=20, gop=10, b_frames=recipe.b_frames
    )
    with opened(path, loop=True, backend=backend) as source:
        pictures, errors = play(source, limit=70)
    assert errors == []
    assert numbers(pictures[:70]) == [n % 20 for n in range(70)]
    assert times(pictures[:70]) == pytest.approx([n / 25 for n in range(70)], abs=0.0011)


@pytest.mark.parametrize(
    "recipe", [RECIPES[0], RECIPES[2], RECIPES[9], RECIPES[12], RECIPES[14]], ids=recipe_id
)
def test_opencv_gives_the_same_frames(tmp_path: Path, recipe: Recipe) -> None:
    path = encode(
        tmp_path / f"video{recipe.suffix}", codec=recipe.codec, frames=30, gop=10, b_frames=recipe.b_frames
    )
    with opened(path, backend="opencv") as source:
        assert (source.info.width, source.info.height, source.info.fps) == (320, 240, 25.0)
        assert (source.info.codec, source.info.backend) == (CODECS[recipe.codec], "opencv")
        assert not source.info.live
        pictures, _ = play(source)
    assert numbers(pictures) == list(range(30))
    assert times(pictures) == pytest.approx([n / 25 for n in range(30)], abs=0.0011)


def test_a_damaged_packet_costs_itself_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "video.avi", codec="mjpeg", frames=30)
    pictures, errors = [], []
    with opened(path) as source:
        for index in range(30):
            unit = source.read()
            if index in (10, 20):
                unit.packet.update(b"\0" * unit.size)  # type: ignore[attr-defined]
            try:
                pictures += source.decode(unit)
            except SourceError as err:
                errors.append(err)
    assert [err.cause for err in errors] == [Cause.CORRUPT] * 2
    assert numbers(pictures) == [n for n in range(30) if n not in (10, 20)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".h264"])
def test_bytes_damaged_at_random_raise_nothing_but_source_errors(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"video{suffix}", frames=60, gop=10)
    data = bytearray(path.read_bytes())
    chance = random.Random(5)  # noqa: S311  damage, not a secret
    for _ in range(60):
        data[chance.randrange(len(data) // 4, len(data) * 3 // 4)] = chance.randrange(256)
    path.write_bytes(data)
    with opened(path) as source:
        try:
            pictures, errors = play(source)
        except SourceError as err:
            assert err.cause is Cause.CORRUPT  # noqa: PT017  either this or an ordinary end
        else:
            assert len(pictures) > 20
            assert {err.cause for err in errors} <= {Cause.CORRUPT}


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
def test_a_file_that_is_cut_off_gives_what_is_there(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"video{suffix}", frames=60, gop=10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with opened(path) as source:
        try:
            pictures, _ = play(source)
        except SourceError as err:
            assert err.cause is Cause.CORRUPT  # noqa: PT017  either this or an ordinary end
        else:
            assert numbers(pictures[:10]) == list(range(10))


def spoil(path: Path, how: str) -> None:
    match how:
        case "text":
            path.write_text("this is no video, whatever its name says\n" * 50)
        case "empty":
            path.write_bytes(b"")
        case "head":
            whole = encode(path.with_name("whole.mp4"), frames=30)
            path.write_bytes(whole.read_bytes()[:2000])
        case "folder of nothing":
            path.mkdir()


@pytest.mark.parametrize("backend", ["pyav", "opencv"])
@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("text", Cause.CORRUPT),
        ("empty", Cause.CORRUPT),
        ("head", Cause.CORRUPT),
        ("missing", Cause.NOT_FOUND),
        ("folder of nothing", Cause.NOT_FOUND),
    ],
)
def test_what_is_no_video(
    tmp_path: Path, backend: str, how: str, cause: Cause, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "video.mp4"
    spoil(path, how)
    with pytest.raises(SourceError) as caught:
        opened(path, backend=backend)
    assert caught.value.cause is cause
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    out, err = capfd.readouterr()
    assert out + err == ""


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    header = b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\x10\0\0"
    path.write_bytes(header + bytes(4096))
    with pytest.raises(SourceError, match="no video") as caught:
        opened(path)
    assert caught.value.cause is Cause.CODEC


def test_a_playlist_in_a_file_leads_nowhere_else(tmp_path: Path) -> None:
    """A file may name URLs (HLS, SDP) or other files (concat): none of them is followed."""
    encode(tmp_path / "other.ts", frames=10)
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(playlist)
    sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    (tmp_path / "session.sdp").write_text(sdp + "a=rtpmap:96 H264/90000\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path}/other.ts\n")
    for name in ("list.m3u8", "session.sdp", "concat.mp4"):
        with pytest.raises(SourceError):
            opened(tmp_path / name)


@pytest.mark.parametrize("hwaccel", ["auto", "cuda", "v4l2m2m", "vaapi", "nonsense"])
def test_without_the_hardware_software_decodes_and_says_why(tmp_path: Path, hwaccel: str) -> None:
    path = encode(tmp_path / "video.mp4", frames=20, b_frames=2)
    with opened(path, hwaccel=hwaccel) as source:
        info = source.info
        pictures, _ = play(source)
    if info.hwaccel == "none":
        assert info.hwaccel_note
    assert numbers(pictures) == list(range(20))


def test_after_the_end_it_stays_ended_and_flush_gives_nothing_twice(tmp_path: Path) -> None:
    path = encode(tmp_path / "video.mp4", frames=10, b_frames=2)
    source = opened(path)
    pictures, _ = play(source)
    assert len(pictures) == 10
    with pytest.raises(SourceError) as caught:
        source.read()
    assert caught.value.cause is Cause.ENDED
    source.close()
    assert source.flush() == []
    source.close()
    assert numbers(pictures) == list(range(10))  # pictures outlive their source


def test_the_size_is_found_although_only_a_late_key_frame_tells_it(tmp_path: Path) -> None:
    """A camera opened between key frames; what was read while looking for the size is not lost."""
    whole = encode(tmp_path / "whole.ts", frames=80, gop=30)
    late = tmp_path / "late.ts"
    with av.open(str(whole)) as container, av.open(str(late), "w") as cut:
        stream = container.streams.video[0]
        copy = cut.add_stream_from_template(stream)
        for index, packet in enumerate(container.demux(stream)):
            if index >= 10 and packet.size:
                packet.stream = copy
                cut.mux(packet)
    hasty = (("probesize", "2000"), ("analyzeduration", "1"))
    place = Place(target=f"file:{late}", scheme="file", options=hasty)
    with open_pyav(place, request(late), "late", lambda: False) as source:
        assert (source.info.width, source.info.height) == (320, 240)
        assert source.info.pixel_format == "yuv420p"
        units = 0
        pictures = []
        while (unit := next_unit(source)) is not None:
            pictures += source.decode(unit)
            units += 1
        pictures += source.flush()
    assert units == 70
    assert numbers(pictures) == list(range(30, 80))
