"""The landmarks of photos for rcsr-predict: loaded and written while the model works."""

import functools
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rcsr_jax.data.images import load_image
from rcsr_jax.detection import FoundBoxes
from rcsr_jax.inference import Faces, Predictor
from rcsr_jax.stream import map_ahead

from .finding import FindBoxes
from .found import Found
from .inputs import Input
from .passed_over import is_to_convert
from .results import Results

_BATCH = 4  # faces; a few times as many photos are held until they are written


def predict_into(
    results: Results,
    photos: Sequence[Input],
    *,
    predictor: Predictor,
    find_boxes: FindBoxes,
    num_steps: int | None,
    num_threads: int,
    drawing: Mapping[str, bool],
    min_score: float,
) -> Generator[Exception | None, None, None]:
    """Predicts and writes photos; for each None, or why it failed.

    Args:
        results: where they go.
        photos: to predict, in this order.
        predictor: finds the landmarks.
        find_boxes: finds the faces of a photo; runs on threads.
        num_steps: recurrences; None: each face stops by itself.
        num_threads: that load and write photos.
        drawing: what is drawn over photos, as `Results.write` takes it.
        min_score: faces below it are left out.
    """
    loaded: dict[Input, tuple[np.ndarray, FoundBoxes]] = {}  # and not yet written

    def load(photo: Input) -> tuple[np.ndarray, np.ndarray]:
        image = _load(photo.path)
        found = find_boxes(photo, image)
        loaded[photo] = image, found
        return image, found[0]

    def write(answer: tuple[Input, Faces | Exception]) -> None:
        photo, faces = answer
        if isinstance(faces, Exception):
            loaded.pop(photo, None)
            raise faces
        image, found = loaded.pop(photo)
        results.write(
            photo,
            Found(image, *found, faces),
            markup=predictor.config.markup,
            min_score=min_score,
            **drawing,
        )

    answers = predictor.stream(
        (functools.partial(load, photo) for photo in photos),
        num_steps=num_steps,
        batch_size=max(_BATCH, num_threads),
        num_threads=num_threads,
        return_exceptions=True,
    )
    return map_ahead(
        write,
        zip(photos, answers, strict=True),
        num_threads=num_threads,
        look_ahead=num_threads,
    )


def _load(path: Path) -> np.ndarray:
    try:
        return load_image(path)
    except ValueError as error:
        if is_to_convert(path.suffix) and path.exists():
            raise ValueError(
                f"{str(error).rstrip('.')}; convert it to JPEG first"
            ) from error
        raise
