"""Table 4: every recurrent and convolutional combination, trained on the same faces.

python -m experiments.paper.table4 --budget=small --data=300W --boxes=BOXES.csv --out=DIR
    # about 15 minutes on two free cores
python -m experiments.paper.table4 --budget=paper --data=300W --boxes=BOXES.csv --out=DIR
    # about a day on a GPU, of which FAUC takes most (counted, not measured)

The linear regressor has a closed form; the others are settings of one model, trained by one
loop for the same number of updates and judged with their own measured stopping rule.
"""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax.config import RunConfig, replace_fields
from rcsr_jax.curves import save_ced, save_convergence
from rcsr_jax.data.sources import open_faces
from rcsr_jax.descent import descend, fit_descent
from rcsr_jax.evaluation import CutFaces, cut_faces
from rcsr_jax.geometry import to_photo
from rcsr_jax.inference import Predictor
from rcsr_jax.updates import Faces, examples, faces_at
from rcsr_jax.validation import mean_in_crops

from . import results
from .budgets import DESCENT, SYSTEMS
from .scoring import face_errors, judge, score, score_adaptive
from .study import Study, finish, learning_curve, run, train_model

PUBLISHED: dict[str, dict[str, float]] = {
    DESCENT: {"common": 5.70, "challenging": 15.77, "full": 7.68},
    "Traditional GRU + HOG": {"common": 4.61, "challenging": 9.94, "full": 5.63},
    "Traditional GRU + SRCNN": {"common": 4.03, "challenging": 9.85, "full": 5.32},
    "Convolutional GRU + LeNet": {"common": 4.63, "challenging": 9.48, "full": 5.59},
    "Convolutional GRU + FAUC": {"common": 4.32, "challenging": 8.96, "full": 5.24},
    "Convolutional GRU + SRCNN": {"common": 4.01, "challenging": 8.58, "full": 4.90},
}
_LOOKS = 5  # at the held-out faces while a system is trained
_BATCH = 64  # faces of supervised descent at once


def make(study: Study) -> None:
    """Trains the six systems; writes the table, error distributions, learning curves."""
    rows, errors, learned = [], {}, {}
    row, points, found = _descent(study)
    rows.append(row)
    errors[DESCENT] = face_errors(points, found)
    for name, structure in SYSTEMS.items():
        changes = {
            **structure,
            **study.budget.systems.get(name, {}),
            "num_updates": study.budget.system_updates,
            "eval_every": max(study.budget.system_updates // _LOOKS, 1),
        }
        predictor = train_model(study, _folder(name), changes)
        judged = judge(study, predictor)
        learned[name] = learning_curve(study, _folder(name))
        row = score_adaptive(study, name, predictor, judged)
        rows.append(row | {"learning_curve": learned[name]})
        errors[name] = face_errors(judged.adaptive.points, judged)
    for row in rows:
        row["published"] = PUBLISHED[row["method"]]
    save_ced(study.out / "table4.png", errors)
    save_convergence(
        study.out / "table4_learning.png",
        learned,
        label="validation NME, inter-ocular (%)",
        across="updates",
    )
    finish(
        study,
        "table4",
        title="Table 4: recurrent and convolutional architectures",
        rows=rows,
        tables=[
            results.set_table(rows),
            results.set_table(rows, num_points=49),
            results.table(
                ("Method", "steps", "parameters", "ms per face"),
                [
                    (
                        row["method"],
                        row["num_steps_mean"],
                        row["parameters"],
                        row["milliseconds_per_face"],
                    )
                    for row in rows
                ],
            ),
        ],
        pictures=["table4.png", "table4_learning.png"],
        notes=[
            f"each trained system had {study.budget.system_updates} updates of "
            f"{study.run.train.batch_size} faces, supervised descent "
            f"{study.budget.views} views of each face",
        ],
    )


def _descent(study: Study) -> tuple[dict[str, Any], np.ndarray, CutFaces]:
    """The row of supervised descent, its shapes and the faces they are of."""
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
    crops, points, shape = _views(study, seen, budget.views)
    fitted = fit_descent(crops, points, mean_shape=shape, config=budget.descent)
    predictor = Predictor(fitted, seen.model)  # for its crops
    cut = cut_faces(predictor, study.tests)

    def find(some: np.ndarray) -> np.ndarray:
        return np.asarray(descend(fitted, some, config=budget.descent))

    find(cut.crops[:_BATCH])  # compiles
    started = time.perf_counter()
    last = np.concatenate(
        [
            find(cut.crops[start : start + _BATCH])[-1]
            for start in range(0, len(cut.crops), _BATCH)
        ]
    )
    seconds = time.perf_counter() - started
    found = to_photo(last, cut.frames).astype(np.float32)
    row = score(
        study,
        DESCENT,
        found,
        cut,
        num_steps_mean=float(len(budget.descent.patch_sizes)),
        milliseconds_per_face=1e3 * seconds / len(last),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(fitted["levels"])),
    )
    return row, found, cut


def _views(
    study: Study, seen: RunConfig, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Views of every training face, their landmarks, and the mean shape in plain crops."""
    training, _ = open_faces(seen.model, seen.data, folder=study.out / "models/descent")
    faces = Faces(training.crops, training.points)
    places = np.arange(seen.train.batch_size)
    batch = functools.partial(faces_at, places=places, faces=faces, config=seen)
    cut = jax.jit(examples, static_argnames="config")
    steps = count * max(len(faces.crops) // seen.train.batch_size, 1)
    made = [
        jax.device_get(cut(jnp.asarray(step), places, batch(step), config=seen))
        for step in range(steps)
    ]
    crops, points = (np.concatenate(arrays) for arrays in zip(*made, strict=True))
    crops = np.rint(crops).clip(0, 255).astype(np.uint8)
    shape = mean_in_crops(training, seen.model, seen.data)
    return crops, points, shape


def _folder(name: str) -> str:
    return name.lower().replace(" ", "_").replace("_+_", "_")


if __name__ == "__main__":
    run(make)
