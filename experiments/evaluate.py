"""Judges a trained model on annotated faces.

rcsr-evaluate --checkpoint=DIR --data=300W --split=lfpw/testset --boxes=BOXES.csv --out=DIR
rcsr-evaluate --data=MINE --split=all --boxes=BOXES.csv --out=DIR      # shipped weights
"""

import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from rcsr_jax.checkpoint import load_params
from rcsr_jax.config import to_dict
from rcsr_jax.curves import save_ced, save_convergence
from rcsr_jax.data.sources import read_sources
from rcsr_jax.data.whole_files import csv_text, write_whole
from rcsr_jax.evaluation import Evaluation, evaluate, metrics_of
from rcsr_jax.inference import Predictor
from rcsr_jax.metrics import interocular_errors
from rcsr_jax.report import ReportData, write_report
from rcsr_jax.report.gallery import make_gallery

from . import outputs, settings
from .out_folder import define_out

_MODEL = settings.define_model_flags()
_OUT = define_out()
_GALLERY = flags.DEFINE_integer(
    "gallery",
    8,
    "Worst, best and random faces of the report, so many each.",
    lower_bound=0,
    upper_bound=40,  # about 30 kB each
)
_DATA = settings.define_data_flags(settings.TEST_FACES)

METHOD, BASELINE = "RCSR", "mean shape"


def main(arguments: list[str]) -> None:
    """Evaluates and writes metrics.json, errors.csv, ced.png, steps.png, report.html."""
    settings.no_arguments(arguments)
    out = _OUT()
    params, config = load_params(_MODEL())
    predictor = Predictor(params, config.model)
    data = _DATA()
    sources, refused = read_sources(data.data, config.model, data)
    with outputs.bar(total=len(sources), desc="faces") as bar:
        found = evaluate(predictor, sources, on_progress=lambda *_: bar.update())
    found = found._replace(refused=refused + found.refused)
    outputs.tell_refused(found.refused, strict=data.strict)
    folder = Path(data.data).absolute().as_posix()  # its names tell test sets apart
    metrics = metrics_of(found, predictor=predictor, folder=folder)
    out.mkdir(parents=True, exist_ok=True)
    outputs.write_json(out / "metrics.json", metrics)
    errors = _errors_of(found, predictor)
    _write_errors(out / "errors.csv", found, errors[METHOD])
    known = {name: e[~np.isnan(e)] for name, e in errors.items()}
    if not known[METHOD].size:
        print(_table(metrics))
        raise ValueError(
            f"no face has both eye corners annotated, so there is no curve and no report: "
            f"wrote {out}/metrics.json and errors.csv alone."
        )
    save_ced(out / "ced.png", known)
    save_convergence(
        out / "steps.png",
        {METHOD: {int(k): v["nme_interocular"] for k, v in metrics["by_step"].items()}},
    )
    photos = {source.name: source for source in sources}
    gallery = make_gallery(
        found,
        markup=predictor.config.markup,
        load_image=lambda name: photos[name].load()[0],
        count=_GALLERY.value,
    )
    write_report(
        out / "report.html",
        ReportData(
            title=f"Landmarks of {Path(data.data).name}, {data.split}",
            markup=predictor.config.markup,
            metrics={METHOD: metrics, BASELINE: metrics["mean_shape"]},
            errors=known,
            face=np.asarray(predictor.params["mean_shape"]),
            faces=_rows(found, errors[METHOD]),
            gallery=gallery,
            refused=found.refused,
            config=to_dict(config),
            command=shlex.join(["rcsr-evaluate", *sys.argv[1:]]),
        ),
    )
    print(_table(metrics))
    if advice := outputs.shift_advice(metrics["annotation_shift"]):
        print(advice)
    print(f"wrote {out}/metrics.json, errors.csv, ced.png, steps.png and report.html")


def _errors_of(found: Evaluation, predictor: Predictor) -> dict[str, np.ndarray]:
    """Inter-ocular error of each face by method, as shares."""
    shapes = {METHOD: found.adaptive.points, BASELINE: found.mean_shape}
    markup = predictor.config.markup
    return {
        name: interocular_errors(points, found.truth, markup=markup)
        for name, points in shapes.items()
    }


def _rows(found: Evaluation, errors: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "face": name,
            "nme_interocular": round(100 * float(errors[face]), 4),
            "num_steps": int(found.adaptive.num_steps[face]),
            "settled": bool(found.adaptive.settled[face]),
            "score": round(float(found.adaptive.score[face]), 4),
        }
        for face, name in enumerate(found.names)
    ]


def _write_errors(path: Path, found: Evaluation, errors: np.ndarray) -> None:
    rows = _rows(found, errors)
    write_whole(path, csv_text([list(rows[0]), *(row.values() for row in rows)]))


def _table(metrics: dict[str, Any]) -> str:
    """The main numbers, a line each, for the terminal."""
    columns = (
        "nme_interocular",
        "nme_interpupil",
        "nme_box",
        "auc_08",
        "failure_rate_08",
    )
    rows = {
        f"adaptive ({metrics['num_steps_mean']:.1f} steps)": metrics,
        **{f"{n} steps": m for n, m in metrics["by_step"].items()},
        BASELINE: metrics["mean_shape"],
        **{f"adaptive, {n} points": m for n, m in metrics["subsets"].items()},
    }
    lines = [
        f"{metrics['num_faces']} faces; per cent".ljust(24)
        + " ".join(name.removeprefix("nme_").rjust(16) for name in columns)
    ]
    lines += [
        name.ljust(24) + " ".join(f"{row[column]:16.2f}" for column in columns)
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
