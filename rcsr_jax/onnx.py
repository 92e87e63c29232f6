"""A model as an ONNX file, by the converter jax2onnx.

The fixed number of steps only. jax2onnx asks for an older orbax than this library, which
it does not use here, so it is installed without its dependencies:

    pip install "rcsr-jax[onnx]"
    pip install --no-deps jax2onnx
"""

from pathlib import Path

import jax
import jax.numpy as jnp

from rcsr_jax.config import ModelConfig, check_model_config
from rcsr_jax.data.whole_files import whole_file
from rcsr_jax.export import FACES, check_new, write_description
from rcsr_jax.model import Params, make_step
from rcsr_jax.portable import portable_forms
from rcsr_jax.prediction import annotated, check_num_steps, mean_of_mirrored
from rcsr_jax.refine import unroll

SUFFIX = ".onnx"


def write_onnx(
    path: str | Path,
    *,
    params: Params,
    config: ModelConfig,
    num_steps: int | None = None,
) -> Path:
    """Writes a model as one ONNX file, and the JSON that explains it.

    Its input is `crops` uint8 [faces, crop_size, crop_size], for any number of faces, its
    output `points` float32 [faces, num_points, 2] in crop px.

    Args:
        path: the new file; it ends in .onnx.
        params: of the model.
        config: the settings the parameters were made with.
        num_steps: recurrences; by default as many as in training.

    Returns:
        the path of the JSON: that of the model, with .json behind its stem.

    Raises:
        ValueError: one of the files exists, the path ends otherwise, there is no such
            number of steps, or config is no `ModelConfig`.
        ImportError: the converter is not installed; the message tells how.
    """
    check_model_config(config)
    path, beside = check_new(path, suffix=SUFFIX)
    num_steps = config.num_steps if num_steps is None else num_steps
    check_num_steps(num_steps)
    try:
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ImportError(
            'ONNX needs pip install "rcsr-jax[onnx]" and then '
            f"pip install --no-deps jax2onnx ({error})."
        ) from error
    params = jax.device_get(params)

    def last_shape(crops):
        step, start = make_step(params, crops, config=config)
        return unroll(step, start, num_steps=num_steps, flatten=False)[-1]

    def find(crops):
        points = last_shape(crops)
        if config.mirror_average:
            # one after the other, so that no batch of unknown size has to be halved
            mirrored = last_shape(jnp.flip(crops, axis=2))
            points = mean_of_mirrored(points, mirrored, config=config)
        return annotated(points, config=config)

    size = config.crop_size
    crops = jax.ShapeDtypeStruct((FACES, size, size), jnp.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a file that is cut short must not pass for the model
    unfinished = path.with_name(f".{path.name}")
    with (
        whole_file(path, unfinished=unfinished),
        portable_forms(),
        # the converter's own code adds arrays of different ranks
        jax.numpy_rank_promotion("allow"),
    ):
        to_onnx(
            find,
            [crops],
            model_name="rcsr_jax",
            input_names=["crops"],
            output_names=["points"],
            return_mode="file",
            output_path=unfinished,
            export_mode="web",  # one file, whatever its size
        )
    write_description(
        beside,
        file=path,
        answers=("points",),
        params=params,
        config=config,
        num_steps=num_steps,
    )
    return beside
