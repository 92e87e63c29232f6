"""Measures whether a model knows what it cannot see: expected errors under a cover.

python -m rcsr_jax.experiments.hidden --data=300W --boxes=BOXES.csv
    --split=lfpw/testset --out=DIR                       # shipped weights

A grey square is laid over a part of every face; the landmarks under it and the others are
judged apart. Prints a table and writes hidden.json.
"""

import shlex
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from rcsr_jax.annotated_faces import AnnotatedFaces, see_faces
from rcsr_jax.data.sources import read_sources
from rcsr_jax.disturbance import Disturbance, disturbed, hidden_by
from rcsr_jax.inference import Faces, load_predictor
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance, point_errors

from . import outputs, program, settings
from .markdown import table
from .out_folder import define_out

_MODEL = settings.define_model_flags()
_OUT = define_out()
_DATA = settings.define_data_flags(settings.TEST_FACES)

# Left and right as one looks at the photo.
_COVERS = {
    "nothing": Disturbance(),
    "left half": Disturbance(cover=1.4, cover_x=-0.7),
    "right half": Disturbance(cover=1.4, cover_x=0.7),
    "eyes": Disturbance(cover=1.0, cover_y=-0.55),
    "mouth and chin": Disturbance(cover=1.0, cover_y=0.65),
}


def main(arguments: list[str]) -> None:
    """Measures, prints a table and writes hidden.json."""
    program.no_arguments(arguments)
    out = _OUT()
    out.mkdir(parents=True, exist_ok=True)  # or all the work would be for nothing
    data = _DATA()
    predictor = load_predictor(_MODEL())
    sources, refused = read_sources(data.data, predictor.config, data)
    scale = predictor.config.frame_scale
    rows: list[dict[str, Any]] = []
    with outputs.bar(total=len(_COVERS) * len(sources)) as bar:
        for name, cover in _COVERS.items():
            covered = [disturbed(s, cover, frame_scale=scale) for s in sources]
            faces, sight = see_faces(
                predictor,
                covered,
                strict=data.strict,
                on_progress=lambda *_: bar.update(),
            )
            if not rows:
                outputs.tell_refused(refused + faces.refused)
            judged = _judge(sight.faces, faces, cover, markup=predictor.config.markup)
            rows.append({"covered": name, **judged})
    report = {
        "command": shlex.join(["hidden", *sys.argv[1:]]),
        "num_faces": len(faces.names),
        "rows": rows,
    }
    outputs.write_json(out / "hidden.json", report)
    print(_table(rows))
    print(f"wrote {out}/hidden.json")


def _judge(
    found: Faces, faces: AnnotatedFaces, cover: Disturbance, *, markup: Markup
) -> dict[str, float]:
    """Expected and true errors under a cover and beside it, in eye distances, per cent."""
    eyes = interocular_distance(faces.truth, markup=markup)[:, None]
    true = np.asarray(100 * point_errors(found.points, faces.truth) / eyes)
    expected = np.asarray(100 * found.expected_error / eyes)
    under = np.array(
        [
            hidden_by(cover, points, box)
            for points, box in zip(faces.truth, faces.boxes, strict=True)
        ]
    )
    measured = np.isfinite(true)

    def mean(values: np.ndarray, chosen: np.ndarray) -> float:
        chosen = chosen & measured
        return float(values[chosen].mean()) if chosen.any() else float("nan")

    return {
        "hidden_share": 100 * float(under[measured].mean()),
        "hidden_expected": mean(expected, under),
        "hidden_true": mean(true, under),
        "seen_expected": mean(expected, ~under),
        "seen_true": mean(true, ~under),
    }


def _table(rows: Sequence[dict]) -> str:
    header = ["covered", "landmarks hidden", "expected", "true"]
    header += ["others, expected", "others, true"]
    return table(header, [list(row.values()) for row in rows])


if __name__ == "__main__":
    program.run(main)
