"""What results were made with, as a digest: a model, and the settings that count."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rcsr_jax.config import to_dict
from rcsr_jax.inference import Predictor


def digest_of(
    predictor: Predictor,
    *,
    finding: Mapping[str, Any],
    num_steps: int | None,
    drawing: Mapping[str, bool] | None = None,
    more: Mapping[str, Any] | None = None,
) -> str:
    """A digest of a model and of the settings that change its results.

    Args:
        predictor: holds the model.
        finding: how faces are found: what `finding.box_finder` is given. Of a table it is
            the content that counts.
        num_steps: recurrences; None: each face stops by itself.
        drawing: what is drawn over photos; None: nothing is.
        more: further settings; those that change nothing are left out, so that results
            from before there were such settings stay known.
    """
    given = dict(finding)
    table = given.pop("table")
    content = Path(table).read_bytes() if table else b""
    settings = {
        "config": to_dict(predictor.config),
        "boxes": hashlib.sha256(content).hexdigest(),
        "num_steps": num_steps,
        "drawing": drawing,
        **given,
        **(more or {}),
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for leaf in jax.tree.leaves(jax.device_get(predictor.params)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]
