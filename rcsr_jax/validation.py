"""How a run is judged while it goes on: held-out faces, and where to stop.

Validation looks at cached crops through straight views, as prediction would see them.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax.annotation import as_annotated
from rcsr_jax.answers import predict
from rcsr_jax.confidence import measure_model, unmeasured
from rcsr_jax.config import DataConfig, ModelConfig, RunConfig
from rcsr_jax.data.augment import cut_view, view_of
from rcsr_jax.data.batches import TrainingSet, examples, faces_at
from rcsr_jax.data.crops import CropCache
from rcsr_jax.geometry import Frame, mean_shape, to_crop, to_photo, upright_frame
from rcsr_jax.metrics import interocular_distance, nme
from rcsr_jax.model import Params
from rcsr_jax.pieces import finish_pieces
from rcsr_jax.prediction import Prediction, mirrored_back, without_mirror
from rcsr_jax.stopping import calibrate_tolerance
from rcsr_jax.updates import TrainState

_BATCH = 64
_PART = 1 << 16  # faces whose landmarks are in memory at once
_REPLICATES = 256  # fresh training examples that the stopping rule is measured on

_cut_examples = jax.jit(examples, static_argnames="config")


class Judge:
    """Validation: the error of parameters on faces that are not trained on.

    Attributes:
        crops: uint8 or float [faces, crop_size, crop_size], plain crops of the faces.
        points: float [faces, num_points, 2], their landmarks, crop px.
    """

    def __init__(self, validation: CropCache, config: RunConfig):
        self._model, self._data = config.model, config.data
        self._cached = validation
        self._plain = _plain_frame(validation, config.model, config.data)
        self.crops = self._cut(self._plain)
        self.points = points_in_crops(validation, config.model, config.data)
        self._distance = np.asarray(
            interocular_distance(self.points, markup=config.model.markup)
        )
        if not (self._distance > 0).any():
            raise ValueError("no validation face has both eye corners annotated.")

    def predict(self, params: Params) -> Prediction:
        """The landmarks after the trained number of steps, as they are learned.

        Where the model's settings say so every face is looked at in the mirror as well.

        Returns:
            NumPy arrays, a row for each face, of the model `confidence.unmeasured`: the
            points and expected errors in pixels of plain crops, the rest as it was seen.
        """
        params = jax.device_get(params)
        found, model = self._look(params, self.crops), self._model
        if not model.mirrored_look:
            return found
        points = to_photo(found.points, self._plain)
        frames = upright_frame(
            points, mean_shape=params["mean_shape"], markup=model.markup
        )
        seen = self._look(params, self._cut(frames)[:, :, ::-1])
        seen = mirrored_back(seen, config=unmeasured(model))
        there = to_crop(to_photo(seen.points, frames), self._plain)
        error = seen.expected_error * (frames.scale / self._plain.scale)[:, None]
        return found._replace(
            points=(found.points + there) / 2,
            expected_error=(found.expected_error + error) / 2,
        )

    def _look(self, params: Params, seen: np.ndarray) -> Prediction:
        """What is seen in crops of all faces."""
        found, plain = [], unmeasured(self._model)
        for (crops,) in _chunks(seen):
            missing = _BATCH - len(crops)  # one shape, one compilation
            padded = np.pad(crops, ((0, missing), (0, 0), (0, 0)), mode="edge")
            found.append(predict(params, padded, config=plain))
        return finish_pieces(found, num_faces=len(seen))

    def _cut(self, frames: Frame) -> np.ndarray:
        """What frames show of the cached crops: float [faces, crop_size, crop_size]."""
        cached = self._cached
        crops = [
            _cut_views(crops, points, Frame(*where), model=self._model, data=self._data)
            for crops, points, *where in _chunks(cached.crops, cached.points, *frames)
        ]
        return np.concatenate([np.asarray(part) for part in crops])

    def measure(self, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
        """What a model answers, with the settings that are measured of it.

        Returns:
            Landmarks after the trained number of steps, float [faces, num_points, 2], crop
            px, as people would annotate them; and the settings of `measure_model`, none
            where a face diverged.
        """
        found, markup = self.predict(params), self._model.markup
        if not math.isfinite(self.error(found.points)):
            return np.asarray(found.points), {}
        measured = measure_model(
            found.points, self.points, found.expected_error, markup=markup
        )
        shift = measured["annotation_shift"]
        points = as_annotated(found.points, shift=shift, markup=markup)
        return np.asarray(points), measured

    def error(self, points: np.ndarray | jax.Array) -> float:
        """Inter-ocular error of estimated shapes, percent; infinite where one diverged.

        Args:
            points: float [faces, num_points, 2], crop px.
        """
        errors = np.asarray(nme(points, self.points, distance=self._distance))
        return float(100 * np.mean(errors[self._distance > 0]))


def _chunks(*arrays):
    for start in range(0, len(arrays[0]), _BATCH):
        yield tuple(array[start : start + _BATCH] for array in arrays)


@functools.partial(jax.jit, static_argnames=("model", "data"))
def _cut_views(crops, points, frames: Frame, *, model: ModelConfig, data: DataConfig):
    size, margin, markup = model.crop_size, data.cache_margin, model.markup

    def cut(crop, shape, frame):
        view = view_of(frame, side=len(crop), size=size, margin=margin)
        return cut_view(crop, shape, view, size=size, margin=margin, markup=markup)[0]

    return jax.vmap(cut)(crops, points, frames)


def _plain_frame(cache: CropCache, model: ModelConfig, data: DataConfig) -> Frame:
    """Where plain crops lie in the cached ones, in cached pixels: [faces]."""
    side, count = cache.crops.shape[1], len(cache.names)
    unit = side / (data.cache_margin * model.crop_size)
    corner = (side - 1) / 2 - unit * (model.crop_size - 1) / 2
    return Frame(np.full((count, 2), corner), np.full(count, unit), np.zeros(count))


def points_in_crops(
    cache: CropCache, model: ModelConfig, data: DataConfig
) -> np.ndarray:
    """The landmarks of cached faces in plain crops: [faces, num_points, 2], crop px."""
    points = to_crop(np.asarray(cache.points), _plain_frame(cache, model, data))
    return points.astype(np.float32)


def mean_in_crops(cache: CropCache, model: ModelConfig, data: DataConfig) -> np.ndarray:
    """The mean shape in plain crops, float32 [num_points, 2], read a part at a time."""
    starts = range(0, len(cache.names), _PART)
    ends = [min(start + _PART, len(cache.names)) for start in starts]
    parts = (cache.take(range(*ends)) for ends in zip(starts, ends, strict=True))
    return mean_shape(points_in_crops(part, model, data) for part in parts)


def measured_tolerance(
    state: TrainState, faces: TrainingSet, *, config: RunConfig
) -> float:
    """The tolerance of adaptive prediction, measured on replicates of training faces.

    Args:
        state: whose averaged parameters predict.
        faces: the training set, in memory or on the disk; where it has faces for the last
            updates, the replicates are of these.
        config: the run. The replicates are those of steps behind its last one, which no
            update has seen.

    Returns:
        The tolerance; that of the settings where no replicate has both eye corners.
    """
    # each of a face and its mirror image stops by itself, not their mean
    model, size = without_mirror(unmeasured(config.model)), config.train.batch_size
    params = jax.device_get(state.average)
    paths, truths = [], []
    for number in range(-(-_REPLICATES // size)):
        unseen = config.train.num_updates + number
        batch = faces_at(unseen, np.arange(size), faces, config=config)
        step = jnp.asarray(unseen, jnp.int32)
        crops, points = _cut_examples(
            step,
            jnp.arange(size),
            batch,
            config=config,
            mean_shape=params["mean_shape"],
        )
        crops, points = jax.device_get((crops, points))
        found = predict(params, crops, config=model, num_steps=model.max_steps)
        paths.append(np.asarray(found.trajectory))
        truths.append(points)
    trajectory, truth = np.concatenate(paths, axis=1), np.concatenate(truths)
    corners = truth[:, list(model.markup.eye_corners)]
    if not np.isfinite(corners).all((1, 2)).any():
        return config.model.tolerance  # of partial annotation that has no eye distance
    start = np.broadcast_to(params["mean_shape"], truth.shape)
    return calibrate_tolerance(
        trajectory, start, truth, markup=model.markup, norm=model.increment_norm
    )
