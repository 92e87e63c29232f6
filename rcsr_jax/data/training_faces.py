"""The faces of a run: those it trains on, those it holds out, and those of its end."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data import crops
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.held_out import hold_out, may_be_same_face, photo_of, split_by_photos
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.rows import joined
from rcsr_jax.data.sources import (
    OnProgress,
    check_boxes,
    last_names_of,
    names_of,
    open_cached,
)
from rcsr_jax.geometry import Frame, join_frames, overlap

_SAME_FACE = 0.5  # of the windows of two crops, what they share


def open_faces(
    model: ModelConfig,
    data: DataConfig,
    *,
    folder: str | Path,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[CropCache, CropCache]:
    """The faces to train on and those to validate on, by whole photos.

    Of several data sets the first gives the faces to validate on, so that errors of runs
    with and without the others compare. Where these are in another one as well, as in the
    same faces with taught landmarks, they are refused there.

    Args:
        model: gives the crop and the markup.
        data: names the data, how many faces to hold out and how many to train on.
        folder: the caches of data that is not prepared yet go to `folder/crops`.
        on_progress: called with (faces done, faces) while crops are cut.

    Raises:
        ValueError: the data cannot be read, there are boxes for faces that all have one
            already, a model has taught landmarks to validate on, or nothing is left to
            train on.
    """
    names = names_of(data)
    check_boxes(data)
    if data.validation_faces < 1:
        raise ValueError(
            f"validation_faces must be at least 1; got {data.validation_faces}."
        )
    held_out = [data.validation_faces, *(0 for _ in names[1:])]
    first, *others = [
        open_cached(
            name,
            model,
            data,
            folder=Path(folder),
            held_out=count,
            on_progress=on_progress,
        )
        for name, count in zip(names, held_out, strict=True)
    ]
    rest, held = _taken(first, hold_out(first.names, count=data.validation_faces))
    if crops.is_cache(names[0]):
        crops.check_annotated(names[0], held.names)
    size = crops.cached_size(model, data)
    others = [_not_held_out(other, held, size=size) for other in others]
    training = _join([rest, *others]) if others else rest
    if data.training_faces > len(training.names):
        raise ValueError(
            f"training_faces is {data.training_faces}, and {len(training.names)} faces "
            "are there to train on."
        )
    if 0 < data.training_faces < len(training.names):
        parts = split_by_photos(training.names, count=data.training_faces)
        _, training = _taken(training, parts)
    return training, held


def open_last_faces(
    model: ModelConfig,
    data: DataConfig,
    *,
    held: CropCache,
    folder: str | Path,
    on_progress: OnProgress = lambda done, total: None,
) -> CropCache:
    """The faces of the last updates, without those that are validated on.

    Args:
        model: gives the crop and the markup.
        data: names them, `last_data`.
        held: the faces to validate on, from `open_faces`.
        folder: the caches of data that is not prepared yet go to `folder/crops`.
        on_progress: called with (faces done, faces) while crops are cut.

    Raises:
        ValueError: the data cannot be read, or no face is left.
    """
    size = crops.cached_size(model, data)
    every = [
        _not_held_out(
            open_cached(
                name, model, data, folder=Path(folder), on_progress=on_progress
            ),
            held,
            size=size,
        )
        for name in last_names_of(data)
    ]
    faces = _join(every) if len(every) > 1 else every[0]
    if not faces.names:
        raise ValueError(
            f"last_data {data.last_data} holds no face but those that are held out to "
            "validate on."
        )
    return faces


def _taken(
    cache: CropCache, parts: tuple[Sequence[str], Sequence[str]]
) -> tuple[CropCache, CropCache]:
    """The faces of a cache whose names are in either part."""
    place = {name: index for index, name in enumerate(cache.names)}
    first, second = ([place[name] for name in names] for names in parts)
    return cache.take(first), cache.take(second)


def _not_held_out(cache: CropCache, held: CropCache, *, size: int) -> CropCache:
    """The faces of another data set, without those that are validated on.

    One data set may be a folder inside the other, so of two paths one may be the end of the
    other. Images of data sets that have nothing to do with each other may have the same
    name: a face is the same where its crop lies in the image like that of the held-out one.
    """
    seen: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)  # by photo
    for name, window in zip(held.names, _windows(held.frames, size), strict=True):
        seen[PurePosixPath(photo_of(name)).name].append((name, window))

    def is_held(name: str, window: np.ndarray) -> bool:
        return any(
            may_be_same_face(name, other) and overlap(window, theirs) > _SAME_FACE
            for other, theirs in seen.get(PurePosixPath(photo_of(name)).name, ())
        )

    again = [
        is_held(name, window)
        for name, window in zip(cache.names, _windows(cache.frames, size), strict=True)
    ]
    kept = cache.kept([not left_out for left_out in again])
    refused = tuple(
        Refusal(name, "the first data set holds it out to validate on")
        for name, left_out in zip(cache.names, again, strict=True)
        if left_out
    )
    return kept._replace(refused=kept.refused + refused)


def _windows(frames: Frame, size: int) -> np.ndarray:
    """What frames show of a photo: float [faces, 4], (x0, y0, x1, y1)."""
    side = size * frames.scale[:, None]
    corner = frames.corner - frames.scale[:, None] / 2
    return np.concatenate([corner, corner + side], axis=-1)


def _join(caches: Sequence[CropCache]) -> CropCache:
    return CropCache(
        joined([cache.crops for cache in caches]),
        joined([cache.points for cache in caches]),
        join_frames([cache.frames for cache in caches]),
        tuple(f"{n}/{name}" for n, cache in enumerate(caches) for name in cache.names),
        tuple(refusal for cache in caches for refusal in cache.refused),
    )
