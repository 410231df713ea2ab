"""One algorithm's line on a stream: which frames it is played, and which it will ask for."""

import collections
import math

from agent.capture.frame import Frame
from agent.frames.format import FrameFormat
from agent.ipc.messages import SampleSpec
from agent.sampling import KeyTimes, Sampler, Sampling, Thinner

_ALL_KEPT = 32  # frames of a window whose pictures are all kept for the next one; else those foreseen
_NEAR = 1.5  # frames by which a forecast may be off


class Line:
    """What an algorithm asks of a stream, and the last frames that were played to it."""

    def __init__(self, spec: SampleSpec, keys: KeyTimes) -> None:
        self.spec = spec
        sampling = Sampling(spec.frame_count, spec.frame_step, spec.interval_s, spec.keyframes)
        self.sampler = Sampler(sampling, keys)
        self._offsets = sampling.offsets()
        self._frames: collections.deque[Frame] = collections.deque(maxlen=sampling.span)
        self._thinner: Thinner | None = None
        self._thinned_s = 0.0

    @property
    def keys_only(self) -> bool:
        """Whether key frames are played to it and no others."""
        return self.spec.keyframes == "only"

    def format(self, size: tuple[int, int]) -> FrameFormat:
        """What frames of a source of this width and height look like to it."""
        width, height = (self.spec.width, self.spec.height) if self.spec.width else size
        if self.spec.pixel_format == "nv12":
            width, height = width - width % 2, height - height % 2
        return FrameFormat(width, height, self.spec.pixel_format)

    def same_sampling(self, spec: SampleSpec) -> bool:
        """Whether `spec` asks for the same frames, be it in another size or format."""
        return self.spec[:5] == spec[:5]

    def thin(self, thinner: Thinner) -> None:
        """Key frames, too, are played at the stream's `fps` at most."""
        self._thinner = thinner

    def played_at(self, fps: float | None) -> None:
        """The stream is played at `fps` at most: frames of a window are so far apart."""
        self._thinned_s = 0.0 if fps is None else 1.0 / fps

    def begin_generation(self) -> None:
        """No window spans what comes now and what was before."""
        self._frames.clear()
        self.sampler.begin_generation()

    def play(self, frame: Frame) -> bool:
        """A frame is played; returns whether a window is due with it."""
        if self.keys_only and not frame.is_key:
            return False
        if self._thinner is not None and not self._thinner.played(frame.pts_s):
            return False
        self._frames.append(frame)
        return self.sampler.frame(frame.pts_s, is_key=frame.is_key) and self.sampler.full

    def window(self) -> list[Frame] | None:
        """The frames of the window that ends with the newest frame; None when they are not all there."""
        if len(self._frames) <= self._offsets[0]:
            return None
        return [self._frames[-1 - offset] for offset in self._offsets]

    def forget_bad(self) -> None:
        """Frames of which there is no picture count as if they had never been played."""
        kept = [frame for frame in self._frames if frame.good]
        if len(kept) < len(self._frames):
            self._frames = collections.deque(kept, maxlen=self._frames.maxlen)

    @property
    def newest(self) -> Frame | None:
        """The frame played last."""
        return self._frames[-1] if self._frames else None

    @property
    def oldest_number(self) -> int:
        """The number of the oldest frame that a window may have; 0 when nothing was played."""
        return self._frames[0].number if self._frames else 0

    @property
    def oldest_index(self) -> int | None:
        """The place in decoding order from which on a window may need frames."""
        return min((frame.index for frame in self._frames if frame.picture is None), default=None)

    def needs(self, begin_s: float, end_s: float, step_s: float) -> bool:
        """Whether the next windows have frames that are shown from `begin_s` up to `end_s`, if one is wanted.

        Key frames alone are decoded when they are due: nothing has to be decoded for them beforehand.
        """
        if not self.sampler.wanted or self.keys_only:
            return False
        time_s = self._next_s(step_s)
        if time_s is None or self.spec.interval_s == 0:
            return True
        begin_s, end_s = begin_s - step_s / 2, end_s - step_s / 2
        for offset in self._offsets:
            shown_s = time_s - offset * max(step_s, self._thinned_s)
            if shown_s <= begin_s:  # one of the windows after the next may have frames in there
                shown_s += math.ceil((begin_s - shown_s) / self.spec.interval_s) * self.spec.interval_s
            if shown_s < end_s:
                return True
        return False

    def awaits_s(self, step_s: float) -> float:
        """When the first frame of the next window is shown, if one is wanted; else infinity."""
        if not self.sampler.wanted:
            return math.inf
        time_s = self._next_s(step_s)
        if time_s is None:
            return -math.inf
        return time_s - self._offsets[0] * max(step_s, self._thinned_s) - _NEAR * step_s

    def may_use(self, frame: Frame, step_s: float) -> bool:
        """Whether a window may be asked for that has this frame in it."""
        if self.keys_only:
            return frame.is_key
        time_s = self._next_s(step_s)
        if self.spec.interval_s == 0 or time_s is None:
            return True
        for offset in self._offsets:
            away_s = frame.pts_s + offset * max(step_s, self._thinned_s) - time_s
            windows = max(0, round(away_s / self.spec.interval_s))
            if abs(away_s - windows * self.spec.interval_s) <= _NEAR * step_s:
                return True
        return False

    def _next_s(self, step_s: float) -> float | None:
        """The presentation time at which a window is next handed over; the first one has to be full."""
        time_s = self.sampler.next_s()
        return None if time_s is None else time_s + self.sampler.lacking * max(step_s, self._thinned_s)

    def keeps(self, frame: Frame, step_s: float) -> bool:
        """Whether the picture of this frame is worth its memory."""
        if frame.number >= 0 and (not self._frames or frame.number < self._frames[0].number):
            return False
        short = self.sampler.sampling.frame_count > 1 and self._offsets[0] < _ALL_KEPT
        return self.may_use(frame, step_s) if self.keys_only or not short else True
