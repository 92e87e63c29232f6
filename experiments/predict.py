"""Finds the landmarks of the faces in photos.

rcsr-predict --boxes=BOXES.csv --out=DIR photo.jpg ...                  # shipped weights
rcsr-predict --checkpoint=DIR --boxes=BOXES.csv --out=DIR photo.jpg ...

The boxes CSV has the columns image,x0,y0,x1,y1; an image is looked up by its path as
given, by its path relative to the CSV, and by its name. An image without a box is taken
to be one face that fills it.
"""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from tqdm import tqdm

from rcsr_jax.data.annotations import read_boxes, write_pts
from rcsr_jax.data.images import load_image, save_image
from rcsr_jax.inference import Faces, load_predictor
from rcsr_jax.markup import Markup
from rcsr_jax.plots import draw_overlay

from . import settings

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "Work folder, checkpoint, exported folder or weights file; by default the weights "
    "that come with the package.",
)
_PRESET = flags.DEFINE_string(
    "preset", None, "Which of these weights to take, in place of base."
)
_BOXES = flags.DEFINE_string("boxes", None, "CSV of face boxes, image,x0,y0,x1,y1.")
_OUT = flags.DEFINE_string("out", None, "Folder for the results.", required=True)
_NUM_STEPS = flags.DEFINE_integer(
    "num_steps",
    None,
    "Recurrences; by default each face stops by itself.",
    lower_bound=1,
)

# Without a box the face is taken to fill this share of the picture, in its middle.
_FILLED = 0.7
_BATCH = 4  # faces; a few times as many photos are held until they are written


def main(arguments: list[str]) -> None:
    """Predicts, and writes .pts, JSON and an overlay for each image."""
    images = [Path(argument) for argument in arguments[1:]]
    if not images:
        raise ValueError("no images: name the photos behind the flags.")
    predictor = load_predictor(_CHECKPOINT.value, preset=_PRESET.value)
    table = read_boxes(_BOXES.value) if _BOXES.value else {}
    out = Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    names = _output_names(images)
    photos: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # loaded, not yet written

    def load(number: int) -> tuple[np.ndarray, np.ndarray]:
        image = load_image(images[number])
        photos[number] = image, _boxes_of(images[number], image, table)
        return photos[number]

    answers = predictor.stream(
        [functools.partial(load, number) for number in range(len(images))],
        num_steps=_NUM_STEPS.value,
        batch_size=_BATCH,
        return_exceptions=True,
    )
    bar = tqdm(
        answers, desc="photos", total=len(images), disable=not sys.stderr.isatty()
    )
    failed = []
    for number, (path, faces) in enumerate(zip(images, bar, strict=True)):
        try:
            if isinstance(faces, Exception):
                raise faces
            image, boxes = photos[number]
            markup = predictor.config.markup
            _write(out, path, names[path], image, boxes, faces, markup=markup)
        except ValueError as error:
            failed.append(f"{path}: {' '.join(str(error).split())}")
        photos.pop(number, None)
    print(f"wrote the landmarks of {len(images) - len(failed)} photos to {out}")
    if failed:
        raise ValueError(f"{len(failed)} photos failed: {'; '.join(failed)}")


def _write(
    out: Path,
    path: Path,
    name: str,
    image: np.ndarray,
    boxes: np.ndarray,
    faces: Faces,
    *,
    markup: Markup,
) -> None:
    for number, points in enumerate(faces.points, start=1):
        suffix = f"_{number}" if len(boxes) > 1 else ""
        write_pts(out / f"{name}{suffix}.pts", points)
    text = json.dumps(_as_json(path, boxes, faces), indent=1)
    (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    overlay = draw_overlay(image, faces.points, markup=markup)
    save_image(out / f"{name}_overlay.png", overlay)


def _boxes_of(
    path: Path, image: np.ndarray, table: dict[str, np.ndarray]
) -> np.ndarray:
    if table:
        keys = [path.as_posix(), path.name]
        folder = Path(_BOXES.value or "").absolute().parent
        if path.absolute().is_relative_to(folder):
            keys.insert(1, path.absolute().relative_to(folder).as_posix())
        for key in keys:
            if key in table:
                return table[key]
        raise ValueError(f"no box in {_BOXES.value}; looked for {', '.join(keys)}")
    height, width = image.shape[:2]
    half = _FILLED * min(width, height) / 2
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array([[x - half, y - half, x + half, y + half]])


def _as_json(path: Path, boxes: np.ndarray, faces: Faces) -> dict[str, Any]:
    """Landmarks are 0-based, the centre of the first pixel being (0, 0)."""
    return {
        "image": path.name,
        "faces": [
            {
                "box": _rounded(box),
                "points": _rounded(faces.points[face]),
                "spread": _rounded(faces.spread[face]),
                "num_steps": int(faces.num_steps[face]),
                "settled": bool(faces.settled[face]),
            }
            for face, box in enumerate(boxes)
        ],
    }


def _rounded(values: np.ndarray) -> list:
    return np.asarray(values, np.float64).round(3).tolist()


def _output_names(images: list[Path]) -> dict[Path, str]:
    """A name for the results of each image: its stem, with more where stems are shared."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in images:
        name, number = path.stem, 1
        while name in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name)
        names[path] = name
    return names


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
