"""H.264 in mp4, through PyAV: each picture at its own time, or at a constant rate."""

import math
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.errors import RecordError

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

Picture = NDArray[np.uint8]
"""(H, W, 3) BGR."""

_CLOCK = Fraction(1, 90_000)
_KEY_EVERY_S = 2.0  # a player can jump so finely, and a file that was cut ends so near to its end
_ASSUMED_FPS = 25
_EARLY = 0.25  # of a frame: so much sooner a picture may be shown than it is due
_SMALLEST_PX, _LARGEST_PX = 16, 8192
# In fragments, each with all that is needed to play it. `hybrid_fragmented` would make a plain file of it at
# the end, but FFmpeg 8 crashes there when not one fragment could be written.
_FORMAT = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_CODEC = {"preset": "veryfast", "crf": "23", "bf": "0"}  # B-frames would delay everything by two
_AT_ONCE = {
    "tune": "zerolatency"
}  # else a dozen pictures are still in the encoder when the process is killed


class Recording:
    """One file; a lifetime is a `with` block. Without a picture no file is left.

    `out.mp4` is `out.part.mp4` until it is finished; only then does it replace a file that is there. If the
    process is killed or the disk is full, that part stays, and plays up to the last whole two seconds.
    Pictures of another size than the first are scaled. H.264 has even sides: of an odd one the last row or
    column is left out.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, fps: float | None = None, live: bool = False
    ) -> None:
        """`fps`: a constant rate, frames being repeated and left out; None: each picture at its own time.

        `live`: pictures come slowly, and what has come is to be in the file soon; costs a few more bytes.
        """
        self._path = path
        self._part = path.with_name(f"{path.stem}.part{path.suffix}")
        self._size = (width - width % 2, height - height % 2)
        self._fps = fps
        self._codec = _CODEC | _AT_ONCE if live else _CODEC
        self._comment = ""
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._whole = True  # no write has failed
        self._begin_s: float | None = None
        self._last_pts = -1
        self._last_step = round(1 / (fps or _ASSUMED_FPS) / _CLOCK)  # how long the newest picture is shown
        self._last_key_s = -math.inf
        self._held: Picture | None = None  # at a constant rate: what is shown until the next one comes
        self._slots = 0  # of the constant rate, filled so far

    def __enter__(self) -> Self:
        """Nothing is opened yet. Raises RecordError when pictures are too small or too large."""
        width, height = self._size
        if not all(_SMALLEST_PX <= side <= _LARGEST_PX for side in self._size):
            raise RecordError(f"{self._path}: {width}x{height} pixels cannot be recorded")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file. Raises RecordError when that fails and nothing else has."""
        try:
            self._finish()
        except (OSError, ValueError) as err:
            if error is None:
                raise self._failure(err) from err

    def write(self, picture: Picture, time_s: float) -> None:
        """Show `picture`, (H, W, 3) BGR uint8, from `time_s` on; times rise. Raises RecordError."""
        if self._begin_s is None:
            self._begin_s = time_s
        since_s = max(0.0, time_s - self._begin_s)
        try:
            if self._fps is None:
                self._encode(picture, since_s)
            else:
                self._fill(since_s, self._fps)
                self._held = picture.copy()
        except (OSError, ValueError) as err:
            raise self._failure(err) from err

    def annotate(self, comment: str) -> None:
        """Say something of the file in its metadata, such as that it is incomplete."""
        self._comment = comment

    def _fill(self, until_s: float, fps: float) -> None:
        """Show what is held at all points of the constant rate before `until_s`."""
        while self._held is not None and self._slots / fps < until_s - _EARLY / fps:
            self._encode(self._held, self._slots / fps)
            self._slots += 1

    def _open(self) -> "tuple[OutputContainer, VideoStream]":
        """With the first picture; what fails with its header is not touched again, or FFmpeg crashes."""
        if self._container is None or self._stream is None:
            width, height = self._size
            container = av.open(str(self._part), "w", format="mp4", options=_FORMAT)
            rate = Fraction(self._fps or _ASSUMED_FPS).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options=self._codec)
            context = stream.codec_context
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.time_base = stream.time_base = _CLOCK
            context.gop_size = 1_000_000  # key frames are placed by time, not by count
            container.start_encoding()
            self._container, self._stream = container, stream
        return self._container, self._stream

    def _encode(self, picture: Picture, since_s: float) -> None:
        container, stream = self._open()
        width, height = self._size
        if tuple(side - side % 2 for side in picture.shape[:2]) == (height, width):
            picture = picture[:height, :width]
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
        frame = frame.reformat(width, height, "yuv420p")
        frame.time_base = _CLOCK
        pts = max(self._last_pts + 1, round(since_s / _CLOCK))
        if self._last_pts >= 0:
            self._last_step = pts - self._last_pts
        frame.pts = self._last_pts = pts
        if since_s - self._last_key_s >= _KEY_EVERY_S:
            self._last_key_s = since_s
            frame.pict_type = av.video.frame.PictureType.I
        self._whole = False
        container.mux(stream.encode(frame))
        self._whole = True

    def _finish(self) -> None:
        if self._held is not None and self._fps is not None and self._whole:
            self._encode(self._held, self._slots / self._fps)
        if self._container is None or self._stream is None:
            return
        try:
            if self._whole:
                packets = self._stream.encode(None)
                for packet in packets[-1:]:
                    packet.duration = self._last_step  # nothing comes after it: as long as the one before
                self._container.mux(packets)
        finally:
            self._container.close()
        if not self._whole:
            return
        if self._comment:
            self._say()
        self._part.replace(self._path)

    def _say(self) -> None:
        """Copy the file, with the comment: it can only be said before the first picture."""
        copy = self._path.with_name(f".{self._path.name}.part")
        try:
            with av.open(str(self._part)) as made, av.open(str(copy), "w", format="mp4") as said:
                said.metadata["comment"] = self._comment
                track = said.add_stream_from_template(made.streams.video[0])
                for packet in made.demux(video=0):
                    if packet.size:
                        packet.stream = track
                        said.mux(packet)
            copy.replace(self._part)
        finally:
            copy.unlink(missing_ok=True)

    def _failure(self, err: Exception) -> RecordError:
        why = getattr(err, "strerror", None) or str(err)
        return RecordError(f"{self._path} cannot be recorded: {why}")
