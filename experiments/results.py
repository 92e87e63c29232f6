"""What rcsr-predict leaves of each photo, and how it tells what is done already.

For a photo: NAME.json, NAME.pts of each face, NAME_overlay.png. For all of them:
faces.csv with a row for each face, summary.json with what became of them. The JSON of a
photo is written last, so where it is all else is.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from rcsr_jax.config import to_dict
from rcsr_jax.data.annotations import point_columns, point_fields, write_pts
from rcsr_jax.data.images import save_image
from rcsr_jax.inference import Faces, Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.plots import draw_overlay

from . import outputs
from .inputs import OVERLAY, SUMMARY, TABLE, Input

_OVERLAY_SIDE = 1600  # pixels at most; to look at, and quick to write


class Found(NamedTuple):
    """The faces of a photo.

    Attributes:
        image: uint8 [height, width, 3].
        boxes: float [faces, 4].
        scores: float [faces], of the detector; None where the boxes were given.
        faces: their landmarks.
    """

    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray | None
    faces: Faces


class Results:
    """The folder of results."""

    def __init__(self, out: Path, *, made_with: str, overwrite: bool):
        """Makes the folder.

        Args:
            out: the folder.
            made_with: tells results of other settings apart.
            overwrite: replace results that are there already.
        """
        out.mkdir(parents=True, exist_ok=True)
        self._out, self._made_with, self._overwrite = out, made_with, overwrite
        self._written = set[Input]()

    def is_done(self, photo: Input) -> bool:
        """Whether the results of a photo are there, and need not be replaced.

        Raises:
            ValueError: there are those of another photo of this name, or of other settings.
        """
        if self._overwrite:
            return photo in self._written
        content = self._read(photo)
        if content is None:
            return False
        made_of = (photo.name, _num_bytes(photo.path), self._made_with)
        keys = ("image", "bytes", "made_with")
        if tuple(content.get(key) for key in keys) != made_of:
            raise ValueError(
                f"{self._json(photo)} was made of another photo or with other settings; "
                "--overwrite replaces it, or choose another --out"
            )
        return True

    def write(
        self,
        photo: Input,
        found: Found,
        *,
        markup: Markup,
        overlay: bool,
        boxes: bool = False,
        steps: bool = False,
        errors: bool = False,
    ) -> None:
        """Writes the results of a photo.

        Args:
            photo: the photo.
            found: its faces.
            markup: what the landmarks mean.
            overlay: draw the faces over the photo.
            boxes: and their boxes.
            steps: and the way of the landmarks to their places.
            errors: and the errors to expect of them.
        """
        target = self._json(photo)
        target.parent.mkdir(parents=True, exist_ok=True)
        points = found.faces.points
        replaced = (self._read(photo) or {}).get("faces", [])
        for path in self._pts(photo, num_faces=len(replaced)):
            path.unlink(missing_ok=True)
        for path, face in zip(
            self._pts(photo, num_faces=len(points)), points, strict=True
        ):
            write_pts(path, face)
        picture = self._out / (photo.result + OVERLAY)
        picture.unlink(missing_ok=True)
        if overlay and len(points):
            drawn = _overlay(
                found, markup=markup, boxes=boxes, steps=steps, errors=errors
            )
            save_image(picture, drawn)
        content = {
            "image": photo.name,
            "bytes": _num_bytes(photo.path),
            "made_with": self._made_with,
            "faces": list(_described(found)),
        }
        outputs.write_json(target, content)
        self._written.add(photo)

    def write_table(self, photos: Iterable[Input]) -> list[int]:
        """Writes faces.csv from the results of photos that are done.

        Returns:
            The number of faces of each.
        """
        counts = []
        with (self._out / f"{TABLE}.csv").open(
            "w", encoding="utf-8", newline=""
        ) as file:
            writer: Any = None
            for photo in photos:
                faces = (self._read(photo) or {}).get("faces", [])
                counts.append(len(faces))
                for number, face in enumerate(faces, start=1):
                    row = {"image": photo.name, "face": number, **_columns(face)}
                    if writer is None:
                        writer = csv.DictWriter(file, list(row), lineterminator="\n")
                        writer.writeheader()
                    writer.writerow(row)
        return counts

    def write_summary(self, summary: Mapping[str, Any]) -> Path:
        """Writes summary.json; returns where it is."""
        path = self._out / f"{SUMMARY}.json"
        outputs.write_json(path, summary)
        return path

    def _pts(self, photo: Input, *, num_faces: int) -> list[Path]:
        # not _1: that is how photos are called
        suffixes = [f"_face{number}" for number in range(1, num_faces + 1)]
        if num_faces == 1:
            suffixes = [""]
        return [self._out / f"{photo.result}{suffix}.pts" for suffix in suffixes]

    def _json(self, photo: Input) -> Path:
        return self._out / f"{photo.result}.json"

    def _read(self, photo: Input) -> dict[str, Any] | None:
        try:
            content = json.loads(self._json(photo).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            return {}
        faces = content.get("faces") if isinstance(content, dict) else None
        whole = isinstance(faces, list) and all(isinstance(f, dict) for f in faces)
        return content if whole else {}


def digest_of(
    predictor: Predictor,
    *,
    finding: Mapping[str, Any],
    num_steps: int | None,
    drawing: Mapping[str, bool] | None = None,
) -> str:
    """A digest of a model and of the settings that change its results.

    Args:
        predictor: holds the model.
        finding: how faces are found: what `finding.box_finder` is given. Of a table it is
            the content that counts.
        num_steps: recurrences; None: each face stops by itself.
        drawing: what is drawn over photos; None: nothing is.
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
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for leaf in jax.tree.leaves(jax.device_get(predictor.params)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]


