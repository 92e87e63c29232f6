"""Video files and cameras as RGB frames with times, and frames as a video file.

Reading and writing is PyAV's, which brings FFmpeg along; an extra.
"""

import importlib
import importlib.util
import math
import os
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from rcsr_jax.video_length import Length, end_of, is_short, length_told, part_of

# FFmpeg's name for the cameras of a system, and how it calls the camera of a number.
_CAMERAS = {
    "linux": ("video4linux2,v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
}
# The kinds of file that are read. FFmpeg also reads lists of other files, and would open
# whatever such a list names.
_KINDS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,ogg,flv,asf,gif"
_CLOCK = 90_000  # ticks a second, the usual unit of video files
_PATIENCE = 0.005  # seconds until a camera is asked again


class VideoFrame(NamedTuple):
    """One picture of a video.

    Attributes:
        image: uint8 [height, width, 3], RGB, upright.
        seconds: since the first frame; larger from frame to frame.
    """

    image: np.ndarray
    seconds: float


class Video:
    """A video file or a camera; a context that is iterated over once.

    Attributes:
        rate: frames a second, on the average.
        num_frames: how many there are, or None where that is not known.
        trouble: what was wrong behind the first frame, once it is read; empty: nothing.
    """

    def __init__(self, source: str | Path | int):
        """Opens it.

        Args:
            source: a file, or the number of a camera, the first being 0.

        Raises:
            ValueError: there is no such file or camera, it holds no video, or PyAV is not
                installed.
        """
        av = _pyav()
        self._source = source
        name, form = str(source), None
        if isinstance(source, int):
            if sys.platform not in _CAMERAS:
                raise ValueError(
                    f"cameras are not read on {sys.platform}; give a file."
                )
            form, pattern = _CAMERAS[sys.platform]
            name = pattern.format(source)
        try:
            options = {}
            if form is None:
                # FFmpeg would take what stands before a colon for a protocol
                name = os.path.abspath(name)  # noqa: PTH100
                if Path(name).exists() and not Path(name).is_file():
                    raise OSError("it is a folder, a pipe or a device; give a file")
                options = {"format_whitelist": _KINDS, "protocol_whitelist": "file"}
            self._container = av.open(name, format=form, options=options)
        except (av.FFmpegError, OSError) as error:
            raise ValueError(f"{_what(source)}: cannot be opened: {error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise ValueError(f"{source}: there is no video in this file.")
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            self._container.close()
            raise ValueError(
                f"{source}: there is no decoder for its video, which is protected or of an "
                "unknown kind."
            )
        limit = Image.MAX_IMAGE_PIXELS
        if limit and stream.width * stream.height > limit:
            size = f"{stream.width} x {stream.height}"
            self._container.close()
            raise ValueError(
                f"{source}: its frames of {size} pixels are larger than {limit} pixels."
            )
        stream.thread_type = "AUTO"
        self.rate = float(stream.average_rate or 30)
        self.num_frames: int | None = stream.frames or None
        self.trouble = ""

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames.

        Raises:
            ValueError: the file is broken before its first frame. Behind it, what cannot
                be decoded is passed over, and `trouble` tells of it.
        """
        turned = _pyav().sidedata.sidedata.Type.DISPLAYMATRIX
        begins, last = 0.0, -math.inf
        for number, frame in enumerate(self._decoded()):
            at = number / self.rate if frame.time is None else frame.time
            if number == 0:
                begins = at
            elif at - begins <= last:  # files that were joined begin anew within
                begins = at - last - 1 / self.rate
            last = at - begins
            image = frame.to_ndarray(format="rgb24")
            if turned in (data.type for data in frame.side_data):
                image = _upright(image, _display_matrix(frame.side_data[turned]))
            yield VideoFrame(np.ascontiguousarray(image), last)
        if last < 0:
            problem = self.trouble or "there is no frame in it."
            raise ValueError(f"{_what(self._source)}: {problem}")

    def _decoded(self) -> Iterator[Any]:
        """The frames as they lie in the file."""
        av = _pyav()
        packets = self._container.demux(video=0)
        num_damaged, num_given, ended = 0, 0, ""
        num_whole, end, torn = 0, 0.0, False
        while True:
            try:
                packet = next(packets, None)
            except av.BlockingIOError:  # of a camera that has no frame yet
                if not isinstance(self._source, int):
                    raise
                time.sleep(_PATIENCE)
                packets = self._container.demux(video=0)
                continue
            except (av.FFmpegError, OSError) as error:
                packet, ended = None, f"it ends early: {error}"
            if packet is None:
                break
            if packet.size:
                torn = packet.is_corrupt
                if not torn:
                    num_whole += 1
                    end = max(end, end_of(packet, self.rate))
            try:
                frames = packet.decode()
                num_given += len(frames)
                yield from frames
            except av.InvalidDataError:
                num_damaged += 1
            except av.FFmpegError as error:
                ended = f"it cannot be decoded on: {error}"
                break
        # only here, at the end: who takes the first frames alone misses none
        if not ended and not isinstance(self._source, int):
            told_by_header = length_told(self._container)
            if is_short(Length(num_whole, end), told_by_header, self.rate, torn=torn):
                ended = f"it ends early: {part_of(num_given, end, told_by_header)}"
        told = (
            [f"{num_damaged} damaged packets were passed over"] if num_damaged else []
        )
        self.trouble = "; ".join([*told, ended] if ended else told)

    def __enter__(self) -> "Video":
        """The video itself; it is closed behind the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file or the camera."""
        self._container.close()


class VideoWriter:
    """Writes frames to an H.264 file; a context, at whose end the file is whole."""

    def __init__(self, path: str | Path, *, rate: float = 30):
        """Begins the file with the first frame.

        Args:
            path: to write, such as `out.mp4`.
            rate: frames a second, about; the frames bring times of their own.

        Raises:
            ValueError: PyAV is not installed.
        """
        _pyav()
        self._path, self._rate = path, rate
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def write(self, frame: VideoFrame) -> None:
        """Appends a frame.

        Args:
            frame: all of one size and later than the one before; an odd side loses its
                last pixel, as the format has no odd ones.

        Raises:
            ValueError: it is no frame, the size is another, the time is not later, or the
                file cannot be written.
        """
        if not isinstance(frame, VideoFrame):
            raise ValueError(
                f"a frame is a VideoFrame(image, seconds); got {type(frame).__name__}."
            )
        av = _pyav()
        height, width = (side - side % 2 for side in frame.image.shape[:2])
        ticks = round(frame.seconds * _CLOCK)
        if ticks <= self._last:
            raise ValueError(
                f"{self._path}: frame times must grow; got {frame.seconds}."
            )
        try:
            if self._stream is None:
                path = os.path.abspath(self._path)  # noqa: PTH100
                self._container = av.open(path, "w")
                rate = Fraction(self._rate).limit_denominator(1001)
                self._stream = self._container.add_stream("libx264", rate=rate)
                self._stream.width, self._stream.height = width, height
                self._stream.pix_fmt = "yuv420p"
                self._stream.codec_context.time_base = Fraction(1, _CLOCK)
            if (self._stream.width, self._stream.height) != (width, height):
                raise ValueError(
                    f"{self._path}: all frames must have one size; got {width} x "
                    f"{height} after {self._stream.width} x {self._stream.height}."
                )
            image = np.ascontiguousarray(frame.image[:height, :width])
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = ticks, Fraction(1, _CLOCK)
            self._container.mux(self._stream.encode(picture))
        except (av.FFmpegError, OSError) as error:
            raise ValueError(f"{self._path}: cannot be written: {error}") from error
        self._last = ticks

    def __enter__(self) -> "VideoWriter":
        """The writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Writes what the encoder still holds and closes the file.

        Raises:
            ValueError: it cannot be written.
        """
        av = _pyav()
        try:
            try:
                if self._stream is not None:
                    self._container.mux(self._stream.encode(None))
            finally:
                if self._container is not None:
                    self._container.close()
        except (av.FFmpegError, OSError) as failure:
            if error is None:  # or the first error is the one to tell
                message = f"{self._path}: cannot be written: {failure}"
                raise ValueError(message) from failure


def _display_matrix(data: Any) -> tuple[int, int, int, int]:
    """How a picture is to be shown: x' = a x + c y, y' = b x + d y, for (a, b, c, d)."""
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).tolist()
    return a, b, c, d


def _upright(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """A picture in quarter turns and mirrored as its matrix says."""
    a, b, c, d = matrix
    across, down = a, d
    if abs(b) > abs(a):
        image, across, down = image.swapaxes(0, 1), c, b
    return image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def _what(source: str | Path | int) -> str:
    return f"camera {source}" if isinstance(source, int) else str(source)


def _pyav() -> Any:
    if importlib.util.find_spec("av") is None:
        raise ValueError('reading video needs PyAV: pip install "rcsr-jax[video]".')
    return importlib.import_module("av")
