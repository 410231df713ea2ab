"""Cameras for tests: one that speaks RTSP and one that speaks HTTP, each with faults on demand."""

from tests.camera.http import HttpCamera
from tests.camera.rtsp import RtspCamera

__all__ = ["HttpCamera", "RtspCamera"]
