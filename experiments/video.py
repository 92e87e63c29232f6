"""The landmarks of faces in videos and before cameras, for rcsr-predict.

A table with a row for each face of each frame, and the video with the landmarks drawn
over it; where they are and whether they may be replaced is known to `video_results`.
"""

import contextlib
import csv
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from absl import flags

from rcsr_jax.data.annotations import point_columns, point_fields
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.plots import draw_overlay
from rcsr_jax.smoothing import OneEuro
from rcsr_jax.tracking import TrackedFaces, Tracker
from rcsr_jax.video import Video, VideoFrame, VideoWriter

from . import outputs
from .face_numbers import draw_face_numbers
from .finding import FindBoxes
from .inputs import Input
from .process import StopRequest
from .video_results import Counts, VideoResults

flags.disclaim_key_flags()  # they belong to the program that asks for them


def define_flags() -> dict[str, flags.FlagHolder]:
    """The flags of what is done with videos."""
    return {
        "video": _define_camera(),
        "video_frames": flags.DEFINE_integer(
            "video_frames", None, "End a video after so many.", lower_bound=1
        ),
        "detect_every": flags.DEFINE_integer(
            "detect_every",
            10,
            "Frames from one look for new faces to the next.",
            lower_bound=1,
        ),
        "smooth": flags.DEFINE_boolean(
            "smooth", False, "Calm the landmarks of a video by a 1-euro filter."
        ),
    }


def _define_camera() -> flags.FlagHolder:
    camera = flags.DEFINE_string(
        "video", None, "Record this camera, the first being 0, until Ctrl-C."
    )
    flags.register_validator(
        camera,
        lambda number: number is None or number.isdecimal(),
        "takes the number of a camera, from 0; a file is named without a flag",
    )
    return camera


def track_into(
    results: VideoResults,
    video: Input,
    source: Path | int,
    *,
    predictor: Predictor,
    find_boxes: FindBoxes,
    given: dict[str, flags.FlagHolder],
    overlay: bool,
) -> Counts:
    """Follows the faces of one video and writes what is found.

    Args:
        results: where it goes.
        video: whose results they are.
        source: a file, or the number of a camera.
        predictor: finds the landmarks.
        find_boxes: finds the faces of a frame.
        given: the flags of `define_flags`.
        overlay: whether to write the video with the landmarks.

    Raises:
        ValueError: the video cannot be read or the results not written.
    """
    tracker = Tracker(
        predictor=predictor,
        detect=lambda image: find_boxes(video, image)[0],
        detect_every=given["detect_every"].value,
        smoothing=OneEuro() if given["smooth"].value else None,
    )
    with Video(source) as frames:  # one that cannot be opened leaves older results
        return results.write(
            video,
            lambda: _track(
                frames,
                tracker,
                table=results.table(video),
                picture=results.picture(video) if overlay else None,
                num_frames=given["video_frames"].value,
                name=str(source),
                endless=isinstance(source, int),
            ),
        )


def _track(
    video: Video,
    tracker: Tracker,
    *,
    table: Path,
    picture: Path | None,
    num_frames: int | None,
    name: str,
    endless: bool,
) -> tuple[int, int]:
    """Writes the faces of a video; returns how many frames and different faces it has.

    Args:
        video: is read to its end.
        tracker: follows the faces.
        table: to write; its folder exists.
        picture: the video to write, with the landmarks; None: none.
        num_frames: after which it ends; None: all.
        name: of the video, for the bar of progress.
        endless: Ctrl-C or SIGTERM is the way to end it, after the frame they came in.
    """
    markup = tracker.predictor.config.markup
    count, names = 0, set[int]()
    stop = StopRequest()
    with (
        _unless_empty(table, lambda: count),
        stop.listening() if endless else contextlib.nullcontext(),
        table.open("w", newline="", encoding="utf-8") as file,
        _writer(picture, rate=video.rate) as writer,
    ):
        rows = csv.writer(file)
        head = ["frame", "seconds", "face", "score", "num_steps"]
        rows.writerow([*head, *point_columns(markup.num_points)])
        frames = itertools.islice(video, num_frames)
        for frame, faces in _followed(
            tracker, outputs.bar(frames, desc=name, total=video.num_frames)
        ):
            rows.writerows(_rows(count, frame, faces))
            if writer is not None:
                writer.write(frame._replace(image=annotated(frame, faces, markup)))
            names |= set(faces.ids.tolist())
            count += 1
            if stop():
                break
    if video.trouble:
        print(f"{name}: {video.trouble}", file=sys.stderr)
    return count, len(names)


def _writer(
    path: Path | None, *, rate: float
) -> contextlib.AbstractContextManager[VideoWriter | None]:
    if path is None:
        return contextlib.nullcontext()
    return VideoWriter(path, rate=rate)


@contextlib.contextmanager
def _unless_empty(table: Path, count: Callable[[], int]) -> Iterator[None]:
    """Where the first frame failed the table without a row does not stay."""
    try:
        yield
    except BaseException:
        if not count():
            table.unlink(missing_ok=True)
        raise


def _followed(
    tracker: Tracker, frames: Iterator[VideoFrame]
) -> Iterator[tuple[VideoFrame, TrackedFaces]]:
    state, before = tracker.start(), -1.0
    for frame in frames:
        state, faces = tracker(state, frame.image, seconds=frame.seconds - before)
        before = frame.seconds
        yield frame, faces


def annotated(frame: VideoFrame, faces: TrackedFaces, markup: Markup) -> np.ndarray:
    """The frame with the landmarks and the numbers of its faces.

    Returns:
        uint8 [height, width, 3].
    """
    image = draw_overlay(frame.image, faces.points, markup=markup, min_side=1)
    return draw_face_numbers(image, faces.boxes, numbers=faces.ids.tolist())


def _rows(number: int, frame: VideoFrame, faces: TrackedFaces) -> Iterator[list]:
    for face, name in enumerate(faces.ids.tolist()):
        score, steps = float(faces.score[face]), int(faces.num_steps[face])
        start = [number, f"{frame.seconds:.3f}", name, f"{score:.3f}", steps]
        yield [*start, *point_fields(faces.points[face])]
