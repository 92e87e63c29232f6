"""Runs with some settings changed, each trained for several seeds and judged.

Errors are those on the faces that a run holds out. A row is the mean over the seeds, with
its range; hard faces are the fifth of the held-out ones that lie furthest from the mean
shape in their box.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rcsr_jax.checkpoint import load_params
from rcsr_jax.config import RunConfig, replace_fields
from rcsr_jax.costs import static_costs
from rcsr_jax.data.training_faces import open_faces
from rcsr_jax.data.whole_files import write_whole
from rcsr_jax.metrics import interocular_errors
from rcsr_jax.progress import Progress
from rcsr_jax.summaries import summarise
from rcsr_jax.training import train
from rcsr_jax.validation import Judge, mean_in_crops

from . import markdown, outputs

CURRENT = "as it is"
ROWS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "recipe": {
        CURRENT: {},
        "no marks": {"own_marks": False},
        "no marks, no heatmap loss": {"own_marks": False, "heatmap_weight": 0.0},
        "no pyramid": {
            "own_marks": False,
            "heatmap_weight": 0.0,
            "context_widths": (),
            "context_blocks": (),
        },
        "increment of the step": {"increment": "step"},
        "gradient through positions": {"position_gradient": True},
        "squared error": {"loss": "l2"},
        "wing loss": {"loss": "wing"},
        "steps weighted more steeply": {"step_weights": "log_range"},
        "16 channels of memory": {"hidden_size": 16},
        "rotation of 30 degrees": {"rotation": 30.0},
        "no occlusion": {"occlusion": 0.0},
        "8 steps": {"num_steps": 8},
    },
    "settings": {
        CURRENT: {},
        "patch of 17 pixels": {"patch_size": 17},
        "patch of 33 pixels": {"patch_size": 33},
        "2 channels of the pyramid": {"context_channels": 2},
        "pyramid of 8 to 48 channels": {
            "context_widths": (8, 16, 32, 48),
            "context_blocks": (0, 1, 1),
        },
        "pyramid of 32 to 192 channels": {
            "context_widths": (32, 64, 128, 192),
            "context_blocks": (0, 1, 1),
        },
        "no box noise": {"box_shift": 0.0, "box_scale": 0.0},
        "twice the box noise": {"box_shift": 0.07, "box_scale": 0.12},
        "no change of light": {
            "contrast": 0.0,
            "brightness": 0.0,
            "gamma": 0.0,
            "noise": 0.0,
        },
        "stretched faces": {"stretch": 0.05},
        "errors across outlines count twice": {"across_weight": 2.0},
        "no mirror images": {"mirror": 0.0},
        "no averaged parameters": {"ema_decay": 0.0},
        "weight decay of 0.01": {"weight_decay": 0.01},
        "half the learning rate": {"learning_rate": 1e-3},
        "twice the learning rate": {"learning_rate": 4e-3},
        "Adam": {"optimiser": "adam", "learning_rate": 1e-3, "weight_decay": 1e-4},
        "Adam, twice the learning rate": {"optimiser": "adam", "weight_decay": 1e-4},
    },
    # these cut the photos anew: for data sets of photos, not for crops that are cut
    "crop": {
        CURRENT: {},
        "crop of 64 pixels": {"crop_size": 64},
        "crop of 96 pixels": {"crop_size": 96},
        "frame of 1.2 boxes": {"frame_scale": 1.2},
        "frame of 1.7 boxes": {"frame_scale": 1.7},
    },
    "steps": {f"{steps} steps": {"num_steps": steps} for steps in (5, 10, 20)},
    "faces": {
        "400 faces": {"training_faces": 400},
        "800 faces": {"training_faces": 800},
        "1600 faces": {"training_faces": 1600},
        "all faces": {},
    },
}


def judge(run: RunConfig, workdir: Path) -> dict[str, float]:
    """The errors of a finished run on the faces that it held out, and what it costs.

    Args:
        run: names the faces.
        workdir: holds the checkpoints.

    Returns:
        `nme_interocular`, `nme_interpupil` and `nme_hard` in per cent, `training_faces`,
        and `multiply_adds` of a face in millions.
    """
    params, trained = load_params(workdir)
    training, held = open_faces(run.model, run.data, folder=workdir)
    judged = Judge(held, trained)
    points, _ = judged.measure(params)
    markup = run.model.markup
    told = summarise(points, judged.points, markup=markup)
    mean = np.broadcast_to(mean_in_crops(training, run.model, run.data), points.shape)
    _, hard = easy_and_hard(interocular_errors(mean, judged.points, markup=markup))
    errors = interocular_errors(points[hard], judged.points[hard], markup=markup)
    return {
        "nme_interocular": told["nme_interocular"],
        "nme_interpupil": told["nme_interpupil"],
        "nme_hard": float(100 * errors.mean()),
        "training_faces": len(training.names),
        "multiply_adds": round(static_costs(trained.model).total / 1e6),
    }


def easy_and_hard(first_errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of the faces that lie near the mean shape, and of the furthest fifth.

    Args:
        first_errors: float [faces], errors of the mean shape in each face's box; faces
            whose error is not known (NaN) are in neither part.
    """
    order = np.argsort(first_errors)
    order = order[~np.isnan(first_errors[order])]
    edge = len(order) - max(len(order) // 5, 1)
    return order[:edge], order[edge:]


def table(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """The rows in Markdown: the mean over the seeds, and least and most where several."""
    names = {
        "nme_interocular": "inter-ocular",
        "nme_interpupil": "inter-pupil",
        "nme_hard": "hard faces",
        "training_faces": "training faces",
        "multiply_adds": "million multiply-adds",
    }

    def cell(values: Sequence[float]) -> str:
        if all(float(value).is_integer() for value in values):
            return f"{values[0]:.0f}"
        told = f"{np.mean(values):.2f}"
        return (
            f"{told} ({min(values):.2f} to {max(values):.2f})" if values[1:] else told
        )

    return markdown.table(
        ["row", *names.values()],
        [
            [row, *(cell([each[key] for each in found]) for key in names)]
            for row, found in rows.items()
        ],
    )


def ablate(
    config: RunConfig,
    *,
    rows: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    out: Path,
    command: str = "",
) -> str:
    """Trains and judges; writes ablations.json and ablations.md after every row.

    Rows that cannot be are refused before the first is trained; one whose changes the run
    has already is left out, and said to be.

    Args:
        config: the run that is changed.
        rows: names with the settings that they change.
        seeds: a run of each row for each of them.
        out: folder of the files, and of the runs.
        command: what is to be told of it.

    Returns:
        the table.

    Raises:
        ValueError: a row's settings do not go together with those of `config`.
    """
    found: dict[str, list[dict[str, float]]] = {}
    changed = {name: _changed(config, name, changes) for name, changes in rows.items()}
    for name, row in changed.items():
        if rows[name] and row == config:
            print(f"{name}: that is the run as it is; left out", file=sys.stderr)
            continue
        found[name] = []
        for seed in seeds:
            run = replace_fields(row, {"seed": seed})
            workdir = out / "runs" / f"{name.replace(' ', '_').replace(',', '')}_{seed}"
            train(run, workdir=workdir, on_progress=_tell(f"{name}, seed {seed}"))
            found[name].append(judge(run, workdir))
        # or the programs of thirty rows use up what memory a process may map
        jax.clear_caches()
        told = {
            "command": command,
            "device": jax.devices()[0].device_kind,
            "updates": config.train.num_updates,
            "seeds": list(seeds),
            "rows": found,
        }
        outputs.write_json(out / "ablations.json", told)
        write_whole(out / "ablations.md", table(found) + "\n")
    return table(found)


def _changed(config: RunConfig, name: str, changes: Mapping[str, Any]) -> RunConfig:
    try:
        return replace_fields(config, changes)
    except ValueError as error:
        message = f"row {name!r} does not go with these settings: {error}"
        raise ValueError(message) from error


def _tell(name: str):
    def tell(progress: Progress) -> None:
        if progress.checkpoint:
            print(f"{name}: {progress.nme:.2f} %", file=sys.stderr, flush=True)

    return tell
