"""Judges a trained model on annotated faces.

rcsr-evaluate --checkpoint=DIR --data=300W --split=lfpw/testset --boxes=BOXES.csv --out=DIR
rcsr-evaluate --data=MINE --split=all --boxes=BOXES.csv --out=DIR      # shipped weights
rcsr-evaluate --landmarks=THEIRS.csv --data=MINE --split=all --out=DIR

With --landmarks it judges what another program has found, from any file of landmarks or
folder of .pts files, in place of a model: the errors alone, for rcsr-compare.

What an earlier evaluation left in --out is replaced.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from rcsr_jax.checkpoint import load_params
from rcsr_jax.comparison import annotation_digest
from rcsr_jax.config import to_dict
from rcsr_jax.curves import save_ced, save_convergence
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import read_sources
from rcsr_jax.data.whole_files import csv_text, write_whole
from rcsr_jax.evaluation import Evaluation, evaluate, metrics_of
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_errors
from rcsr_jax.report import ReportData, write_report
from rcsr_jax.report.gallery import make_gallery
from rcsr_jax.summaries import by_landmark, by_region, summarise_with_subsets
from rcsr_jax.version import __version__

from . import outputs, program, settings
from .given_landmarks import read_given
from .origin import read_object
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
_LANDMARKS = flags.DEFINE_string(
    "landmarks",
    None,
    "Judge the landmarks in this file, or folder of .pts files, in place of a model; "
    "--checkpoint then only tells what they mean.",
)
_DATA = settings.define_data_flags(settings.TEST_FACES)

METHOD, BASELINE = "RCSR", "mean shape"
_METRICS, _ERRORS = "metrics.json", "errors.csv"
_PICTURES = ("ced.png", "steps.png", "report.html")
_COLUMNS = ("nme_interocular", "nme_interpupil", "nme_box", "auc_08", "failure_rate_08")


def main(arguments: list[str]) -> None:
    """Evaluates and writes metrics.json, errors.csv, ced.png, steps.png, report.html."""
    program.no_arguments(arguments)
    out = _OUT()
    _check_ours(out)
    out.mkdir(parents=True, exist_ok=True)  # or all the work would be for nothing
    command = shlex.join(["rcsr-evaluate", *sys.argv[1:]])
    params, config = load_params(_MODEL())
    data = _DATA()
    sources, refused = read_sources(data.data, config.model, data)
    if _LANDMARKS.value:
        if _GALLERY.present:
            raise ValueError("--gallery is for the report of a model; leave it out.")
        _judge_given(
            Path(_LANDMARKS.value),
            out,
            sources,
            refused,
            markup=config.model.markup,
            command=command,
        )
        return
    predictor = Predictor(params, config.model)
    with outputs.bar(total=len(sources), desc="faces") as bar:
        found = evaluate(
            predictor,
            sources,
            strict=data.strict,
            on_progress=lambda *_: bar.update(),
        )
    found = found._replace(refused=refused + found.refused)
    outputs.tell_refused(found.refused)
    folder = Path(data.data).absolute().as_posix()  # its names tell test sets apart
    metrics = metrics_of(found, predictor=predictor, folder=folder)
    metrics["made_by"] = {"version": __version__, "command": command}
    errors = _errors_of(found, predictor)
    rows = _rows(found, errors[METHOD])
    _write_numbers(out, metrics, rows, found.truth)
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
            faces=rows,
            gallery=gallery,
            refused=found.refused,
            config=to_dict(config),
            command=command,
        ),
    )
    print(_table(metrics))
    if advice := outputs.shift_advice(metrics["annotation_shift"]):
        print(advice)
    print(f"wrote {out}/metrics.json, errors.csv, ced.png, steps.png and report.html")


def _check_ours(out: Path) -> None:
    """Refuses a folder with files that would be replaced and are none of this program."""
    if "made_by" in (read_object(out / _METRICS) or {}):
        return
    for name in (_METRICS, _ERRORS, *_PICTURES):
        if os.path.lexists(out / name):
            raise ValueError(
                f"{out / name} is none of rcsr-evaluate; choose another --out."
            )


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


def _judge_given(
    landmarks: Path,
    out: Path,
    sources: Sequence[Source],
    refused: tuple[Refusal, ...],
    *,
    markup: Markup,
    command: str,
) -> None:
    """Writes what there is to say of landmarks alone: metrics.json, errors.csv, ced.png."""
    with outputs.bar(total=len(sources), desc="faces") as bar:
        given = read_given(
            landmarks,
            sources,
            markup=markup,
            strict=_DATA().strict,
            on_progress=lambda *_: bar.update(),
        )
    refused += given.refused
    outputs.tell_refused(refused)
    points, truth = given.points, given.truth
    metrics = {
        **summarise_with_subsets(points, truth, markup=markup),
        "by_region": by_region(points, truth, markup=markup),
        "by_landmark": by_landmark(points, truth, markup=markup),
        "num_refused": len(refused),
        "made_by": {"version": __version__, "command": command},
    }
    errors = interocular_errors(points, truth, markup=markup)
    rows = [
        {"face": name, "nme_interocular": round(100 * float(error), 4)}
        for name, error in zip(given.names, errors, strict=True)
    ]
    _write_numbers(out, metrics, rows, truth)
    name = landmarks.name
    wrote = f"wrote {out}/metrics.json and errors.csv"
    if (known := errors[~np.isnan(errors)]).size:
        save_ced(out / "ced.png", {name: known})
        wrote = f"wrote {out}/metrics.json, errors.csv and ced.png"
    print(_lines({name: metrics}, num_faces=len(truth)))
    print(wrote)


def _write_numbers(
    out: Path,
    metrics: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    truth: np.ndarray,
) -> None:
    """Writes both files of numbers, and removes pictures of such as were here before."""
    outputs.write_json(out / _METRICS, metrics)
    rows = [
        {**row, "annotation": annotation_digest(points)}
        for row, points in zip(rows, truth, strict=True)
    ]
    table = csv_text([list(rows[0]), *(row.values() for row in rows)])
    write_whole(out / _ERRORS, table)
    for name in _PICTURES:
        (out / name).unlink(missing_ok=True)


def _table(metrics: dict[str, Any]) -> str:
    """The main numbers of a model, a line each, for the terminal."""
    rows = {
        f"adaptive ({metrics['num_steps_mean']:.1f} steps)": metrics,
        **{f"{n} steps": m for n, m in metrics["by_step"].items()},
        BASELINE: metrics["mean_shape"],
        **{f"adaptive, {n} points": m for n, m in metrics["subsets"].items()},
    }
    return _lines(rows, num_faces=metrics["num_faces"])


def _lines(rows: Mapping[str, Mapping[str, Any]], *, num_faces: int) -> str:
    lines = [
        f"{num_faces} faces; per cent".ljust(24)
        + " ".join(name.removeprefix("nme_").rjust(16) for name in _COLUMNS)
    ]
    lines += [
        name.ljust(24) + " ".join(f"{row[column]:16.2f}" for column in _COLUMNS)
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
