"""From the decoder's picture to an array: colours, sizes, formats, strides."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from agent.capture.array_picture import ArrayPicture
from agent.capture.pyav_picture import PyavPicture, Scaler
from agent.capture.source import Picture, Pixels
from agent.config.algorithms import PixelFormat
from tests.parts.sources import opened, pixels, play
from tests.video import encode

FORMATS: tuple[PixelFormat, ...] = ("bgr24", "rgb24", "gray8", "nv12")


def colourful(width: int = 320, height: int = 240) -> Pixels:
    """A smooth BGR picture with all kinds of colours: scaling and chroma subsampling hardly change it."""
    x = np.linspace(0, 2 * np.pi, width)[None, :]
    y = np.linspace(0, 2 * np.pi, height)[:, None]
    channels = [128 + 100 * np.sin(x + y), 128 + 100 * np.cos(x - y / 2), 128 + 100 * np.sin(y - x / 2)]
    return np.stack([np.broadcast_to(c, (height, width)) for c in channels], axis=2).astype(np.uint8)


def decoded(image: Pixels, pixel_format: str) -> PyavPicture:
    """`image` (BGR) as a decoder would give it in `pixel_format`."""
    frame = VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixel_format)
    return PyavPicture(frame, 0.0, Scaler())


def difference(one: Pixels, other: Pixels) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_colours_are_those_of_opencv(tmp_path: Path, codec: str) -> None:
    """Limited and full range, to the bit: both use swscale, and neither is told a colour matrix."""
    path = encode(tmp_path / "video.mkv", codec=codec, frames=5)
    with opened(path) as ours, opened(path, backend="opencv") as theirs:
        assert ours.info.pixel_format == ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        for mine, other in zip(play(ours)[0], play(theirs)[0], strict=True):
            assert np.array_equal(pixels(mine), pixels(other))


def test_a_tagged_colour_matrix_is_obeyed(tmp_path: Path) -> None:
    """BT.709 video taken for BT.601 is off by more than 5 in the mean."""
    image = colourful()
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.colorspace = 1  # AVCOL_SPC_BT709
        frame = VideoReformatter().reformat(
            VideoFrame.from_ndarray(image, "bgr24"), format="yuv420p", dst_colorspace=Colorspace.ITU709
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with opened(path) as source:
        pictures, _ = play(source)
    picture = pictures[0]
    assert isinstance(picture, PyavPicture)
    assert difference(pixels(picture), image) < 3
    picture.frame.colorspace = 2  # as if untagged
    assert difference(pixels(picture), image) > 5


@pytest.mark.parametrize(
    "source_format", ["yuv420p", "yuvj420p", "nv12", "yuv422p", "yuyv422", "yuv420p10le", "bgr24", "gbrp"]
)
@pytest.mark.parametrize("size", [(320, 240), (160, 120), (101, 77), (640, 480)])
def test_every_decoder_format_gives_right_colours(source_format: str, size: tuple[int, int]) -> None:
    picture = decoded(colourful(), source_format)
    expected = cv2.resize(colourful(), size, interpolation=cv2.INTER_AREA)
    assert difference(pixels(picture, "bgr24", size), np.asarray(expected, np.uint8)) < 4
    rgb = pixels(picture, "rgb24", size)
    assert difference(rgb[:, :, ::-1], pixels(picture, "bgr24", size)) < 2


@pytest.mark.parametrize("source_format", ["yuv420p", "yuvj420p", "yuv444p", "nv12"])
def test_gray_is_the_luma_plane_to_the_bit(source_format: str) -> None:
    picture = decoded(colourful(), source_format)
    plane = picture.frame.planes[0]
    luma = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[:240, :320]
    assert np.array_equal(pixels(picture, "gray8"), luma)
    smaller = cv2.resize(luma, (160, 120), interpolation=cv2.INTER_AREA)
    assert difference(pixels(picture, "gray8", (160, 120)), np.asarray(smaller, np.uint8)) < 1


@pytest.mark.parametrize("source_format", ["yuv420p10le", "yuyv422"])
def test_gray_keeps_the_range_where_luma_has_to_be_unpacked(source_format: str) -> None:
    expected = pixels(decoded(colourful(), "yuv420p"), "gray8")
    assert difference(pixels(decoded(colourful(), source_format), "gray8"), expected) < 1


@pytest.mark.parametrize("source_format", ["yuv420p", "yuvj420p", "nv12"])
def test_nv12_keeps_luma_and_weaves_chroma(source_format: str) -> None:
    picture = decoded(colourful(), source_format)
    out = pixels(picture, "nv12")
    assert np.array_equal(out[:240], pixels(picture, "gray8"))
    if source_format == "nv12":
        assert np.array_equal(out, picture.frame.to_ndarray())
    else:
        planes = picture.frame.to_ndarray()  # I420
        assert np.array_equal(out[240:, 0::2].ravel(), planes[240:300].ravel())
        assert np.array_equal(out[240:, 1::2].ravel(), planes[300:].ravel())


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(318, 238), (64, 48), (642, 480)])
def test_padding_of_lines_never_shows(pixel_format: PixelFormat, size: tuple[int, int]) -> None:
    """A picture of 318 has lines of more bytes: two ways to the same picture."""
    image = colourful(318, 238)
    picture = decoded(image, "yuv444p")
    out = pixels(picture, pixel_format, size)
    through = {"gray8": "yuv444p"}.get(pixel_format, pixel_format)
    reference = np.asarray(picture.frame.reformat(*size, through).to_ndarray(), np.uint8)
    if pixel_format == "gray8":
        reference = reference[0]
    assert difference(out, reference) < 2


@pytest.mark.parametrize("kind", ["pyav", "array"])
def test_a_scaler_for_each_format_asked_for_in_turn(kind: str) -> None:
    image = colourful()
    picture: Picture = decoded(image, "yuv420p") if kind == "pyav" else ArrayPicture(image, 0.0)
    sizes = ((320, 240), (64, 48), (160, 120), (32, 24), (8, 8))
    first = {(f, s): pixels(picture, f, s) for f in FORMATS for s in sizes}
    for (pixel_format, size), expected in first.items():
        assert np.array_equal(pixels(picture, pixel_format, size), expected)


@pytest.mark.parametrize("size", [(320, 240), (160, 120), (640, 480)])
def test_both_kinds_of_picture_agree(size: tuple[int, int]) -> None:
    image = colourful()
    array, frame = ArrayPicture(image, 0.0), decoded(image, "yuv420p")
    assert (array.width, array.height) == (frame.width, frame.height) == (320, 240)
    for pixel_format in ("bgr24", "rgb24", "nv12"):
        assert difference(pixels(array, pixel_format, size), pixels(frame, pixel_format, size)) < 4
    full = decoded(image, "yuvj420p")
    assert difference(pixels(array, "gray8", size), pixels(full, "gray8", size)) < 1.5


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_a_gray_array_can_be_had_in_every_format(pixel_format: PixelFormat) -> None:
    gray = colourful()[:, :, 0]
    out = pixels(ArrayPicture(gray, 0.0), pixel_format)
    if pixel_format == "gray8":
        assert np.array_equal(out, gray)
    elif pixel_format != "nv12":
        assert np.array_equal(out, np.repeat(gray[:, :, None], 3, axis=2))
    else:
        assert np.abs(out[240:].astype(int) - 128).max() <= 1


@pytest.mark.parametrize(("max_width", "size"), [(None, (320, 240)), (100, (100, 75)), (5000, (320, 240))])
def test_jpeg(max_width: int | None, size: tuple[int, int]) -> None:
    for picture in (ArrayPicture(colourful(), 0.0), decoded(colourful(), "yuvj420p")):
        data = picture.jpeg(95, max_width)
        image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        assert (image.shape[1], image.shape[0]) == size
        assert difference(image, pixels(picture, "bgr24", size)) < 3
        assert len(picture.jpeg(10, max_width)) < len(data)


def test_lines_stored_from_the_bottom_up(tmp_path: Path) -> None:
    """Raw BGR in AVI is upside down in memory."""
    path = tmp_path / "raw.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "bgr24"
        container.mux(stream.encode(VideoFrame.from_ndarray(colourful(), "bgr24")))
    with opened(path) as source:
        pictures, _ = play(source)
    assert np.array_equal(pixels(pictures[0]), colourful())
    assert difference(pixels(pictures[0], size=(160, 120)), colourful(160, 120)) < 3
