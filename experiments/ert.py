"""Trains dlib's shape predictor on the same faces and judges it with the same metrics.

python -m rcsr_jax.experiments.ert --data=300W --boxes=BOXES.csv --test_split=lfpw/testset
    --oversampling=8 --jitter=0.05 --out=ert.dat    # about 10 minutes on two cores
python -m rcsr_jax.experiments.ert --data=drawn --drawn_faces=200 --cascade=3 --trees=50
    --out=ert.dat                                   # a minute

The peer is the ensemble of regression trees of Kazemi and Sullivan (CVPR 2014). Faces are
read as by rcsr-train; a FILE.dat that exists is judged and not trained again, and flags of
training are refused. The metrics go to FILE.json. It needs the package dlib: pip install
dlib-bin.
"""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.cutting import Source, shrunken_grey
from rcsr_jax.data.sources import names_of, read_sources, use_each
from rcsr_jax.detection import import_dlib
from rcsr_jax.geometry import box_of, mirror_points
from rcsr_jax.markup import FACE_68, Markup, read_markup
from rcsr_jax.summaries import summarise, summarise_subsets

from . import outputs, process, program, settings
from .origin import read_object
from .out_folder import folder_to_write
from .peers import open_shape_predictor, rectangle

_OUT = flags.DEFINE_string("out", None, "The shape predictor (.dat).", required=True)
_TEST = flags.DEFINE_string("test_split", "test", "Part of the data to judge it on.")
_MARKUP = flags.DEFINE_string("markup", None, "What the landmarks mean; a JSON file.")
_CASCADE = flags.DEFINE_integer("cascade", 10, "Cascade depth.", lower_bound=1)
_TREES = flags.DEFINE_integer("trees", 500, "Trees per cascade level.", lower_bound=1)
_DEPTH = flags.DEFINE_integer("depth", 4, "Depth of a tree.", lower_bound=1)
_NU = flags.DEFINE_float("nu", 0.1, "Shrinkage of a tree.", lower_bound=0)
_OVERSAMPLING = flags.DEFINE_integer(
    "oversampling", 20, "First shapes of each training face.", lower_bound=1
)
_JITTER = flags.DEFINE_float(
    "jitter", 0.0, "Shift of a training box, in box sides.", lower_bound=0
)
_MIRROR = flags.DEFINE_boolean("mirror", True, "Train on the mirrored faces as well.")
_THREADS = flags.DEFINE_integer("threads", 0, "Threads of training; 0: one per core.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the training.", lower_bound=0)
_DATA = settings.define_data_flags(DataConfig(), several=True)
_OF_TRAINING = (
    *("cascade", "trees", "depth", "nu", "oversampling", "jitter", "mirror", "threads"),
    *("seed", "split"),
)
_KEPT = ("options", "mirror", "training_faces", "training_seconds")  # while trees stay

_Loaded = tuple[np.ndarray, np.ndarray, np.ndarray]  # grey picture, landmarks, box

_MARGIN = 1.0  # box sides around the box and the landmarks that are kept of a photo


def main(arguments: list[str]) -> None:
    """Trains, judges and writes both files."""
    program.no_arguments(arguments)
    dlib = import_dlib(purpose="training dlib's trees")
    model = ModelConfig(markup=read_markup(_MARKUP.value) if _MARKUP.value else FACE_68)
    data = _DATA()
    out, results = _outputs(Path(_OUT.value))
    test = dataclasses.replace(data, split=_TEST.value)
    tests = _read(test, model, "test")
    if out.exists():
        before = read_object(results) or {}
        told = {key: before[key] for key in _KEPT if key in before}
    else:
        faces = _read(data, model, "training")
        out.parent.mkdir(parents=True, exist_ok=True)
        told = _train(dlib, _load(faces, data, whole=True), model.markup, out)
    told |= _judge(out, _load(tests, data), model.markup)
    outputs.write_json(results, told)
    print(
        f"{told['num_faces']} faces of {data.data}, {_TEST.value}: inter-ocular "
        f"{told['nme_interocular']:.2f} %, inter-pupil {told['nme_interpupil']:.2f} %, AUC "
        f"{told['auc_08']:.1f} %, failures {told['failure_rate_08']:.1f} %, "
        f"{told['milliseconds_per_face']:.2f} ms per face"
    )
    print(f"wrote {results}")


def _outputs(out: Path) -> tuple[Path, Path]:
    """The trees and the file of their errors; an earlier one may be replaced."""
    if out.suffix != ".dat":
        raise ValueError(f"the trees are a .dat file; got --out={out}.")
    given = [name for name in _OF_TRAINING if flags.FLAGS[name].present]
    if out.exists() and given:
        raise ValueError(
            f"{out} is there already and is not trained again, so --{given[0]} would "
            "change nothing: leave it out, or choose another --out."
        )
    folder_to_write(out.parent)
    results = out.with_suffix(".json")
    if results.exists() and "nme_interocular" not in results.read_text("utf-8"):
        raise ValueError(f"{results} is there already; give another --out.")
    return out, results


