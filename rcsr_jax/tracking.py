"""Faces through the frames of a video.

Each frame starts where the last one ended: the crop is laid around the last landmarks,
turned as the head was tilted, and the network goes on from an anchor, the shape and memory
that the last prediction from the mean shape ended with. As long as one step is enough, the
anchor stays; a frame that needs more, or in which the head is tilted otherwise, is a sign
that the face has changed, and the next frame starts from the mean shape again. A memory
that went from frame to frame without end would drift: the network has never seen one that
is older than a few steps.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax import tracks as rows
from rcsr_jax.box_checks import check_boxes
from rcsr_jax.config import ModelConfig
from rcsr_jax.data.cutting import frame_problem
from rcsr_jax.geometry import Frame, frames_at
from rcsr_jax.inference import Predictor
from rcsr_jax.landmarks import Faces
from rcsr_jax.metrics import interocular_distance
from rcsr_jax.smoothing import OneEuro, at_rest, smooth
from rcsr_jax.tracks import Tracks

# A frame that goes on from an anchor may stop at this many times the model's tolerance, of
# which no more counts than landmarks move at rest (root mean square, eye distances): what
# is measured of a model lies anywhere where its error is the same.
_LOOSER, _AT_REST = 12, 0.00383
_TILTED = math.radians(20)  # a face, against its anchor, that needs a new one
_FEW_STEPS = 1  # of a frame whose anchor is still good
_WANDERING = 2  # steps more than in training, which a face hardly takes
# Grey levels, the standard deviation in a crop: of less there is nothing to see, and a
# network that sees nothing stands still as if it were sure.
_FLAT = 2.0

Detect = Callable[[np.ndarray], ArrayLike]


class TrackerState(NamedTuple):
    """What is known between two frames; a pytree that nobody changes.

    Attributes:
        tracks: the faces that are followed.
        next_id: the identity of the next new face.
        since_detection: frames since the detector was asked.
    """

    tracks: Tracks
    next_id: int
    since_detection: int


class TrackedFaces(NamedTuple):
    """The faces that are in sight in one frame.

    Attributes:
        ids: int64 [faces], the same for a face as long as it is followed.
        points: float32 [faces, num_points, 2], (x, y) in pixels, smoothed if that is
            wanted.
        boxes: float32 [faces, 4], as a detector finds them around these landmarks.
        score: float32 [faces], 0 to 1.
        num_steps: int32 [faces], recurrences taken in this frame.
    """

    ids: np.ndarray
    points: np.ndarray
    boxes: np.ndarray
    score: np.ndarray
    num_steps: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tracker:
    """Follows faces through a video; a pure function of a state and a frame.

    Attributes:
        predictor: finds the landmarks.
        detect: uint8 image -> float [faces, 4], the boxes of all faces in it, as the
            predictor takes them; asked when no face is followed, when one is lost and
            every `detect_every` frames.
        detect_every: frames from one look for new faces to the next.
        min_score: a face below this is lost.
        patience: frames that a lost face is looked for before its identity is given up.
        min_overlap: of the boxes of one face, by the detector and from the landmarks.
        smoothing: of the points that are given out; None: none.
    """

    predictor: Predictor
    detect: Detect
    detect_every: int = 10
    min_score: float = 0.5
    patience: int = 15
    min_overlap: float = 0.3
    smoothing: OneEuro | None = None

    def __post_init__(self):
        if self.detect_every < 1 or self.patience < 0:
            raise ValueError(
                "detect_every must be at least 1 and patience at least 0; got "
                f"{self.detect_every} and {self.patience}."
            )
        config = self.predictor.config
        if config.max_steps < config.num_steps + _WANDERING or not config.tolerance > 0:
            raise ValueError(
                "a tracker tells faces from what is none by the steps that they take: the "
                f"model needs max_steps of at least {config.num_steps + _WANDERING}, two "
                "more than in training, and a tolerance above 0; got "
                f"{config.max_steps} and {config.tolerance}."
            )

    def start(self) -> TrackerState:
        """The state before the first frame."""
        blank = np.zeros((1, 1), np.uint8)
        nowhere = Frame(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
        return TrackerState(self._fresh(blank, nowhere), 0, 0)

    def compile(self, num_faces: int = 1) -> "Tracker":
        """Compiles what up to a number of faces need, so that no frame waits for it.

        Returns:
            The tracker itself.
        """
        size = self.predictor.config.crop_size
        for count in range(1, num_faces + 1):
            crops = np.zeros((count, size, size), np.uint8)
            frames = Frame(np.zeros((count, 2)), np.ones(count))
            _, estimate = self.predictor.resume(crops, frames)
            self._looser.resume(crops, frames, start=estimate)
        return self

    def __call__(
        self, state: TrackerState, image: np.ndarray, *, seconds: float = 1 / 30
    ) -> tuple[TrackerState, TrackedFaces]:
        """The faces in the next frame.

        Args:
            state: after the frame before, or `start()`. It is not changed.
            image: uint8 [height, width] or [height, width, 3], always of one size.
            seconds: since the frame before; for the smoothing.

        Raises:
            ValueError: the image is no picture, a box of the detector is none, or no time
                has passed where points are smoothed.
        """
        tracks = self._followed(state.tracks, image)
        next_id, since = state.next_id, state.since_detection + 1
        if not len(tracks.ids) or tracks.unseen.any() or since >= self.detect_every:
            tracks = self._detected(tracks, image, next_id=next_id)
            next_id, since = max([next_id, *(tracks.ids + 1)]), 0
        kept = np.flatnonzero(tracks.unseen <= self.patience)
        tracks = rows.select(tracks, kept[np.argsort(tracks.ids[kept])])
        if self.smoothing is None:
            tracks = tracks._replace(smoothed=at_rest(tracks.points))
        else:
            tracks = self._smoothed(tracks, self.smoothing, state.tracks, seconds)
        seen = rows.select(tracks, tracks.unseen == 0)
        points = seen.smoothed.points
        boxes = rows.boxes_of(points).astype(np.float32)
        answer = TrackedFaces(seen.ids, points, boxes, seen.score, seen.num_steps)
        return TrackerState(tracks, int(next_id), since), answer

    def _followed(self, tracks: Tracks, image: np.ndarray) -> Tracks:
        """The tracks in the next frame, as far as their faces can be followed."""
        tracks, frames = self._within(tracks, image.shape)
        found = rows.coasting(tracks)
        for afresh in (True, False):
            here = np.flatnonzero((tracks.unseen == 0) & (tracks.afresh == afresh))
            if len(here):
                before, places = rows.select(tracks, here), frames_at(frames, here)
                after = self._one_frame_on(before, image, places, afresh=afresh)
                found = rows.replace_rows(found, here, after)
        seen = np.flatnonzero((found.unseen == 0) & (found.score >= self.min_score))
        astray = rows.strays(rows.select(tracks, seen), found.points[seen])
        gone = np.setdiff1d(np.flatnonzero(found.unseen == 0), seen[~astray])
        coasted = rows.coasting(rows.select(tracks, gone))
        return rows.replace_rows(found, gone, coasted)

    def _one_frame_on(
        self, tracks: Tracks, image: np.ndarray, frames: Frame, *, afresh: bool
    ) -> Tracks:
        if afresh:
            after = self._fresh(image, frames)
            moved = rows.moved(tracks, after.points)
            return after._replace(
                ids=tracks.ids, velocity=moved.velocity, smoothed=tracks.smoothed
            )
        crops = self.predictor.cut(image, frames)
        faces, _ = self._looser.resume(crops, frames, start=tracks.anchor)
        tilted = self.predictor.turns_of(faces.points) - tracks.angle
        far = np.cos(tilted) < math.cos(_TILTED)
        return rows.moved(tracks, faces.points)._replace(
            score=self._scores(faces, crops),
            num_steps=faces.num_steps,
            afresh=(faces.num_steps > _FEW_STEPS) | far,
        )

    def _detected(self, tracks: Tracks, image: np.ndarray, *, next_id: int) -> Tracks:
        """The tracks with lost faces found again and new ones added."""
        boxes = np.asarray(self.detect(image), np.float64)
        if boxes.size and boxes.shape[-1:] != (4,):
            raise ValueError(
                f"the detector must give boxes [faces, 4]; got {boxes.shape}."
            )
        boxes = rows.distinct(boxes.reshape(-1, 4))
        ours = rows.boxes_of(tracks.points)
        live, lost = np.flatnonzero(tracks.unseen == 0), np.flatnonzero(tracks.unseen)
        _, taken = rows.match(ours[live], boxes, min_overlap=self.min_overlap)
        free = np.setdiff1d(np.arange(len(boxes)), taken)
        back, again = rows.match(ours[lost], boxes[free], min_overlap=self.min_overlap)
        near = (rows.overlaps(boxes[free], ours[live]) >= self.min_overlap).any(1)
        new = np.setdiff1d(np.flatnonzero(~near), again)
        candidates = free[np.concatenate([again, new])]
        if not len(candidates):  # the usual case: every box is of a face in sight
            return tracks
        frames = self.predictor.frames(image, boxes[candidates])
        fresh = self._fresh(image, frames)
        good = fresh.score >= self.min_score
        good &= ~rows.on_same_face(fresh, rows.select(tracks, live))
        # an off box and a good one may have led to the same face
        found_again = np.arange(len(good)) < len(again)
        good = rows.first_on_each(fresh, good, order=(~found_again, -fresh.score))
        born = good[len(again) :]
        ids = [tracks.ids[lost[back]], next_id + np.cumsum(born) - 1]
        fresh = rows.select(fresh._replace(ids=np.concatenate(ids)), good)
        others = rows.select(tracks, ~np.isin(tracks.ids, fresh.ids))
        return rows.join(others, fresh)

    def _fresh(self, image: np.ndarray, frames: Frame) -> Tracks:
        """Tracks that begin in these frames, from the mean shape; without identities."""
        sight = self.predictor.look(image, frames)
        faces, count = sight.faces, len(sight.crops)
        return Tracks(
            ids=np.full(count, -1, np.int64),
            points=faces.points,
            velocity=np.zeros((count, 2), np.float32),
            unseen=np.zeros(count, np.int64),
            score=self._scores(faces, sight.crops),
            num_steps=faces.num_steps,
            anchor=sight.estimate,
            angle=sight.frames.angle,
            afresh=np.zeros(count, bool),
            smoothed=at_rest(faces.points),
        )

    def _smoothed(
        self, tracks: Tracks, settings: OneEuro, before: Tracks, seconds: float
    ) -> Tracks:
        """The tracks with their filters one frame on; a face just found begins anew."""
        seen_before = np.isin(tracks.ids, before.ids[before.unseen == 0])
        going = np.flatnonzero(seen_before & (tracks.unseen == 0))
        old = rows.select(tracks, going)
        markup = self.predictor.config.markup
        eyes = interocular_distance(old.points, markup=markup)
        new = smooth(
            old.smoothed, old.points, seconds=seconds, unit=eyes, settings=settings
        )
        tracks = tracks._replace(smoothed=at_rest(tracks.points))
        return rows.replace_rows(tracks, going, old._replace(smoothed=new))

    def _scores(self, faces: Faces, crops: np.ndarray) -> np.ndarray:
        # not `faces.score`: the network knows the errors of faces, not of what is none
        score = plausibility(faces, config=self.predictor.config)
        return np.where(crops.std((1, 2)) < _FLAT, 0, score).astype(np.float32)

    def _within(self, tracks: Tracks, shape: tuple[int, ...]) -> tuple[Tracks, Frame]:
        """The tracks that are still in the picture and no points, and their frames."""
        sound = [_is_box(box, shape) for box in rows.boxes_of(tracks.points)]
        tracks = rows.select(tracks, np.array(sound, bool))
        own = self.predictor.turns_of(tracks.points)
        frames = self.predictor.frames_around(
            tracks.points, angle=np.where(tracks.afresh, own, tracks.angle)
        )
        size = self.predictor.config.crop_size
        problems = [
            frame_problem(frames_at(frames, face), shape, size=size)
            for face in range(len(tracks.ids))
        ]
        there = np.array([not problem for problem in problems], bool)
        return rows.select(tracks, there), frames_at(frames, there)

    @functools.cached_property
    def _looser(self) -> Predictor:
        config = self.predictor.config
        whole = config.increment_norm == "shape"
        most = _AT_REST * (math.sqrt(config.num_points) if whole else 1)
        tolerance = _LOOSER * min(config.tolerance, most)
        looser = dataclasses.replace(config, tolerance=tolerance)
        return dataclasses.replace(self.predictor, config=looser)


def _is_box(box: np.ndarray, shape: tuple[int, ...]) -> bool:
    try:
        check_boxes(box[None], shape)
    except ValueError:
        return False
    return True


def plausibility(faces: Faces, *, config: ModelConfig) -> np.ndarray:
    """How much there is a face at all, by the steps that were taken.

    On a face the shape settles within about the steps of training; where there is none it
    wanders for twice as many.

    Args:
        faces: as found.
        config: of the model.

    Returns:
        float32 [faces], 0 to 1; a half at one step more than in training.
    """
    from scipy.special import expit  # half a second, for videos alone

    extra = faces.num_steps - config.num_steps - 1
    sure = expit(-extra.astype(np.float32))
    return np.where(np.isfinite(faces.points).all((1, 2)), sure, 0).astype(np.float32)
