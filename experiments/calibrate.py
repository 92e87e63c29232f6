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

from pathlib import Path

import numpy as np
from absl import flags

from rcsr_jax import weights
from rcsr_jax.annotated_faces import see_faces
from rcsr_jax.checkpoint import load_params, write_model
from rcsr_jax.confidence import measure_model, unmeasured
from rcsr_jax.config import DataConfig, replace_fields
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.held_out import hold_out
from rcsr_jax.data.sources import read_sources
from rcsr_jax.inference import Predictor

from . import outputs, program, settings
from .out_folder import check_kind

_MODEL = settings.define_model_flags()
_OUT = flags.DEFINE_string(
    "out", None, "New folder, or new file of weights: .npz.", required=True
)
_DATA = settings.define_data_flags(DataConfig())
_HELD_OUT = flags.DEFINE_integer(
    "validation_faces",
    None,
    "Faces that the run held out of training; by default as many as the model tells.",
    lower_bound=1,
)


def main(arguments: list[str]) -> None:
    """Measures, and writes the model with what was measured."""
    program.no_arguments(arguments)
    params, config = load_params(_MODEL())
    data = _DATA()
    out = Path(_OUT.value)
    # before all faces are looked at
    check_kind(out, (weights.SUFFIX,))
    if out.exists():
        raise ValueError(f"{out} exists already; choose a new one.")
    out.parent.mkdir(parents=True, exist_ok=True)
    predictor = Predictor(params, unmeasured(config.model))
    sources, refused = read_sources(data.data, predictor.config, data)
    if data.split == "train":
        sources = _held_out(
            sources, count=_HELD_OUT.value or config.data.validation_faces
        )
    with outputs.bar(total=len(sources)) as bar:
        faces, sight = see_faces(
            predictor, sources, on_progress=lambda *_: bar.update()
        )
    outputs.tell_refused(refused + faces.refused, strict=data.strict)
    found = sight.faces
    measured = measure_model(
        found.points, faces.truth, found.expected_error, markup=config.model.markup
    )
    write_model(out, params=params, config=replace_fields(config, measured))
    for name, value in measured.items():
        before = _shown(getattr(config.model, name))
        print(f"{name}: {_shown(value)} (before: {before})")
    print(f"{len(faces.names)} faces; wrote {out}")


def _held_out(sources: list[Source], *, count: int) -> list[Source]:
    """The faces that a run with these faces held out of training."""
    if not 0 < count < len(sources):
        raise ValueError(
            f"--validation_faces must be at least 1 and below the {len(sources)} faces "
            f"of the training folders; got {count}. Faces of other folders are all taken: "
            "--split."
        )
    held = set(hold_out([source.name for source in sources], count=count)[1])
    return [source for source in sources if source.name in held]


def _shown(value: float | tuple[float, ...]) -> str:
    """A number, two, or the range of several."""
    if np.size(value) in (1, 2):
        return " ".join(f"{number:g}" for number in np.ravel(value))
    return f"{np.min(value):g} to {np.max(value):g}" if np.size(value) else "none"


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
