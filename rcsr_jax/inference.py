"""A photo and boxes in, landmarks out."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rcsr_jax.box_checks import as_boxes, check_boxes
from rcsr_jax.checkpoint import load_params
from rcsr_jax.config import ModelConfig, check_model_config
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.data.images import checked_image
from rcsr_jax.geometry import (
    Frame,
    frame_of_box,
    frames_at,
    join_frames,
    to_photo,
    whole_frames,
)
from rcsr_jax.landmarks import Faces, faces_in_photo
from rcsr_jax.looks import (
    Sight,
    frames_around,
    look_again,
    look_in_mirror,
    split_sights,
    tilt_worth_turning,
)
from rcsr_jax.model import Params, check_model_params
from rcsr_jax.pieces import (
    finish_pieces,
    largest_piece,
    piece_sizes,
    platform_of,
    start_pieces,
)
from rcsr_jax.prediction import Prediction, annotated, mirrored_back
from rcsr_jax.refine import Estimate
from rcsr_jax.stream import answers
from rcsr_jax.weights import model_source

_STREAM_BATCH = 64  # at most: photos wait in memory for their batch
_STREAM_THREADS = 8  # at most

Photo = tuple[np.ndarray, np.ndarray]  # an image and its boxes, as for a call
# a photo, if it may be looked at again, its crops and where they lie
_Cut = tuple[np.ndarray | None, np.ndarray, Frame]
_Started = tuple[list[Prediction], list[_Cut]]


@dataclasses.dataclass(frozen=True, eq=False)
class Predictor:
    """Finds landmarks in photos; a pure function with its parameters held.

    A program is compiled when a call needs it first, of a handful for any number of
    faces; `compile` does that beforehand. Threads may share a predictor. Processes each
    need their own: a spawned one may be sent it, in a forked one any predictor raises
    RuntimeError, as JAX would wait for ever there.

    Attributes:
        params: the pytree that `rcsr_jax.predict` takes; put on the device once.
        config: the model's settings, likewise.
    """

    params: Params
    config: ModelConfig

    def __post_init__(self):
        check_model_config(self.config)
        check_model_params(self.params)
        _check_process()
        object.__setattr__(self, "params", jax.device_put(self.params))

    def __repr__(self) -> str:
        config = self.config
        return (
            f"Predictor({config.num_points} landmarks of {config.markup.name!r}, crops of "
            f"{config.crop_size} px)"
        )

    def __reduce__(self):
        # to be sent to a spawned process, where it is put on the device again
        return type(self), (jax.device_get(self.params), self.config)

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
            ValueError: the image is no picture, or a box is inverted, not finite, smaller
                than a pixel or outside the image.
        """
        return self.look(image, self.frames(image, boxes), num_steps=num_steps).faces

    def look(
        self, image: np.ndarray, frames: Frame, *, num_steps: int | None = None
    ) -> Sight:
        """The landmarks of faces in these frames, and what they were read from.

        A face that does not lie in its crop as faces do, by the landmarks found, is cut
        out anew around these, upright, and looked at again: `config.max_looks` times in
        all. So a box may be off and a head tilted further than the network has learned.
        Where `config.mirrored_look` says so every face is looked at once more, in the
        mirror, and the answer is the mean.

        Args:
            image: uint8 [height, width] or [height, width, 3].
            frames: of the first look, of `frames` for instance.
            num_steps: as in the call.

        Raises:
            ValueError: the image is no picture, or a frame lies outside it.
        """
        image, frames = checked_image(image), whole_frames(frames)
        sight = self._see(self.cut(image, frames), frames, num_steps=num_steps)
        return self._look_again(sight, lambda face: image, num_steps=num_steps)

    def stream(
        self,
        items: Iterable[Photo | Callable[[], Photo]],
        *,
        num_steps: int | None = None,
        batch_size: int | None = None,
        num_threads: int | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[Faces | Exception]:
        """The faces of many photos, in their order; faster than photo by photo.

        Threads load and cut the next photos while the device works, and the faces of
        several photos share a batch. Each answer is that of a call with the photo. For
        live video call the predictor itself: a stream reads on before it answers. Up to
        three batches of photos with faces are in memory, for further looks; of models
        that look once those that are just being cut.

        Args:
            items: (image, boxes) as for a call, or functions that load and return them:
                those run on the threads.
            num_steps: as in the call.
            batch_size: faces that share a batch, and photos that are read ahead; by
                default what suits the device, at most 64.
            num_threads: by default one for each processor, at most 8.
            return_exceptions: a photo that fails is answered with its exception and the
                others go on; by default it is raised in place of its answer.

        Raises:
            ValueError: a number is below 1; and as in the call.
        """
        sights = self.sights(
            items,
            num_steps=num_steps,
            batch_size=batch_size,
            num_threads=num_threads,
            return_exceptions=return_exceptions,
        )
        return (s if isinstance(s, Exception) else s.faces for s in sights)

    def sights(
        self,
        items: Iterable[Photo | Callable[[], Photo]],
        *,
        num_steps: int | None = None,
        batch_size: int | None = None,
        num_threads: int | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[Sight | Exception]:
        """What is seen of the faces of many photos: of each what `look` returns.

        Args, raises: those of `stream`.
        """
        if batch_size is None:
            batch_size = min(largest_piece(platform_of(self.params)), _STREAM_BATCH)
        if num_threads is None:
            num_threads = min(os.cpu_count() or 1, _STREAM_THREADS)
        if batch_size < 1 or num_threads < 1:
            raise ValueError(
                f"batch_size and num_threads must be at least 1; got {batch_size} and "
                f"{num_threads}."
            )

        def cut(item: Photo | Callable[[], Photo]) -> _Cut:
            image, boxes = _as_photo(item() if callable(item) else item)
            image = checked_image(image)
            crops, frames = self.crops(image, boxes)
            again = self._looks_again and len(crops)
            return image if again else None, crops, frames

        def start(cuts: list[_Cut]) -> _Started:
            crops = np.concatenate([crops for _, crops, _ in cuts])
            return self._start(crops, num_steps), cuts

        def finish(running: _Started) -> Iterator[Sight]:
            started, cuts = running
            images, crops, frames = zip(*cuts, strict=True)
            counts = [len(piece) for piece in crops]
            sight = self._finish(started, np.concatenate(crops), join_frames(frames))
            photos = np.repeat(np.arange(len(counts)), counts)
            seen = self._look_again(
                sight, lambda face: images[photos[face]], num_steps=num_steps
            )
            return split_sights(seen, counts)

        return answers(
            items,
            prepare=cut,
            start=start,
            finish=finish,
            weigh=lambda cut: len(cut[1]),
            batch_weight=batch_size,
            num_threads=num_threads,
            return_exceptions=return_exceptions,
        )

    def compile(
        self, batches: Sequence[int] = (1,), *, num_steps: int | None = None
    ) -> "Predictor":
        """Compiles what calls with these numbers of faces need, so that none waits for it.

        Args:
            batches: numbers of faces.
            num_steps: as in those calls.

        Returns:
            The predictor itself: `load_predictor("run").compile((1, 8))`.

        Raises:
            ValueError: these are no numbers of faces.
        """
        size = self.config.crop_size
        counts = {0, *_checked_batches(batches)}
        if self._looks_again:  # at any number of them
            counts |= set(range(1, max(counts)))
        platform = platform_of(self.params)
        for piece in {n for c in counts for n in piece_sizes(c, platform=platform)}:
            blank = np.zeros((piece, size, size), np.uint8)
            jax.block_until_ready(self._start(blank, num_steps))
        return self

    def crops(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, Frame]:
        """The crops of a first look, and where they lie in the photo.

        Args, raises: those of the call.

        Returns:
            uint8 [faces, crop_size, crop_size] and their frames.
        """
        frames = self.frames(image, boxes)
        return self.cut(image, frames), frames

    def frames(self, image: np.ndarray, boxes: np.ndarray) -> Frame:
        """The frames around boxes.

        Args, raises: those of the call.
        """
        boxes = as_boxes(boxes)
        check_boxes(boxes, checked_image(image).shape)
        config = self.config
        return frame_of_box(
            boxes, frame_scale=config.frame_scale, size=config.crop_size
        )

    def cut(self, image: np.ndarray, frames: Frame) -> np.ndarray:
        """What frames show of a photo: uint8 [faces, crop_size, crop_size].

        Raises:
            ValueError: the image is no picture, or a frame lies outside it.
        """
        image, frames = checked_image(image), whole_frames(frames)
        size = self.config.crop_size
        crops = [
            cut_crop(image, frames_at(frames, face), size=size)
            for face in range(len(frames.scale))
        ]
        return np.array(crops, np.uint8).reshape(-1, size, size)

    def from_crops(
        self, crops: np.ndarray, frames: Frame, *, num_steps: int | None = None
    ) -> Faces:
        """The landmarks of crops that are cut already, in pixels of their photos.

        There is no second look at a face, for lack of its photo.

        Args:
            crops: uint8 [faces, crop_size, crop_size].
            frames: where each crop lies in its photo.
            num_steps: as in the call.

        Raises:
            ValueError: there are not as many frames as crops, or crops are of another
                size.
        """
        crops = np.asarray(crops)
        frames = _frames_of(crops, frames)
        return self._see(crops, frames, num_steps=num_steps).faces

    def resume(
        self, crops: np.ndarray, frames: Frame, *, start: Estimate | None = None
    ) -> tuple[Faces, Estimate]:
        """The landmarks of crops, from what is known of them; and what is known then.

        Args:
            crops: uint8 [faces, crop_size, crop_size].
            frames: where each crop lies in its photo.
            start: points in pixels of the crops and the memory behind them, as an earlier
                call returned; by default the mean shape and an empty memory.

        Returns:
            The faces in pixels of their photos, and the estimate they ended with.

        Raises:
            ValueError: those of `from_crops`, and a start of another shape.
        """
        crops = np.asarray(crops)
        frames = _frames_of(crops, frames)
        running = self._start(crops, None, start=start)
        sight = self._finish(running, crops, frames, start=start)
        return sight.faces, sight.estimate

    def _start(
        self,
        crops: np.ndarray,
        num_steps: int | None,
        *,
        start: Estimate | None = None,
    ) -> list[Prediction]:
        _check_process()
        return start_pieces(
            self.params, crops, config=self.config, num_steps=num_steps, start=start
        )

    def _see(
        self,
        crops: np.ndarray,
        frames: Frame,
        *,
        num_steps: int | None,
        mirrored: bool = False,
    ) -> Sight:
        """A single look; mirrored: at the mirror images of the crops."""
        seen = crops[:, :, ::-1] if mirrored else crops
        started = self._start(seen, num_steps)
        return self._finish(started, crops, frames, mirrored=mirrored)

    def _finish(
        self,
        pieces: list[Prediction],
        crops: np.ndarray,
        frames: Frame,
        *,
        start: Estimate | None = None,
        mirrored: bool = False,
    ) -> Sight:
        found = finish_pieces(pieces, num_faces=len(crops))
        if mirrored:
            found = mirrored_back(found, config=self.config)
        first = self._first_shape if start is None else start.points
        return Sight(
            faces=faces_in_photo(found, frames, first=first, config=self.config),
            estimate=Estimate(found.points, found.hidden),
            crops=crops,
            frames=frames,
            num_looks=np.ones(len(crops), np.int32),
        )

    def _look_again(
        self,
        sight: Sight,
        photo_of: Callable[[int], np.ndarray],
        *,
        num_steps: int | None,
    ) -> Sight:
        see = functools.partial(self._see, num_steps=num_steps)
        shape, config = self._first_shape, self.config
        sight = look_again(
            sight, photo_of=photo_of, see=see, mean_shape=shape, config=config
        )
        if not config.mirrored_look:
            return sight
        see = functools.partial(see, mirrored=True)
        return look_in_mirror(
            sight, photo_of=photo_of, see=see, mean_shape=shape, config=config
        )

    @property
    def _looks_again(self) -> bool:
        """Whether a face may be looked at more often than once."""
        return self.config.max_looks > 1 or self.config.mirrored_look

    def first_shapes(self, frames: Frame) -> np.ndarray:
        """The shape that the steps begin with: the mean shape, moved like all behind it.

        Args:
            frames: where each crop lies in its photo.

        Returns:
            float32 [faces, num_points, 2], in pixels of the photos.
        """
        return to_photo(self._first_shape, frames).astype(np.float32)

    def frames_around(
        self, points: np.ndarray, *, angle: np.ndarray | None = None
    ) -> Frame:
        """The frames in which shapes lie as faces do.

        Args:
            points: float [faces, num_points, 2], pixels of the photos.
            angle: float [faces], radians by which the frames are turned; by default as the
                faces are, but for a tilt below 10 degrees.
        """
        return frames_around(
            points,
            mean_shape=self._first_shape,
            markup=self.config.markup,
            angle=angle,
        )

    def turns_of(self, points: np.ndarray) -> np.ndarray:
        """By how much the crops of shapes are turned: as the faces, from 10 degrees on.

        Args:
            points: float [faces, num_points, 2], pixels of the photos.

        Returns:
            float64 [faces], radians.
        """
        return tilt_worth_turning(
            points, mean_shape=self._first_shape, markup=self.config.markup
        )

    @functools.cached_property
    def _first_shape(self) -> np.ndarray:
        shape = annotated(self.params["mean_shape"], config=self.config)
        return np.asarray(shape, np.float32)


def load_predictor(
    checkpoint: str | Path | None = None, *, preset: str | None = None
) -> Predictor:
    """The predictor of a trained model.

    Args:
        checkpoint: a work folder, a checkpoint, an exported folder, a weights file or the
            name of weights that come with the package, which are taken by default.
        preset: which of these to take, in place of "base".

    Raises:
        ValueError: the checkpoint is none of these, there are no weights of the preset,
            or both are given.
    """
    params, config = load_params(model_source(checkpoint, preset=preset))
    return Predictor(params, config.model)


@functools.cache
def _first_process() -> int:
    """The process of the first predictor, remembered in those that are forked from it."""
    return os.getpid()


def _check_process() -> None:
    """Refuses a process in which JAX would wait for ever.

    Raises:
        RuntimeError: it was forked from one that has had a predictor.
    """
    if _first_process() != os.getpid():
        raise RuntimeError(
            "this process was forked from one that runs JAX, which cannot work here: "
            'start it with multiprocessing.get_context("spawn"), or load the predictor '
            "in it before the parent uses JAX."
        )


def _as_photo(item: Any) -> Photo:
    """An item of a stream.

    Raises:
        ValueError: it is not an image and its boxes.
    """
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise ValueError(
            "a stream takes (image, boxes), or functions that load and return them; got "
            f"{type(item).__name__}."
        )
    return item[0], item[1]


def _frames_of(crops: np.ndarray, frames: Frame) -> Frame:
    """The frames of crops, one for each.

    Raises:
        ValueError: there are not as many, or this is a single crop.
    """
    frames = whole_frames(frames)
    if np.ndim(crops) < 3:
        raise ValueError(
            f"crops are [faces, crop_size, crop_size], of one face as well; got "
            f"{np.shape(crops)}."
        )
    if len(crops) != len(frames.scale):
        raise ValueError(
            f"each crop has its frame; got {len(crops)} crops and "
            f"{len(frames.scale)} frames."
        )
    return frames


def _checked_batches(batches: Sequence[int]) -> Sequence[int]:
    """Numbers of faces, checked.

    Raises:
        ValueError: they are no whole numbers from 1 on.
    """
    numbers = np.asarray(batches)
    whole = numbers.ndim == 1 and numbers.size and numbers.dtype.kind in "iu"
    if not whole or (numbers < 1).any():
        raise ValueError(f"batches must be like (1, 8); got {batches!r}.")
    return batches
