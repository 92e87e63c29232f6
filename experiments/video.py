"""The landmarks of faces in videos and before cameras, for rcsr-predict.

For each video: NAME_overlay.mp4 with the landmarks drawn over it, and NAME.csv with a row
for each face of each frame.
"""

import contextlib
import csv
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image, ImageDraw

from rcsr_jax.data.annotations import point_columns, point_fields
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.plots import draw_overlay
from rcsr_jax.smoothing import OneEuro
from rcsr_jax.tracking import TrackedFaces, Tracker
from rcsr_jax.video import Video, VideoFrame, VideoWriter

from . import outputs
from .inputs import VIDEO_OVERLAY
from .process import StopRequest

flags.disclaim_key_flags()  # they belong to the program that asks for them

Detect = Callable[[np.ndarray], np.ndarray]


def define_flags() -> dict[str, flags.FlagHolder]:
    """The flags of what is done with videos."""
    return {
        "video": flags.DEFINE_integer(
            "video",
            None,
            "Record this camera, the first being 0, until Ctrl-C.",
            lower_bound=0,
        ),
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


def track_video(
    source: Path | int,
    result: Path,
    *,
    predictor: Predictor,
    detect: Detect,
    given: dict[str, flags.FlagHolder],
    overlay: bool,
) -> tuple[int, int]:
    """Follows the faces of one video and writes what is found.

    Args:
        source: a file, or the number of a camera.
        result: path of the results without suffix; its folder is made.
        predictor: finds the landmarks.
        detect: the boxes of the faces of a frame.
        given: the flags of `define_flags`.
        overlay: whether to write the video.

    Returns:
        How many frames there were, and how many different faces.

    Raises:
        ValueError: the video cannot be read or the results not written.
    """
    tracker = Tracker(
        predictor=predictor,
        detect=detect,
        detect_every=given["detect_every"].value,
        smoothing=OneEuro() if given["smooth"].value else None,
    )
    markup = predictor.config.markup
    result.parent.mkdir(parents=True, exist_ok=True)
    table_path = result.with_name(result.name + ".csv")
    video_path = result.with_name(result.name + VIDEO_OVERLAY)
    count, names = 0, set[int]()
    stop = StopRequest()  # the way to end a recording, after the frame it came in
    with (
        _unless_empty(table_path, lambda: count),
        stop.listening() if isinstance(source, int) else contextlib.nullcontext(),
        Video(source) as video,
        table_path.open("w", newline="", encoding="utf-8") as file,
        VideoWriter(video_path, rate=video.rate) as writer,
    ):
        table = csv.writer(file)
        head = ["frame", "seconds", "face", "score", "num_steps"]
        table.writerow([*head, *point_columns(markup.num_points)])
        frames = itertools.islice(video, given["video_frames"].value)
        for frame, faces in _followed(
            tracker, outputs.bar(frames, desc=str(source), total=video.num_frames)
        ):
            table.writerows(_rows(count, frame, faces))
            if overlay:
                writer.write(frame._replace(image=annotated(frame, faces, markup)))
            names |= set(faces.ids.tolist())
            count += 1
            if stop():
                break
    return count, len(names)


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
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    for name, box in zip(faces.ids.tolist(), faces.boxes.tolist(), strict=True):
        size = max(12, (box[3] - box[1]) / 8)
        where = (box[0], box[1] - 1.2 * size)
        pen.text(
            where, str(name), "white", font_size=size, stroke_width=1, stroke_fill=0
        )
    return np.asarray(picture)


def _rows(number: int, frame: VideoFrame, faces: TrackedFaces) -> Iterator[list]:
    for face, name in enumerate(faces.ids.tolist()):
        score, steps = float(faces.score[face]), int(faces.num_steps[face])
        start = [number, f"{frame.seconds:.3f}", name, f"{score:.3f}", steps]
        yield [*start, *point_fields(faces.points[face])]
