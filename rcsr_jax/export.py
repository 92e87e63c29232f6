"""A whole model as one StableHLO file, for programs that have JAX and nothing of ours.

The file is a serialised `jax.export.Exported`: parameters inside, any number of faces,
for CPUs and NVIDIA GPUs alike. A JSON of the same name beside it tells how to make crops
for it and what its answers mean.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.config import ModelConfig, check_model_config
from rcsr_jax.data.cutting import LUMA
from rcsr_jax.data.whole_files import whole_file, write_whole
from rcsr_jax.model import Params
from rcsr_jax.version import __version__

SUFFIX = ".stablehlo"
FACES = "faces"  # what the axis of any length is called
PLATFORMS = ("cpu", "cuda")
_PLATFORM_NAMES = ("cpu", "cuda", "rocm", "tpu")
_FORMAT = 1


_LANDMARKS = "landmarks"  # an axis as long as there are landmarks


class _Answer(NamedTuple):
    dtype: str
    shape: tuple[int | str, ...]  # of each face
    meaning: str


_ANSWERS = {  # those of a `Prediction` that a program gives
    "points": _Answer(
        "float32",
        (_LANDMARKS, 2),
        "(x, y) in crop pixels; an integer is the centre of a pixel",
    ),
    "expected_error": _Answer(
        "float32",
        (_LANDMARKS,),
        "how far from its landmark each point is expected to lie, in crop pixels",
    ),
    "score": _Answer(
        "float32",
        (),
        "from 0 to 1, how probable a mean error below 8 per cent of the eye distance is",
    ),
    "num_steps": _Answer("int32", (), "recurrences taken"),
    "settled": _Answer("bool", (), "whether the last step hardly moved the shape"),
}
_RECIPE = (
    "A box is (x0, y0, x1, y1) in photo pixels; an integer is the centre of a pixel.",
    "scale = frame_scale * ((x1 - x0) + (y1 - y0)) / 2 / size",
    "corner = ((x0 + x1) / 2, (y0 + y1) / 2) - scale * (size - 1) / 2",
    "Crop pixel (column, row) is centred at corner + scale * (column, row) in the photo.",
    "Its value is the mean of the photo's luma * (red, green, blue), weighted along x and "
    "along y by max(0, 1 - distance / max(scale, 1)), rounded to a whole number.",
    "Outside the photo its edge pixels are repeated.",
    "A point of the answer lies at corner + scale * point in the photo.",
)


def export_program(
    params: Params,
    *,
    config: ModelConfig,
    num_steps: int | None = None,
    platforms: Sequence[str] = PLATFORMS,
) -> jax.export.Exported:
    """The predictor as a program with its parameters inside.

    Args:
        params: of the model.
        config: the settings the parameters were made with.
        num_steps: a fixed number of recurrences; by default each face stops by itself.
        platforms: that it is to run on: "cpu", "cuda", "rocm", "tpu". None of them has to
            be there.

    Returns:
        what `.call(crops)` takes uint8 [faces, crop_size, crop_size] with, for one face
        or more, and answers with a dict: `points` float32 [faces, num_points, 2] in crop
        px, `expected_error` float32 [faces, num_points] in crop px, `score` float32,
        `num_steps` int32 and `settled` bool [faces], as in a `Prediction`.

    Raises:
        ValueError: `num_steps` is below 1, a platform is not known, or config is no
            `ModelConfig`.
    """
    check_model_config(config)
    if unknown := set(platforms) - set(_PLATFORM_NAMES):
        raise ValueError(
            f"platforms are {', '.join(_PLATFORM_NAMES)}; got {min(unknown)!r}."
        )
    params = jax.device_get(params)  # constants, whatever device they are on

    @jax.jit
    def find(crops):
        if num_steps is None:
            found = predict_adaptive(params, crops, config=config)
        else:
            found = predict(
                params, crops, config=config, num_steps=num_steps, flatten=True
            )
        return {name: getattr(found, name) for name in _ANSWERS}

    (faces,) = jax.export.symbolic_shape(FACES)
    crops = jax.ShapeDtypeStruct((faces, config.crop_size, config.crop_size), jnp.uint8)
    return jax.export.export(find, platforms=platforms)(crops)


def write_program(
    path: str | Path,
    *,
    params: Params,
    config: ModelConfig,
    num_steps: int | None = None,
) -> Path:
    """Writes the program of `export_program`, and the JSON that explains it.

    Args:
        path: the new file; it ends in .stablehlo.
        params: of the model.
        config: the settings the parameters were made with.
        num_steps: as for `export_program`.

    Returns:
        the path of the JSON: that of the program, with .json behind its stem.

    Raises:
        ValueError: one of the files exists, the path ends otherwise, or `num_steps` is
            below 1.
    """
    path, beside = check_new(path, suffix=SUFFIX)
    program = export_program(params, config=config, num_steps=num_steps)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(program.serialize())
    write_description(
        beside,
        file=path,
        answers=tuple(_ANSWERS),
        params=params,
        config=config,
        num_steps=num_steps,
    )
    return beside


def check_new(path: str | Path, *, suffix: str) -> tuple[Path, Path]:
    """The path of a model's file and that of the JSON beside it, both still free.

    Raises:
        ValueError: one of the files exists, or the path ends otherwise.
    """
    path = Path(path)
    if path.suffix != suffix:
        raise ValueError(f"{path}: the name must end in {suffix}.")
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if file.exists():
            raise ValueError(f"{file} exists already; choose a new file.")
    return path, beside


def write_description(
    path: Path,
    *,
    file: Path,
    answers: Sequence[str],
    params: Params,
    config: ModelConfig,
    num_steps: int | None,
) -> None:
    """Writes what a model's file takes and answers, and how to make crops for it.

    Args:
        path: of the JSON.
        file: of the model.
        answers: the names of its outputs.
        params: of the model.
        config: of the model.
        num_steps: a fixed number; None: each face stops by itself.
    """
    adaptive = {"max_steps": config.max_steps, "tolerance": config.tolerance}
    size = config.crop_size
    sides: dict[int | str, int] = {_LANDMARKS: config.num_points}
    about = {
        "format": _FORMAT,
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "made_with": {"rcsr_jax": __version__, "jax": jax.__version__},
        "input": {"crops": {"dtype": "uint8", "shape": [FACES, size, size]}},
        "output": {
            name: {
                "dtype": _ANSWERS[name].dtype,
                "shape": [FACES, *(sides.get(s, s) for s in _ANSWERS[name].shape)],
                "meaning": _ANSWERS[name].meaning,
            }
            for name in answers
        },
        "steps": adaptive if num_steps is None else {"num_steps": num_steps},
        "crop": {
            "size": size,
            "frame_scale": config.frame_scale,
            "luma": LUMA.tolist(),
            "recipe": list(_RECIPE),
        },
        "mean_shape": np.asarray(params["mean_shape"], np.float64).round(4).tolist(),
        "markup": config.markup.to_dict(),
    }
    write_whole(path, json.dumps(about, indent=1) + "\n")
