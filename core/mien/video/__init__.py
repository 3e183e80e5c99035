"""Reads and writes video files, frame by frame."""

from mien.video.reader import probe, read_frames, read_selected
from mien.video.writer import VideoWriter

__all__ = ["VideoWriter", "probe", "read_frames", "read_selected"]
