"""faces.csv of rcsr-predict: a row for each face of all photos.

People correct it and train on it, so what they changed is kept.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.data.annotations import point_columns, point_fields
from rcsr_jax.data.whole_files import checksum, whole_file


def table_row(name: str, number: int, face: Mapping[str, Any]) -> dict[str, Any]:
    """A face as fields of the table, one for each number.

    Args:
        name: of the photo.
        number: of the face in it, from 1.
        face: as the JSON of the photo has it.
    """
    fields: dict[str, Any] = {"image": name, "face": number}
    for key, value in face.items():
        if key == "points":
            points = np.array(value, np.float64)
            fields |= zip(point_columns(len(points)), point_fields(points), strict=True)
        elif key == "box":
            fields |= zip(("box_x0", "box_y0", "box_x1", "box_y1"), value, strict=True)
        elif key == "ellipses":  # three numbers a landmark: in the JSON alone
            continue
        elif isinstance(value, list):
            fields |= {f"{key}_{index}": item for index, item in enumerate(value)}
        else:
            fields[key] = value
    return fields


def holds_rows(path: Path) -> bool:
    """Whether there is a table with anything in it."""
    return path.exists() and path.stat().st_size > 0


def replace_table(
    path: Path, rows: Iterable[Mapping[str, Any]], *, known: str | None
) -> Path | None:
    """Writes the table, whole or not at all, and keeps one that somebody changed.

    Args:
        path: of the table; its folder exists.
        rows: with the same fields each.
        known: checksum of the table as it was written last; None: it is not known.

    Returns:
        Where the table is now that was here and is not that one; None: there was none.
    """
    changed = holds_rows(path) and checksum(path) != known
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer: csv.DictWriter | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(text, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
        text.detach()
        kept = path.rename(_free_place(path)) if changed else None
    return kept


def _free_place(path: Path) -> Path:
    """Beside the table, for the one that is kept; what was kept before stays."""
    first = path.with_name(f"{path.name}.corrected")
    others = (path.with_name(f"{first.name}-{n}") for n in itertools.count(2))
    places = itertools.chain([first], others)
    return next(place for place in places if not place.exists())
