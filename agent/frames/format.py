"""The shape of a frame in a slot."""

from dataclasses import dataclass

from agent.config.algorithms import PixelFormat

_PAGE_BYTES = 4096  # slots start on a page, so that no two frames share a cache line


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """Width and height in pixels, and how they are stored; always uint8, C order, no padding."""

    width: int
    height: int
    pixel_format: PixelFormat

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the numpy view: (H, W, 3), (H, W) for gray8, (H * 3 / 2, W) for nv12."""
        match self.pixel_format:
            case "bgr24" | "rgb24":
                return (self.height, self.width, 3)
            case "gray8":
                return (self.height, self.width)
            case "nv12":
                return (self.height * 3 // 2, self.width)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def slot_bytes(self) -> int:
        """Bytes from one slot to the next."""
        return -(-self.frame_bytes // _PAGE_BYTES) * _PAGE_BYTES