def _described(found: Found) -> Iterator[dict[str, Any]]:
    """Each face as plain JSON values; 0-based, the centre of the first pixel being (0, 0).

    All that the predictor says of a face is there, but for the trajectory.
    """
    told = {
        name: values
        for name, values in found.faces._asdict().items()
        if name not in ("points", "trajectory")
    }
    for index, points in enumerate(found.faces.points):
        face = {"box": _rounded(found.boxes[index])}
        if found.scores is not None:
            face["detection_score"] = _rounded(found.scores[index])
        face["points"] = _rounded(points)
        yield face | {name: _rounded(values[index]) for name, values in told.items()}


def _rounded(values: Any) -> Any:
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return values.astype(np.float64).round(3).tolist()
    return values.tolist()


def _columns(face: Mapping[str, Any]) -> dict[str, Any]:
    """A face as fields of a table, one for each number."""
    fields: dict[str, Any] = {}
    for name, value in face.items():
        if name == "points":
            points = np.array(value, np.float64)
            fields |= zip(point_columns(len(points)), point_fields(points), strict=True)
        elif name == "box":
            fields |= zip(("box_x0", "box_y0", "box_x1", "box_y1"), value, strict=True)
        elif name == "ellipses":  # three numbers a landmark: in the JSON alone
            continue
        elif isinstance(value, list):
            fields |= {f"{name}_{index}": item for index, item in enumerate(value)}
        else:
            fields[name] = value
    return fields


def _overlay(
    found: Found, *, markup: Markup, boxes: bool, steps: bool, errors: bool
) -> np.ndarray:
    image, faces = found.image, found.faces
    shrink = min(1.0, _OVERLAY_SIDE / max(image.shape[:2]))
    if shrink < 1:
        height, width = (max(round(side * shrink), 1) for side in image.shape[:2])
        image = np.asarray(
            Image.fromarray(image).resize((width, height), reducing_gap=2)
        )

    def place(values: np.ndarray) -> np.ndarray:
        return (values + 0.5) * shrink - 0.5

    return draw_overlay(
        image,
        place(faces.points),
        markup=markup,
        box=place(np.asarray(found.boxes)) if boxes else None,
        trajectory=place(faces.trajectory) if steps else None,
        ellipses=faces.ellipses * [shrink, shrink, 1] if errors else None,
    )


def _num_bytes(path: Path) -> int:
    try:
        return os.path.getsize(path)  # noqa: PTH202
    except OSError:
        return -1
