"""Supervised descent on the faces of a study: the first row of Table 4."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax.annotated_faces import AnnotatedFaces, annotated_faces
from rcsr_jax.box_checks import as_boxes, check_boxes
from rcsr_jax.config import ModelConfig, RunConfig, replace_fields
from rcsr_jax.data.batches import TrainingSet, examples, faces_at
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.cutting import Source, cut_crop
from rcsr_jax.data.sources import use_each
from rcsr_jax.data.training_faces import open_faces
from rcsr_jax.descent import descend, fit_descent
from rcsr_jax.geometry import Frame, frame_of_box, to_photo
from rcsr_jax.validation import Judge, mean_in_crops

from .budgets import DESCENT
from .scoring import score
from .study import Study

_BATCH = 64  # faces at once


def judge_descent(study: Study) -> tuple[dict[str, Any], np.ndarray, AnnotatedFaces]:
    """Fits supervised descent and judges it.

    Returns:
        its row of Table 4, with `nme_validation` of the faces held out of training; the
        shapes of the test faces, px of the photos; and these faces.
    """
    budget = study.budget
    seen = replace_fields(
        study.run,
        {
            # what varies a face's first shape, and nothing of its light
            **dict.fromkeys(("contrast", "brightness", "gamma", "noise"), 0.0),
            "occlusion": 0.0,
            "crop_size": budget.descent_crop,
            "batch_size": min(study.run.train.batch_size, _BATCH),
        },
    )
    training, held = open_faces(
        seen.model, seen.data, folder=study.out / "models/descent"
    )
    shape = mean_in_crops(training, seen.model, seen.data)
    crops, points = _views(training, seen, budget.views, mean_shape=shape)
    fitted = fit_descent(crops, points, mean_shape=shape, config=budget.descent)
    tests, test_crops, frames = _cut_tests(seen.model, study)

    def find(some: np.ndarray) -> np.ndarray:
        pieces = [
            descend(fitted, some[start : start + _BATCH], config=budget.descent)[-1]
            for start in range(0, len(some), _BATCH)
        ]
        return np.concatenate(pieces)

    last = find(test_crops)  # compiles
    started = time.perf_counter()
    find(test_crops)
    seconds = time.perf_counter() - started
    held_out = Judge(held, seen)
    found = to_photo(last, frames).astype(np.float32)
    row = score(
        study,
        DESCENT,
        found,
        tests,
        num_steps_mean=float(len(budget.descent.patch_sizes)),
        milliseconds_per_face=1e3 * seconds / len(last),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(fitted["levels"])),
        nme_validation=held_out.error(find(held_out.crops)),
    )
    return row, found, tests


def _cut_tests(
    model: ModelConfig, study: Study
) -> tuple[AnnotatedFaces, np.ndarray, Frame]:
    """The test faces, their crops and where these lie."""
    size = model.crop_size

    def cut(source: Source) -> tuple:
        image, points, box = source.load()
        check_boxes(as_boxes(box), image.shape)
        frame = frame_of_box(box, frame_scale=model.frame_scale, size=size)
        return (source.name, points, box), cut_crop(image, frame, size=size), frame

    cuts, refused = use_each(study.tests, cut, purpose="evaluated")
    loaded, crops, frames = zip(*cuts, strict=True)
    every = Frame(*map(np.stack, zip(*frames, strict=True)))
    return annotated_faces(loaded, refused), np.stack(crops), every


def _views(
    training: CropCache, seen: RunConfig, count: int, *, mean_shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Views of every training face, and their landmarks."""
    faces = TrainingSet(training.crops, training.points)
    places = np.arange(seen.train.batch_size)
    batch = functools.partial(faces_at, places=places, faces=faces, config=seen)
    cut = jax.jit(functools.partial(examples, config=seen, mean_shape=mean_shape))
    steps = count * max(len(faces.crops) // seen.train.batch_size, 1)
    made = [
        jax.device_get(cut(jnp.asarray(step), places, batch(step)))
        for step in range(steps)
    ]
    crops, points = (np.concatenate(arrays) for arrays in zip(*made, strict=True))
    crops = np.rint(crops).clip(0, 255).astype(np.uint8)
    return crops, points
