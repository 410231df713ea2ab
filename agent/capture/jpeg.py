"""JPEG pictures for people."""

from agent.capture.source import Pixels


def fit_width(width: int, height: int, max_width: int | None) -> tuple[int, int]:
    """The size scaled down to `max_width` pixels, in proportion."""
    scale = min(1.0, max_width / width) if max_width else 1.0
    return max(1, round(width * scale)), max(1, round(height * scale))


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """(H, W, 3) BGR or (H, W) gray uint8 as JPEG, `quality` 1..100."""
    import cv2  # noqa: PLC0415  most processes never make a picture for people

    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, min(100, max(1, quality))])
    return data.tobytes()
