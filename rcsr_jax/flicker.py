"""How steady landmarks are in video: error and flicker of tracking, frame by frame.

A method is judged on clips whose landmarks are known in every frame. Its flicker is what
it moves from frame to frame beyond what the face itself moves.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rcsr_jax.data.clips import Clip
from rcsr_jax.data.face_boxes import detector_like_box
from rcsr_jax.geometry import box_of
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance, interocular_errors
from rcsr_jax.tracking import Tracker

Found = tuple[np.ndarray, int]  # float [num_points, 2], px, and the steps it took
# clip, box of each frame -> the landmarks in each frame
Method = Callable[[Clip, np.ndarray], Iterator[Found]]


def flicker(points: np.ndarray, truth: np.ndarray, *, markup: Markup) -> np.ndarray:
    """The mean movement of the error from each frame to the next, in eye distances.

    An error that stays as it is does not flicker, nor do landmarks that move as the face
    does.

    Args:
        points: float [num_frames, num_points, 2], estimated, px.
        truth: float [num_frames, num_points, 2], annotated, px; a landmark that is not, NaN
            in a frame, does not count.
        markup: names the outer eye corners.

    Returns:
        float64 [num_frames - 1]; 0.01 means one per cent.
    """
    known = np.isfinite(truth).all((0, 2))
    error = (np.asarray(points, np.float64) - truth)[:, known]
    jumps = np.linalg.norm(np.diff(error, axis=0), axis=-1).mean(-1)
    return jumps / interocular_distance(truth, markup=markup)[1:]


def measure(
    methods: dict[str, Method],
    clips: Sequence[Clip],
    *,
    markup: Markup,
    on_progress: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float]]:
    """The numbers of each method on the same clips, with the same detector-like boxes.

    The first frame of a clip takes no part: it has nothing to go on from. Methods take
    turns at each clip, so that a busy machine is busy for all of them.

    Args:
        methods: by name.
        clips: of two frames or more.
        markup: of the landmarks.
        on_progress: called after each clip of each method.

    Returns:
        For each method `nme`, the inter-ocular error, its 90th percentile `nme_90` and
        `flicker`, in per cent; `steps` per frame; `frames_per_second`; and
        `found`, the per cent of frames with an answer: errors are over those.
    """
    results: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for number, clip in enumerate(clips):
        generator = np.random.default_rng([number, len(clip.points)])
        boxes = np.array(
            [detector_like_box(b, generator=generator) for b in box_of(clip.points)]
        )
        for name, method in methods.items():
            answers = method(clip, boxes)
            found = [next(answers)]
            begin = time.perf_counter()
            found += answers
            seconds[name] += time.perf_counter() - begin
            results[name].append(_judged(found, clip.points, markup=markup))
            on_progress()
    count = sum(len(clip.points) - 1 for clip in clips)
    return {
        name: _summary(np.concatenate(results[name], axis=1))
        | {"frames_per_second": count / seconds[name]}
        for name in methods
    }


def frame_by_frame(predictor: Predictor) -> Method:
    """Every frame as a photo of its own."""

    def method(clip: Clip, boxes: np.ndarray) -> Iterator[Found]:
        for image, box in zip(clip.frames, boxes, strict=True):
            faces = predictor(image, box)
            yield faces.points[0], int(faces.num_steps[0])

    return method


def tracked(make: Callable[[Callable], Tracker]) -> Method:
    """Frame after frame by a tracker that finds the first face with the box given.

    Args:
        make: a tracker with this function as its detector.
    """

    def method(clip: Clip, boxes: np.ndarray) -> Iterator[Found]:
        number = 0
        tracker = make(lambda image: boxes[number])
        state = tracker.start()
        for number, image in enumerate(clip.frames):  # noqa: B007, the detector reads it
            state, faces = tracker(state, image)
            points = np.full(clip.points.shape[1:], np.nan, np.float32)
            if len(faces.ids):
                points = faces.points[0]
            yield points, int(faces.num_steps.sum())

    return method


def _judged(found: list[Found], truth: np.ndarray, *, markup: Markup) -> np.ndarray:
    """float64 [3, num_frames - 1]: error, flicker and steps; NaN where nothing is found."""
    points = np.array([shape for shape, _ in found])
    errors = interocular_errors(points, truth, markup=markup)[1:]
    errors[~np.isfinite(errors)] = np.nan
    steps = np.array([count for _, count in found], np.float64)[1:]
    return np.stack([errors, flicker(points, truth, markup=markup), steps])


def _summary(values: np.ndarray) -> dict[str, float]:
    errors, jumps, steps = values
    return {
        "nme": 100 * float(np.nanmean(errors)),
        "nme_90": 100 * float(np.nanpercentile(errors, 90)),
        "flicker": 100 * float(np.nanmean(jumps)),
        "steps": float(steps.mean()),
        "found": 100 * float(np.isfinite(errors).mean()),
    }
