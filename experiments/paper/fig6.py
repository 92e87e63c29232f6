"""Fig. 6: error and size of the increment by recurrence, for easy, hard and all faces.

python -m rcsr_jax.experiments.paper.fig6 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
"""

import itertools

import numpy as np

from rcsr_jax.curves import save_convergence
from rcsr_jax.evaluation import Evaluation
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import FACE_68
from rcsr_jax.refine import increment_size

from ..markdown import table
from ..variants import easy_and_hard
from .scoring import face_errors, judge, score_adaptive, with_steps
from .study import Study, finish, rcsr_model, run

STEPS = 20


def make(study: Study) -> None:
    """Follows every face for 20 steps and writes both curves with the threshold."""
    predictor = with_steps(rcsr_model(study), STEPS)
    found = judge(study, predictor)
    groups, told = _groups(study, found)
    errors = np.stack([face_errors(points, found) for points in found.fixed[:STEPS]])
    sizes = _increments(predictor, found)
    errors_by_group = {
        name: _by_step(100 * errors[:, faces]) for name, faces in groups.items()
    }
    sizes_by_group = {name: _by_step(sizes[:, faces]) for name, faces in groups.items()}
    tolerance = predictor.config.tolerance
    save_convergence(study.out / "fig6_error.png", errors_by_group)
    save_convergence(
        study.out / "fig6_increment.png",
        sizes_by_group,
        label="shape increment / eye distance",
        level=("threshold", tolerance),
        logarithmic=True,
    )
    adaptive = face_errors(found.adaptive.points, found)
    row = score_adaptive(study, "RCSR adaptive", predictor, found)
    row |= {
        "tolerance": tolerance,
        "by_step": errors_by_group,
        "increment_by_step": sizes_by_group,
    }
    finish(
        study,
        "fig6",
        title="Fig. 6: convergence",
        rows=[row],
        tables=[
            table(
                ("Faces", "number", "best step", "error there", "adaptive"),
                [
                    (
                        name,
                        len(groups[name]),
                        min(curve, key=curve.__getitem__),
                        min(curve.values()),
                        float(100 * adaptive[groups[name]].mean()),
                    )
                    for name, curve in errors_by_group.items()
                ],
            )
        ],
        pictures=["fig6_error.png", "fig6_increment.png"],
        notes=[*told, f"threshold {tolerance:g} eye distances, learned in training"],
    )


def _increments(predictor: Predictor, found: Evaluation) -> np.ndarray:
    """How far each face moved in each step, in eye distances: [steps, faces]."""
    shapes = np.concatenate([found.mean_shape[None], found.fixed[:STEPS]])
    norm = predictor.config.increment_norm
    return np.stack(
        [
            increment_size(new, old, markup=FACE_68, norm=norm)
            for old, new in itertools.pairwise(shapes)
        ]
    )


def _groups(study: Study, found: Evaluation) -> tuple[dict[str, np.ndarray], list[str]]:
    """Easy, hard and all faces; what stands in where the challenging set is not there."""
    place = {name: index for index, name in enumerate(found.names)}
    everything = np.arange(len(found.names))
    if {"common", "challenging"} <= set(study.test_sets):
        easy, hard = (
            np.array(
                [place[name] for name in study.test_sets[test_set] if name in place]
            )
            for test_set in ("common", "challenging")
        )
        return {
            "easy (common)": easy,
            "hard (challenging)": hard,
            "all": everything,
        }, []
    easy, hard = easy_and_hard(face_errors(found.mean_shape, found))
    told = (
        "without both test sets of 300-W, hard is the fifth of the faces that lie "
        "furthest from the mean shape"
    )
    return {"easy": easy, "hard": hard, "all": everything}, [told]


def _by_step(values: np.ndarray) -> dict[int, float]:
    return {step: float(row.mean()) for step, row in enumerate(values, start=1)}


if __name__ == "__main__":
    run(make)
