"""How long a video is by its file's header, and whether the file ends before that."""

from typing import Any, NamedTuple

# What a whole file may lack: lengths in headers are often rounded or estimated.
_SPARE_FRAMES = 2
_SPARE_PART = 0.1


class Length(NamedTuple):
    """How long a video is, or how much of it was read; None: not known."""

    frames: int | None
    seconds: float | None


def length_told(container: Any) -> Length:
    """How long the video is by the header of its file, where such a header is reliable.

    Of other kinds of file FFmpeg tells what it has estimated from the file itself.

    Args:
        container: of PyAV, opened to read.
    """
    stream, kinds = container.streams.video[0], container.format.name.split(",")
    if "mov" in kinds:
        length = stream.duration and float(stream.duration * stream.time_base)
        return Length(stream.frames or None, length)
    if "avi" in kinds:  # its count holds pictures that were left out, without a packet
        return Length(None, float(stream.frames * stream.time_base) or None)
    if "matroska" in kinds and (told := _seconds(stream.metadata.get("DURATION", ""))):
        return Length(None, told)
    # the length of the longest stream, which may be the sound
    if {"matroska", "flv"} & {*kinds} and len(container.streams) == 1:
        return Length(None, container.duration and container.duration / 1e6)
    return Length(None, None)


def end_of(packet: Any, rate: float) -> float:
    """When what a packet shows is over, in seconds; 0 where it does not tell.

    Args:
        packet: of PyAV.
        rate: frames a second, for packets that do not say how long they last.
    """
    ticks = packet.dts if packet.pts is None else packet.pts
    if ticks is None:
        return 0.0
    if not packet.duration:
        return float(ticks * packet.time_base) + 1 / rate
    return float((ticks + packet.duration) * packet.time_base)


def _seconds(clock: str) -> float | None:
    """The seconds of a text such as 00:01:30.5; None: it is none."""
    try:
        hours, minutes, seconds = map(float, clock.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def is_short(read: Length, told: Length, rate: float, *, torn: bool) -> bool:
    """Whether a file ends before its header says.

    Args:
        read: what was read.
        told: by the header. Edit lists, frame rates that vary and rounding can make one of
            its two lengths too large, so that both have to be missed.
        rate: frames a second.
        torn: the last packet is not whole: then any that is missed is enough.
    """

    def misses(there: float | None, whole: float, *, spare: float) -> bool:
        lacking = whole - (there or 0)
        return lacking > (0 if torn else max(spare, _SPARE_PART * whole))

    spares = (_SPARE_FRAMES, _SPARE_FRAMES / rate)
    missed = [
        misses(there, whole, spare=spare)
        for there, whole, spare in zip(read, told, spares, strict=True)
        if whole
    ]
    return any(missed) if torn else bool(missed) and all(missed)


def part_of(num_frames: int, seconds: float, told: Length) -> str:
    """How much of a video there is, in words.

    Args:
        num_frames: that were read.
        seconds: when the last one ends.
        told: by the header.
    """
    if told.frames:
        return f"{num_frames} of {told.frames} frames"
    return f"{seconds:.1f} of {told.seconds:.1f} seconds"
