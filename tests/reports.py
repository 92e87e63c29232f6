"""A report with every part, small enough to check by hand."""

import numpy as np
import tiny

from rcsr_jax.markup import FACE_68
from rcsr_jax.report import ReportData
from rcsr_jax.report.gallery import SIDE, GalleryFace


def summary(error, **more):
    return {
        "num_faces": 224,
        "num_measured": 224,
        "nme_interocular": error,
        "nme_interpupil": error / 0.7,
        "nme_box": error / 2,
        "auc_08": 51.234,
        "failure_rate_08": 3.125,
        **more,
    }


def picture(face):
    """A smooth picture, so that JPEG keeps it."""
    ramp = np.linspace(20 * face, 230, SIDE)
    image = np.stack([np.tile(ramp, (SIDE, 1)), np.tile(ramp, (SIDE, 1)).T], axis=-1)
    return np.concatenate([image, image[..., :1]], axis=-1).astype(np.uint8)


def gallery_face(index, *, groups, errors):
    truth = (tiny.mean_shape() * 9 + 10).astype(np.float32)
    truth[3] = np.nan
    shapes = truth + np.array(errors, np.float32)[:, None, None]
    return GalleryFace(
        name=f"{'ba'[index]}.png",
        groups=groups,
        image=picture(index),
        truth=truth,
        shapes=shapes,
        errors=np.array(errors, float),
        box=np.array([20, 20, 300, 300], np.float32),
        settled=True,
        ellipses=np.tile(np.float32([8, 4, -30]), (68, 1)),
        score=0.25 + 0.5 * index,
    )


TRUST = {
    "num_judged": 224,
    "num_failures": 7,
    "failures_caught": 71.4,
    "reliability": {
        "expected": [1.0, 4.0],
        "actual": [1.5, 5.0],
        "counts": [9, 9],
        "gap": 0.75,
    },
    "score_reliability": {
        "expected": [60.0, 95.0],
        "actual": [58.0, 97.0],
        "counts": [112, 112],
        "gap": 2.0,
    },
    "risk_coverage": {
        "coverage": [50.0, 100.0],
        "risk": [3.0, 4.0],
        "risk_of_best_order": [2.5, 4.0],
        "area": 3.2,
        "area_of_best_order": 2.9,
    },
}


def full_data(*, trust=True, **changed):
    stepwise = {
        str(n): summary(4 + 4 / n, by_landmark=list(np.linspace(9, 1, 68)))
        for n in range(1, 11)
    }
    fields = {
        "title": "RCSR on the test split",
        "markup": FACE_68,
        "metrics": {
            "ours": summary(
                4.321,
                num_steps_mean=4.5,
                milliseconds_per_face=2.75,
                subsets={"51": summary(3.456), "49": summary(3.333)},
                by_region={"jaw": 6.0, "eyes": 3.0},
                by_landmark=list(np.linspace(0, 10, 68)),
                by_step=stepwise,
                mean_shape={"by_landmark": [20.0] * 68},
                published_sets={
                    "LFPW test": summary(4.321, subsets={"49": summary(3.333)})
                },
                **({"trust": TRUST} if trust else {}),
            ),
            "mean shape": summary(16.6, by_region={"jaw": 12.0, "eyes": np.nan}),
        },
        "errors": {"ours": [0.02, 0.04, 0.08, 0.1], "mean shape": [0.2]},
        "face": tiny.mean_shape(),
        "faces": [
            {"name": "a.png", "nme_interocular": 1.5, "settled": True},
            {"name": "b.png", "nme_interocular": float("nan"), "settled": False},
        ],
        "gallery": [
            gallery_face(0, groups=("worst", "random"), errors=(30, 20, 10)),
            gallery_face(1, groups=("best",), errors=(20, 5)),
        ],
        "refused": [("c.png", "torn")],
        "config": {"model": {"num_steps": 5}},
        "command": "rcsr-evaluate --out=here",
    }
    return ReportData(**{**fields, **changed})
