"""Measures how far to trust a model, on faces that it was not trained on.

python -m rcsr_jax.experiments.calibrate --checkpoint=run --data=300W --boxes=BOXES.csv
    --out=calibrated.npz

Training measures the same at each checkpoint, after its fixed number of steps; here it is
measured of answers that stop by themselves, as photos get them. This is for a model that
will see other faces or other boxes, and for weights of an earlier version. The network
stays what it is: how its landmarks are shifted as a whole, to lie where people annotate, is
measured on the faces given, and their expected errors, ellipses and scores are made true
there. Of the training folders of a data set those are taken that the model's run held out.
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from rcsr_jax import weights
from rcsr_jax.annotated_faces import see_faces
from rcsr_jax.checkpoint import load_params, write_model
from rcsr_jax.confidence import measure_model, unmeasured
from rcsr_jax.config import DataConfig, replace_fields
from rcsr_jax.data.sources import read_sources
from rcsr_jax.inference import Predictor

from . import outputs, program, settings
from .out_folder import check_kind, folder_to_write
from .validation_faces import define_held_out, held_out, note_of_further_data

_MODEL = settings.define_model_flags()
_OUT = flags.DEFINE_string(
    "out", None, "New folder, or new file of weights: .npz.", required=True
)
_DATA = settings.define_data_flags(DataConfig())
_HELD_OUT = define_held_out()


def main(arguments: list[str]) -> None:
    """Measures, and writes the model with what was measured."""
    program.no_arguments(arguments)
    data, out = _DATA(), Path(_OUT.value)
    # before all faces are looked at
    check_kind(out, (weights.SUFFIX,))
    if out.exists():
        raise ValueError(f"{out} exists already; choose a new one.")
    if _HELD_OUT.present and data.split != "train":
        raise ValueError(
            "--validation_faces is about the training folders, --split=train; of "
            f"--split={data.split} all faces are taken."
        )
    folder_to_write(out.parent).mkdir(parents=True, exist_ok=True)
    params, config = load_params(_MODEL())
    predictor = Predictor(params, unmeasured(config.model))
    sources, refused = read_sources(data.data, predictor.config, data)
    if data.split == "train":
        if note := note_of_further_data(data.data, config.data):
            print(f"note: {note}", file=sys.stderr)
        count = _HELD_OUT.value or config.data.validation_faces
        other = "Faces of other folders are all taken: --split."
        sources = list(held_out(sources, count=count, instead=other))
    with outputs.bar(total=len(sources)) as bar:
        faces, sight = see_faces(
            predictor,
            sources,
            strict=data.strict,
            on_progress=lambda *_: bar.update(),
        )
    outputs.tell_refused(refused + faces.refused)
    found = sight.faces
    measured = measure_model(
        found.points, faces.truth, found.expected_error, markup=config.model.markup
    )
    write_model(out, params=params, config=replace_fields(config, measured))
    for name, value in measured.items():
        before = _shown(getattr(config.model, name))
        print(f"{name}: {_shown(value)} (before: {before})")
    print(f"{len(faces.names)} faces; wrote {out}")


def _shown(value: float | tuple[float, ...]) -> str:
    """A number, two, or the range of several."""
    if np.size(value) in (1, 2):
        return " ".join(f"{number:g}" for number in np.ravel(value))
    return f"{np.min(value):g} to {np.max(value):g}" if np.size(value) else "none"


if __name__ == "__main__":
    program.run(main)
