"""A folder of images as a source: one frame a file, in the order a person would number them.

`/some/folder?fps=2`; one frame a second unless told otherwise.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from agent.capture.array_picture import ArrayPicture
from agent.capture.array_source import PictureUnit, WholePictures
from agent.capture.natural_order import natural_order
from agent.capture.query import parse_number, parse_query
from agent.capture.source import Picture, Pixels, SourceInfo, Stamp, Unit
from agent.errors import Cause, SourceError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class FolderSource(WholePictures):
    """The images of a folder as it was when it was opened; `loop` begins again at its end."""

    def __init__(
        self, folder: Path, query: str, *, loop: bool, read: Callable[[Path], bytes] = Path.read_bytes
    ) -> None:
        values = parse_query(query, ("fps",), "an image folder")
        self._fps = parse_number(values.get("fps", "1"), "fps", 0.001, 1000)
        self._loop = loop
        self._read_file = read
        self._next = 0
        self._folder = folder
        try:
            names = [path.name for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
        except OSError as err:
            raise SourceError(Cause.NOT_FOUND, f"{folder} cannot be read: {err.strerror}") from err
        self._files = [folder / name for name in sorted(names, key=natural_order)]
        if not self._files:
            raise SourceError(Cause.NOT_FOUND, f"{folder} has no images in it")
        first = self._first_that_shows()
        self.info = SourceInfo(
            width=first.shape[1],
            height=first.shape[0],
            codec="images",
            fps=self._fps,
            pixel_format="bgr24",
            backend="opencv",
            live=False,
            duration_s=len(self._files) / self._fps,
        )

    def read(self) -> Unit:
        """The next file's bytes."""
        if self._next >= len(self._files) and not self._loop:
            raise SourceError(Cause.ENDED, f"{self._folder}: all images were shown")
        path = self._files[self._next % len(self._files)]
        try:
            data = self._read_file(path)
        except OSError as err:
            raise SourceError(Cause.NOT_FOUND, f"{path} cannot be read: {err.strerror}") from err
        unit = PictureUnit(
            content=(path.name, data), pts_s=self._next / self._fps, size=len(data), stamp=Stamp.now()
        )
        self._next += 1
        return unit

    def decode(self, unit: Unit, *, wanted: bool = True) -> list[Picture]:  # noqa: ARG002  a picture costs the same
        """The image in the file; its orientation tag is followed. Raises SourceError(CORRUPT)."""
        assert isinstance(unit, PictureUnit)  # noqa: S101  units come from `read` of the same source
        assert isinstance(unit.content, tuple)  # noqa: S101
        name, data = unit.content
        pixels = _decode_image(data)
        if pixels is None:
            raise SourceError(Cause.CORRUPT, f"{name} is no image")
        return [ArrayPicture(pixels, unit.pts_s, unit)]

    def _first_that_shows(self) -> Pixels:
        for path in self._files:
            try:
                pixels = _decode_image(self._read_file(path))
            except OSError:
                continue
            if pixels is not None:
                return pixels
        raise SourceError(Cause.CORRUPT, f"{self._folder}: none of its images can be read")


def _decode_image(data: bytes) -> Pixels | None:
    if not data:
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # a header that promises more pixels than OpenCV takes
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)
