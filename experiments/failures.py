"""Measures how well a model's score finds its failures, on faces that are made hard.

python -m rcsr_jax.experiments.failures --data=300W --boxes=BOXES.csv
    --split=lfpw/testset --out=DIR                       # shipped weights

Each face is taken a few times; every time its box may be shifted and resized, the photo
turned, blurred or darkened, the face covered, mildly or severely (`disturbance.py`). A
failure is a face with an inter-ocular error above 8 %. Other measures of doubt are told
beside the score. Writes failures.json and failures.png, the error of the faces that are
kept by how many are.
"""

import shlex
import sys
from typing import Any

import numpy as np
from absl import flags

from rcsr_jax.annotated_faces import see_faces
from rcsr_jax.curves import save_sweeps
from rcsr_jax.data.sources import read_sources
from rcsr_jax.disturbance import Disturbance, hard_faces
from rcsr_jax.inference import load_predictor
from rcsr_jax.metrics import DEFAULT_LIMIT, interocular_distance, interocular_errors
from rcsr_jax.trust import failures_caught, risk_coverage, summarise_trust

from . import outputs, program, settings
from .out_folder import define_out

_MODEL = settings.define_model_flags()
_COPIES = flags.DEFINE_integer(
    "copies", 5, "How often each face is taken.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of what happens to them.", lower_bound=0)
_OUT = define_out()
_DATA = settings.define_data_flags(settings.TEST_FACES)

# The face's box, and boxes of which each is shifted a little.
_BOXES = (
    Disturbance(),
    *(Disturbance(shift_x=shift) for shift in (-0.05, 0.05)),
    *(Disturbance(shift_y=shift) for shift in (-0.05, 0.05)),
)
_KEPT = np.linspace(0.05, 1, 20)  # shares of the faces, of the curve


def main(arguments: list[str]) -> None:
    """Measures, prints a table and writes failures.json and failures.png."""
    program.no_arguments(arguments)
    out = _OUT()
    out.mkdir(parents=True, exist_ok=True)  # or all the work would be for nothing
    data = _DATA()
    predictor = load_predictor(_MODEL())
    markup = predictor.config.markup
    sources, refused = read_sources(data.data, predictor.config, data)
    hard = hard_faces(
        sources,
        copies=_COPIES.value,
        frame_scale=predictor.config.frame_scale,
        seed=_SEED.value,
    )
    with outputs.bar(total=len(hard)) as bar:
        faces, sight = see_faces(
            predictor,
            hard,
            boxes_for=lambda box: np.stack([kind.box(box) for kind in _BOXES]),
            strict=data.strict,
            on_progress=lambda *_: bar.update(),
        )
    outputs.tell_refused(refused + faces.refused)
    truth, found = faces.truth, sight.faces
    answers = found.points.reshape(len(truth), len(_BOXES), *truth.shape[1:])
    straight = slice(None, None, len(_BOXES))
    points, score = found.points[straight], found.score[straight]
    errors = interocular_errors(points, truth, markup=markup)
    eyes = interocular_distance(points, markup=markup)
    away = answers - answers.mean(1, keepdims=True)
    scattered = np.linalg.norm(away, axis=-1)
    orders = {
        "score": score,
        "scatter of five boxes": -scattered.mean((1, 2)) / eyes,
        "movement in the last step": -found.spread[straight].mean(1) / eyes,
        "steps": -found.num_steps[straight].astype(float),
    }
    results = {name: _judge(errors, order) for name, order in orders.items()}
    results["best possible"] = _judge(errors, -errors)
    trust = summarise_trust(
        points,
        truth,
        expected_error=found.expected_error[straight],
        score=score,
        markup=markup,
    )
    judged = errors[~np.isnan(errors)]  # an infinite one is a failure
    report = {
        "command": shlex.join(["failures", *sys.argv[1:]]),
        "num_faces": len(judged),
        "num_refused": len(refused + faces.refused),
        "nme_interocular": 100 * float(judged.mean()),
        "failure_rate_08": 100 * float((judged > DEFAULT_LIMIT).mean()),
        "orders": results,
        "trust": trust,
    }
    outputs.write_json(out / "failures.json", report)
    curves = {name: result["kept"] for name, result in results.items()}
    save_sweeps(out / "failures.png", {"faces kept (%)": curves})
    print(_table(report))
    print(f"wrote {out}/failures.json and failures.png")


def _judge(errors: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """What turning faces away in this order is worth; per cent."""
    failed = np.where(np.isnan(errors), np.nan, errors > DEFAULT_LIMIT)
    curve = risk_coverage(100 * errors, order)
    kept = np.maximum(np.rint(_KEPT * len(curve.risk)).astype(int), 1)
    return {
        "failures_caught": 100 * failures_caught(failed, order),
        "area": curve.area,
        "kept": dict(
            zip(
                (100 * _KEPT).round().astype(int).tolist(),
                curve.risk[kept - 1].tolist(),
                strict=True,
            )
        ),
    }


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['num_faces']} faces, {report['nme_interocular']:.2f} % error, "
        f"{report['failure_rate_08']:.1f} % failures",
        "order of trust".ljust(28) + "failures in the worst tenth  area of the curve",
    ]
    lines += [
        f"{name:28}{result['failures_caught']:25.1f} %{result['area']:18.2f} %"
        for name, result in report["orders"].items()
    ]
    for name, what in (("reliability", "errors"), ("score_reliability", "scores")):
        if name in report["trust"]:
            found = report["trust"][name]
            pairs = zip(found["expected"], found["actual"], strict=True)
            told = ", ".join(f"{claim:.1f} {true:.1f}" for claim, true in pairs)
            lines.append(f"{what} by decile, expected and true: {told}")
    return "\n".join(lines)


if __name__ == "__main__":
    program.run(main)
