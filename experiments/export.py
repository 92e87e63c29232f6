"""Writes a trained model alone, in the form that its name ends in.

rcsr-export --checkpoint=WORKDIR --out=DIR               parameters, to the bit
rcsr-export --checkpoint=WORKDIR --out=FILE.npz          float16, as the package ships
rcsr-export --checkpoint=WORKDIR --out=FILE.stablehlo    a program for jax alone
rcsr-export --checkpoint=WORKDIR --out=FILE.onnx         a program for ONNX runtimes

Without --checkpoint it is the model that comes with the package. Beside a program lies a
.json that tells how to make crops for it.
"""

from pathlib import Path
from typing import Any

from absl import flags

from rcsr_jax import export, onnx, weights
from rcsr_jax.boxes import read_box_map
from rcsr_jax.checkpoint import load_params, write_model
from rcsr_jax.config import replace_fields

from . import program, settings
from .out_folder import check_kind

_MODEL = settings.define_model_flags()
_OUT = flags.DEFINE_string(
    "out", None, "New folder, or new file: .npz, .stablehlo or .onnx.", required=True
)
_NUM_STEPS = flags.DEFINE_integer(
    "num_steps",
    None,
    "Steps of a program; by default each face stops by itself, and an ONNX file takes as "
    "many as in training.",
    lower_bound=1,
)
_MIRROR = flags.DEFINE_boolean(
    "mirror_average",
    None,
    "Have the model that is written predict the mirror image of each crop as well and take "
    "the mean: a little more exact, in twice the time. By default as it was.",
)
_SECOND = flags.DEFINE_boolean(
    "mirrored_look",
    None,
    "Have the model that is written look at every face of a photo once more, mirrored, "
    "and take the mean. By default as it was. Not for programs: those see crops alone.",
)
_LOOKS = flags.DEFINE_integer(
    "max_looks",
    None,
    "How often the model that is written looks at a face at most; 1: once, wherever it "
    "lies in its box. By default as it was. Not for programs: those see crops alone.",
    lower_bound=1,
)
_DETECTOR = flags.DEFINE_string(
    "detector_boxes",
    None,
    "JSON of the map from dlib's boxes to those that the model was trained with, as "
    "rcsr_jax.experiments.detector_boxes writes it. By default as it was.",
)
_PROGRAMS = {export.SUFFIX: export.write_program, onnx.SUFFIX: onnx.write_onnx}


def main(arguments: list[str]) -> None:
    """Exports."""
    program.no_arguments(arguments)
    out = Path(_OUT.value)
    check_kind(out, (weights.SUFFIX, *_PROGRAMS))
    params, config = load_params(_MODEL())
    told: dict[str, Any] = {
        "mirror_average": _MIRROR.value,
        "max_looks": _LOOKS.value,
        "mirrored_look": _SECOND.value,
    }
    if _DETECTOR.value is not None:
        told["detector_boxes"] = read_box_map(_DETECTOR.value)
    changes = {name: value for name, value in told.items() if value is not None}
    config = replace_fields(config, changes)
    if out.suffix in _PROGRAMS:
        for flag in (_LOOKS, _SECOND, _DETECTOR):
            if flag.present:
                raise ValueError(
                    f"--{flag.name} means nothing to a program, which sees crops alone."
                )
        write = _PROGRAMS[out.suffix]
        beside = write(
            out, params=params, config=config.model, num_steps=_NUM_STEPS.value
        )
        print(f"wrote {out} and {beside}")
        return
    if _NUM_STEPS.value is not None:
        raise ValueError(
            f"--num_steps is for .stablehlo and .onnx files; {out} holds parameters."
        )
    write_model(out, params=params, config=config)
    print(f"wrote {out}" if out.is_file() else f"wrote the folder {out}")


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
