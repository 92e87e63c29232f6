"""Any number of faces through a handful of compiled programs.

A program is compiled for one batch size, so faces go in pieces of a few sizes.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.config import ModelConfig
from rcsr_jax.model import Params
from rcsr_jax.prediction import Prediction, by_field
from rcsr_jax.refine import Estimate

_CPU_SIZES = (8, 4, 2, 1)  # a batch beyond 8 faces outgrows the cache
_SIZES = (256, 64, 16, 4, 1)


def piece_sizes(num_faces: int, *, platform: str) -> list[int]:
    """The sizes of the pieces that a number of faces is predicted in; 0 for no face.

    The time of a CPU grows with the faces, so the sizes add up to them exactly.
    Elsewhere a full batch takes little longer than one face, so the last piece is filled
    up where that saves others.

    Args:
        num_faces: 0 or more.
        platform: of the device, "cpu", "gpu" or "tpu".
    """
    if not num_faces:
        return [0]  # one answer, with the shapes of any, of a program without work
    if platform != "cpu":
        whole, rest = divmod(num_faces, _SIZES[0])
        last = min(size for size in _SIZES if size >= rest)
        return [_SIZES[0]] * whole + [last] * (rest > 0)
    sizes, rest = [], num_faces
    for size in _CPU_SIZES:
        whole, rest = divmod(rest, size)
        sizes += [size] * whole
    return sizes


def largest_piece(platform: str) -> int:
    """The most faces that go through the device at once."""
    return (_CPU_SIZES if platform == "cpu" else _SIZES)[0]


def start_pieces(
    params: Params,
    crops: np.ndarray,
    *,
    config: ModelConfig,
    num_steps: int | None,
    start: Estimate | None = None,
) -> list[Prediction]:
    """Begins the prediction of crops, piece by piece, and waits for none.

    Args:
        params: on the device.
        crops: uint8 [faces, crop_size, crop_size].
        config: the model's settings.
        num_steps: a fixed number of recurrences; None: each face stops by itself.
        start: what each face starts from, as `predict` takes it.
    """
    if num_steps is None:
        answer: Callable[..., Prediction] = predict_adaptive
    else:
        answer = functools.partial(predict, num_steps=num_steps)
    pieces, first = [], 0
    # where the parameters are, whatever the default is in the thread that calls; JAX's own
    # choice is not named, or programs would be compiled again for it
    device = _device_of(params)
    with jax.default_device(None if device == jax.local_devices()[0] else device):
        for size in piece_sizes(len(crops), platform=platform_of(params)):
            cut = functools.partial(_piece, first=first, size=size)
            begin = jax.tree.map(cut, start)
            pieces.append(answer(params, cut(crops), config=config, start=begin))
            first += size
    return pieces


def finish_pieces(pieces: list[Prediction], *, num_faces: int) -> Prediction:
    """Waits for the pieces, fetches them at once and joins them, without what was filled.

    Returns:
        NumPy arrays.
    """

    def join(*parts: np.ndarray, axis: int) -> np.ndarray:
        whole = np.concatenate(parts, axis)  # copied: what JAX gives is read-only
        return whole[:num_faces] if axis == 0 else whole[:, :num_faces]

    return by_field(join, *jax.device_get(pieces))


def _piece(rows: np.ndarray, *, first: int, size: int) -> np.ndarray:
    # filled up with copies of its faces: blank ones might take more steps
    return np.resize(rows[first : first + size], (size, *rows.shape[1:]))


def platform_of(params: Params) -> str:
    """The kind of device that holds parameters: "cpu", "gpu" or "tpu"."""
    return _device_of(params).platform


def _device_of(params: Params) -> jax.Device:
    return next(iter(params["mean_shape"].devices()))