def _read(data: DataConfig, model: ModelConfig, what: str) -> list[Source]:
    found = [read_sources(name, model, data) for name in names_of(data)]
    for _, refused in found:
        outputs.tell_refused(refused)
    faces = [source for sources, _ in found for source in sources]
    print(f"{len(faces)} {what} faces", file=sys.stderr)
    return faces


def _load(
    faces: Sequence[Source], data: DataConfig, *, whole: bool = False
) -> list[_Loaded]:
    """The faces with their surroundings; those that cannot be used are told."""

    def load(source: Source) -> _Loaded:
        grey, points, box = _around_face(*source.load())
        if whole and not np.isfinite(points).all():
            raise ValueError("dlib needs every landmark annotated")
        return grey, points, box

    with outputs.bar(total=len(faces), desc="faces") as bar:
        loaded, refused = use_each(
            faces,
            load,
            purpose="used",
            strict=data.strict,
            on_progress=lambda *_: bar.update(),
        )
    outputs.tell_refused(refused)
    return loaded


def _train(
    dlib: Any, faces: Sequence[_Loaded], markup: Markup, out: Path
) -> dict[str, Any]:
    """Trains and saves; returns what is worth telling of it."""
    images, shapes = [], []
    for grey, points, box in faces:
        images.append(grey)
        shapes.append([_detection(dlib, points, box)])
        if _MIRROR.value:
            width = grey.shape[1]
            images.append(np.ascontiguousarray(grey[:, ::-1]))
            mirrored = mirror_points(points, width=width, markup=markup)
            turned = np.array([width - 1 - box[2], box[1], width - 1 - box[0], box[3]])
            shapes.append([_detection(dlib, mirrored, turned)])
    chosen = {
        "cascade_depth": _CASCADE.value,
        "num_trees_per_cascade_level": _TREES.value,
        "tree_depth": _DEPTH.value,
        "nu": _NU.value,
        "oversampling_amount": _OVERSAMPLING.value,
        "oversampling_translation_jitter": _JITTER.value,
        "num_threads": _THREADS.value or process.num_cores(),
        "random_seed": str(_SEED.value),
    }
    options = dlib.shape_predictor_training_options()
    for name, value in chosen.items():
        setattr(options, name, value)
    started = time.perf_counter()
    try:
        trained = dlib.train_shape_predictor(images, shapes, options)
    except RuntimeError as error:
        raise ValueError(f"dlib cannot train on these faces: {error}.") from error
    seconds = time.perf_counter() - started
    try:
        trained.save(str(out))
    except RuntimeError as error:
        raise ValueError(f"{out} cannot be written: {error}.") from error
    return {
        "options": chosen,
        "mirror": _MIRROR.value,
        "training_faces": len(faces),
        "training_seconds": seconds,
    }


def _judge(path: Path, faces: Sequence[_Loaded], markup: Markup) -> dict[str, Any]:
    """Our metrics of a shape predictor, in per cent, and its time on one thread."""
    find = open_shape_predictor(path)
    found, truth, seconds = [], [], 0.0
    for grey, points, box in faces:
        where = rectangle(box)
        started = time.perf_counter()
        shape = find(grey, where)
        seconds += time.perf_counter() - started
        if shape.num_parts != markup.num_points:
            raise ValueError(
                f"{path} finds {shape.num_parts} landmarks; markup {markup.name} has "
                f"{markup.num_points}."
            )
        found.append([(part.x, part.y) for part in shape.parts()])
        truth.append(points)
    both = np.array(found, np.float32), np.array(truth, np.float32)
    return {
        **summarise(*both, markup=markup),
        "subsets": summarise_subsets(*both, markup=markup),
        "milliseconds_per_face": 1e3 * seconds / len(faces),
    }


def _around_face(image: np.ndarray, points: np.ndarray, box: np.ndarray) -> _Loaded:
    """The grey surroundings of a face with its landmarks and box: photos fill memory."""
    x0, y0, x1, y1 = box
    tight = box_of(points)
    reach = _MARGIN * max(x1 - x0, y1 - y0)
    low = np.floor(np.minimum(box, tight)[:2] - reach).astype(int).clip(0)
    high = np.ceil(np.maximum(box, tight)[2:] + reach).astype(int) + 1
    part = image[low[1] : high[1], low[0] : high[0]]
    grey = shrunken_grey(part, 1).round().astype(np.uint8)
    return grey, points - low, box - np.tile(low, 2)


def _detection(dlib: Any, points: np.ndarray, box: np.ndarray) -> Any:
    parts = [dlib.point(round(float(x)), round(float(y))) for x, y in points]
    return dlib.full_object_detection(rectangle(box), parts)


if __name__ == "__main__":
    program.run(main)
