"""Any number of faces through a handful of compiled programs.

A program is compiled for one batch size, so faces go in pieces of a few sizes.
"""

import functools
from typing import Any

import jax
import numpy as np

from rcsr_jax.config import ModelConfig
from rcsr_jax.model import Params, Prediction, predict, predict_adaptive
from rcsr_jax.refine import Estimate

_CPU_SIZES = (8, 4, 2, 1)  # a batch beyond 8 faces outgrows the cache
_SIZES = (256, 64, 16, 4, 1)


def piece_sizes(num_faces: int, *, platform: str) -> list[int]:
    """The sizes of the pieces that a number of faces is predicted in; one at least.

    The time of a CPU grows with the faces, so the sizes add up to them exactly.
    Elsewhere a full batch takes little longer than one face, so the last piece is filled
    up where that saves others.

    Args:
        num_faces: 0 or more.
        platform: of the device, "cpu", "gpu" or "tpu".
    """
    if platform != "cpu":
        whole, rest = divmod(num_faces, _SIZES[0])
        last = min(size for size in _SIZES if size >= rest)
        return [_SIZES[0]] * whole + [last] * (rest > 0 or not whole)
    sizes = []
    rest = max(num_faces, 1)
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
        start: what each face that stops by itself starts from, as `predict_adaptive`
            takes it.
    """
    pieces, first = [], 0
    for size in piece_sizes(len(crops), platform=platform_of(params)):
        cut = functools.partial(_piece, first=first, size=size)
        piece = cut(crops)
        if num_steps is None:
            begin = jax.tree.map(cut, start)
            found = predict_adaptive(params, piece, config=config, start=begin)
        else:
            found = predict(params, piece, config=config, num_steps=num_steps)
        pieces.append(found)
        first += size
    return pieces


def finish_pieces(pieces: list[Prediction], *, num_faces: int) -> Prediction:
    """Waits for the pieces, fetches them at once and joins them, without what was filled.

    Returns:
        NumPy arrays.
    """
    found = jax.device_get(pieces)
    return Prediction(
        points=_joined([piece.points for piece in found])[:num_faces],
        num_steps=_joined([piece.num_steps for piece in found])[:num_faces],
        settled=_joined([piece.settled for piece in found])[:num_faces],
        trajectory=_joined([piece.trajectory for piece in found], axis=1)[
            :, :num_faces
        ],
        expected_error=_joined([piece.expected_error for piece in found])[:num_faces],
        score=_joined([piece.score for piece in found])[:num_faces],
        hidden=_joined([piece.hidden for piece in found])[:num_faces],
    )


def _piece(rows: np.ndarray, *, first: int, size: int) -> np.ndarray:
    # filled up with copies of its faces: blank ones might take more steps
    return np.resize(rows[first : first + size], (size, *rows.shape[1:]))


def _joined(parts: list[np.ndarray], *, axis: int = 0) -> Any:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


def platform_of(params: Params) -> str:
    """The kind of device that holds parameters: "cpu", "gpu" or "tpu"."""
    return next(iter(params["mean_shape"].devices())).platform
