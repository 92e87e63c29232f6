"""A photo and boxes in, landmarks out."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from rcsr_jax.checkpoint import load_params
from rcsr_jax.config import ModelConfig
from rcsr_jax.data.crops import check_image, cut_crop
from rcsr_jax.geometry import Frame, frame_of_box, to_photo
from rcsr_jax.model import Params, Prediction, predict, predict_adaptive

MAX_BATCH = 64  # larger calls go in pieces: memory and compiled programs stay bounded


class Faces(NamedTuple):
    """The landmarks of the faces of one photo.

    Attributes:
        points: float32 [faces, num_points, 2], (x, y) in pixels of the photo.
        num_steps: int32 [faces], recurrences taken.
        settled: bool [faces], whether the shape stood still at the end.
        trajectory: float32 [steps, faces, num_points, 2], the shape after each step; a
            face that stopped early keeps its last shape.
        spread: float32 [faces, num_points], pixels: how far each landmark moved in the
            last step. Small where the model has made up its mind.
    """

    points: np.ndarray
    num_steps: np.ndarray
    settled: np.ndarray
    trajectory: np.ndarray
    spread: np.ndarray


@dataclasses.dataclass(frozen=True)
class Predictor:
    """Finds landmarks in photos; a pure function with its parameters held.

    Attributes:
        params: the pytree that `rcsr_jax.predict` takes.
        config: the model's settings, likewise.
    """

    params: Params
    config: ModelConfig

    def __call__(
        self, image: np.ndarray, boxes: np.ndarray, *, num_steps: int | None = None
    ) -> Faces:
        """The landmarks of the faces in these boxes.

        Args:
            image: uint8 [height, width] or [height, width, 3].
            boxes: float [faces, 4] or [4], (x0, y0, x1, y1) in pixels.
            num_steps: a fixed number of recurrences; by default each face stops by
                itself.

        Raises:
            ValueError: the image is no picture, or a box is inverted, not finite or
                outside the image.
        """
        image = np.asarray(image)
        crops, frames = self.crops(image, boxes)
        return self.from_crops(crops, frames, num_steps=num_steps)

    def crops(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, Frame]:
        """The crops that the network sees, and where they lie in the photo.

        Args, raises: those of the call.

        Returns:
            uint8 [faces, crop_size, crop_size] and their frames.
        """
        boxes = np.asarray(boxes, np.float64)
        if boxes.shape in ((4,), (0,)):  # one box; an empty list
            boxes = boxes.reshape(-1, 4)
        check_image(image)
        check_boxes(boxes, image.shape)
        size = self.config.crop_size
        frames = frame_of_box(boxes, frame_scale=self.config.frame_scale, size=size)
        crops = [
            cut_crop(image, Frame(corner, scale), size=size)
            for corner, scale in zip(*frames, strict=True)
        ]
        return np.array(crops, np.uint8).reshape(-1, size, size), frames

    def from_crops(
        self, crops: np.ndarray, frames: Frame, *, num_steps: int | None = None
    ) -> Faces:
        """The landmarks of crops that are cut already, in pixels of their photos.

        Args:
            crops: uint8 [faces, crop_size, crop_size].
            frames: where each crop lies in its photo.
            num_steps: as in the call.
        """
        pieces = [
            self._predict(crops[first : first + MAX_BATCH], num_steps)
            for first in range(0, max(len(crops), 1), MAX_BATCH)
        ]
        trajectory = np.concatenate([piece.trajectory for piece in pieces], axis=1)
        trajectory = to_photo(trajectory, frames).astype(np.float32)
        first = to_photo(np.asarray(self.params["mean_shape"]), frames)[None]
        shapes = np.concatenate([first, trajectory]).astype(np.float32)
        num_taken = np.concatenate([piece.num_steps for piece in pieces])
        faces = np.arange(len(crops))
        last, before = shapes[num_taken, faces], shapes[num_taken - 1, faces]
        return Faces(
            points=last,
            num_steps=num_taken,
            settled=np.concatenate([piece.settled for piece in pieces]),
            trajectory=trajectory,
            spread=np.linalg.norm(last - before, axis=-1),
        )

    def _predict(self, crops: np.ndarray, num_steps: int | None) -> Prediction:
        """A batch, filled up to a power of two so that few programs are compiled."""
        bucket = 1 << max(len(crops) - 1, 0).bit_length()
        size = self.config.crop_size
        filled = np.zeros((bucket, size, size), np.uint8)
        filled[: len(crops)] = crops
        if num_steps is None:
            found = predict_adaptive(self.params, filled, config=self.config)
        else:
            found = predict(
                self.params, filled, config=self.config, num_steps=num_steps
            )
        found = jax.device_get(found)
        kept = len(crops)
        return Prediction(
            found.points[:kept],
            found.num_steps[:kept],
            found.settled[:kept],
            found.trajectory[:, :kept],
        )


def load_predictor(checkpoint: str | Path) -> Predictor:
    """The predictor of a trained model.

    Args:
        checkpoint: a work folder, a checkpoint or an exported folder.

    Raises:
        ValueError: the folder is none of these.
    """
    params, config = load_params(checkpoint)
    return Predictor(params, config.model)


def check_boxes(boxes: np.ndarray, shape: tuple[int, ...]) -> None:
    """Checks that boxes are boxes and meet an image.

    Args:
        boxes: float [faces, 4].
        shape: of the image, (height, width, ...).

    Raises:
        ValueError: naming the first box that is not.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be [faces, 4]; got {boxes.shape}.")
    height, width = shape[:2]
    for x0, y0, x1, y1 in boxes:
        box = f"box ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
        if not np.isfinite([x0, y0, x1, y1]).all() or not (x0 < x1 and y0 < y1):
            raise ValueError(
                f"{box} is inverted, empty or not finite; boxes are (x0, y0, x1, y1)."
            )
        if x1 <= 0 or y1 <= 0 or x0 >= width - 1 or y0 >= height - 1:
            raise ValueError(
                f"{box} lies outside the image of {width} x {height} pixels."
            )
