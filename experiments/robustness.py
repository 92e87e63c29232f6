"""Measures how the error grows with wrong boxes and turned photos, for one model or more.

python -m rcsr_jax.experiments.robustness --checkpoint=DIR,DIR2 --data=300W
    --boxes=BOXES.csv --split=lfpw/testset --out=DIR

One thing is disturbed at a time: the box is shifted by up to 20 % of its sides, scaled from
0.8 to 1.25, or the photo is turned by up to 45 degrees about the middle of the box.
"""

import shlex
import sys
from typing import Any

from absl import flags

from rcsr_jax.config import DataConfig
from rcsr_jax.curves import save_sweeps
from rcsr_jax.data.sources import read_sources
from rcsr_jax.inference import load_predictor
from rcsr_jax.robustness import Robustness, measure_robustness

from . import outputs, program, settings
from .out_folder import define_out
from .short_names import short_names

_CHECKPOINT = flags.DEFINE_list(
    "checkpoint",
    ["base"],
    "Work folders, checkpoints, exported folders or weights files, or presets of weights "
    "that come with the package, with commas.",
)
_OUT = define_out()
_DATA = settings.define_data_flags(settings.TEST_FACES)

_LABELS = {
    "shift_x": "box shifted to the right (box widths)",
    "shift_y": "box shifted down (box heights)",
    "scale": "box scaled by",
    "degrees": "photo turned anticlockwise (degrees)",
}
_MARGIN, _CELL = 44, 12  # characters of the printed table


def main(arguments: list[str]) -> None:
    """Measures, prints a table and writes robustness.json and robustness.png."""
    program.no_arguments(arguments)
    out = _OUT()
    out.mkdir(parents=True, exist_ok=True)  # or all the work would be for nothing
    data = _DATA()
    models = {
        name: _measure(name, checkpoint, data)
        for name, checkpoint in short_names(_CHECKPOINT.value).items()
    }
    panels = {
        _LABELS[what]: {
            name: {v: at["nme_interocular"] for v, at in found.sweeps[what].items()}
            for name, found in models.items()
        }
        for what in _LABELS
    }
    save_sweeps(out / "robustness.png", panels)
    outputs.write_json(out / "robustness.json", _as_json(models))
    print(_table(models))
    print(f"wrote {out}/robustness.json and robustness.png")


def _measure(name: str, checkpoint: str, data: DataConfig) -> Robustness:
    predictor = load_predictor(checkpoint)
    sources, refused = read_sources(data.data, predictor.config, data)
    with outputs.bar(total=len(sources), desc=name) as bar:
        found = measure_robustness(
            predictor,
            sources,
            strict=data.strict,
            on_progress=lambda *_: bar.update(),
        )
    found = found._replace(refused=refused + found.refused)
    outputs.tell_refused(found.refused)
    return found


def _as_json(models: dict[str, Robustness]) -> dict[str, Any]:
    return {
        "command": shlex.join(["robustness", *sys.argv[1:]]),
        "models": {
            name: {
                "undisturbed": found.undisturbed,
                "num_refused": len(found.refused),
                **{
                    what: [{"value": value, **at} for value, at in values.items()]
                    for what, values in found.sweeps.items()
                },
            }
            for name, found in models.items()
        },
    }


def _table(models: dict[str, Robustness]) -> str:
    """The errors for the terminal: a line for each disturbance, the models side by side."""
    columns = ("nme_interocular", "nme_interpupil", "ratio")
    heads = "".join(column.removeprefix("nme_").rjust(_CELL) for column in columns)
    names = [
        f"{name}, {m.undisturbed['num_faces']} faces" for name, m in models.items()
    ]
    width = len(heads) + 2
    lines = [
        "per cent; ratio to undisturbed".ljust(_MARGIN)
        + "".join(name[: width - 2].rjust(width) for name in names),
        " " * _MARGIN + f"  {heads}" * len(models),
    ]
    for what, values in next(iter(models.values())).sweeps.items():
        for value in values:
            cells = [
                "  "
                + "".join(f"{m.sweeps[what][value][c]:{_CELL}.2f}" for c in columns)
                for m in models.values()
            ]
            lines.append(f"{_LABELS[what]} {value:g}".ljust(_MARGIN) + "".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    program.run(main)
