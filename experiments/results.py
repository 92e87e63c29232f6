"""What rcsr-predict leaves of each photo, and how it tells what is done already.

For a photo: NAME.json, NAME.pts of each face, NAME_overlay.png. For all of the folder
faces.csv, with a row for each face; for all of a run summary.json, with what became of
them. The JSON of a photo is written last, so where it is all else is.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rcsr_jax.data.annotations import write_pts
from rcsr_jax.data.folders import files_below
from rcsr_jax.data.images import save_image
from rcsr_jax.data.whole_files import checksum, whole_file
from rcsr_jax.markup import Markup

from . import outputs
from .face_table import holds_rows, replace_table, table_row
from .found import Found, described, overlay_of, sure_faces
from .inputs import OVERLAY, SUMMARY, TABLE, Input
from .origin import is_of, origin_of, read_object

_CHECKSUM = "table_sha256"  # in summary.json
_LEFT_OUT = "faces_left_out"  # in the JSON of a photo


class Results:
    """The folder of results."""

    def __init__(self, out: Path, *, made_with: str, overwrite: bool):
        """Looks at the folder.

        Args:
            out: the folder, which exists.
            made_with: tells results of other settings apart.
            overwrite: replace results, and other files, that are there already.

        Raises:
            ValueError: there is a summary.json of something else.
        """
        self._out, self._made_with, self._overwrite = out, made_with, overwrite
        self._written = set[Input]()
        self._table, self._summary = out / f"{TABLE}.csv", out / f"{SUMMARY}.json"
        found = read_object(self._summary)
        summary = found or {}
        if found is not None and _CHECKSUM not in summary and not overwrite:
            raise ValueError(
                f"{self._summary} is none of rcsr-predict; choose another --out, or "
                "--overwrite replaces it."
            )
        # of the table that was written last, whoever has changed it since
        self._checksum: str | None = summary.get(_CHECKSUM)

    def is_done(self, photo: Input) -> bool:
        """Whether the results of a photo are there, and need not be replaced.

        Raises:
            ValueError: there are those of another photo of this name, or of other
                settings, or files that are no results would be replaced.
        """
        if self._overwrite:
            return photo in self._written
        content = _read_result(self._json(photo))
        begun = self._unfinished(photo).exists()
        if content is None:
            if not begun:
                self._check_free(photo, counts=(1, 2))
        elif not is_of(content, photo, made_with=self._made_with):
            raise ValueError(
                f"{self._json(photo)} was made of another photo or with other settings; "
                "--overwrite replaces it, or choose another --out"
            )
        return content is not None and not begun

    def was_written(self, photo: Input) -> bool:
        """Whether the results of a photo are of this run."""
        return photo in self._written

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
        min_score: float = 0.0,
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
            min_score: faces below it are left out, and counted.

        Raises:
            ValueError: files that are no results would be replaced.
        """
        target, unfinished = self._json(photo), self._unfinished(photo)
        sure = sure_faces(found, min_score=min_score)
        num_left_out = len(found.faces.points) - len(sure.faces.points)
        found = sure
        points = found.faces.points
        replaced = [_read_result(path) for path in (target, unfinished)]
        stale = [len(_faces(result)) for result in replaced if result is not None]
        if not stale and not self._overwrite:
            self._check_free(photo, counts=[len(points)])
        content = {
            **origin_of(photo, made_with=self._made_with),
            **({_LEFT_OUT: num_left_out} if num_left_out else {}),
            "faces": list(described(found)),
        }
        target.parent.mkdir(parents=True, exist_ok=True)
        # while the unfinished file is there, the others are known to be results
        with whole_file(target, unfinished=unfinished) as file:
            file.write(outputs.json_text(content).encode())
            file.flush()
            for path in self._others(photo, counts=stale):
                path.unlink(missing_ok=True)
            pts, picture = self._pts(photo, num_faces=len(points)), self._picture(photo)
            try:
                for path, face in zip(pts, points, strict=True):
                    write_pts(path, face)
                if overlay and len(points):
                    drawn = overlay_of(
                        found, markup=markup, boxes=boxes, steps=steps, errors=errors
                    )
                    save_image(picture, drawn)
            except BaseException:
                for path in (target, picture, *pts):
                    path.unlink(missing_ok=True)
                raise
        self._written.add(photo)

    def write_table(self, photos: Sequence[Input]) -> list[int]:
        """Writes faces.csv from the results of photos that are done.

        Behind them come those of other photos that earlier runs with the same settings
        left in the folder. It stays as it is where this run has found nothing: somebody
        may have corrected it.

        Returns:
            The number of faces of each of the photos.
        """
        if self._written or (photos and not holds_rows(self._table)):
            found = self._found(photos)
            rows = (row for result in found for row in _rows(result))
            kept = replace_table(self._table, rows, known=self._checksum)
            self._checksum = checksum(self._table)
            if kept is not None:
                print(
                    f"{self._table} may hold corrections: it is {kept.name} now, and "
                    "written anew beside.",
                    file=sys.stderr,
                )
        return [len(_faces(_read_result(self._json(photo)))) for photo in photos]

    def num_left_out(self, photos: Iterable[Input]) -> int:
        """How many faces of photos that are done were left out for their score."""
        results = (_read_result(self._json(photo)) or {} for photo in photos)
        return sum(result.get(_LEFT_OUT, 0) for result in results)

    def write_summary(self, summary: Mapping[str, Any]) -> Path:
        """Writes summary.json; returns where it is."""
        outputs.write_json(self._summary, {**summary, _CHECKSUM: self._checksum})
        return self._summary

    def _check_free(self, photo: Input, *, counts: Iterable[int]) -> None:
        """Raises ValueError where files would be replaced; by numbers of faces."""
        places = self._others(photo, counts=counts)
        if taken := next((path for path in places if os.path.lexists(path)), None):
            raise ValueError(
                f"{taken} is there already and is no result of this photo; choose another "
                "--out, or --overwrite replaces it"
            )

    def _found(self, photos: Sequence[Input]) -> Iterator[dict[str, Any]]:
        """The results of photos, then others that were made with the settings of now."""
        paths = [self._json(photo) for photo in photos]
        for path in paths:
            yield _read_result(path) or {}
        known = {*paths, self._summary}
        for below in files_below(self._out, on_problem=lambda folder, reason: None):
            path = self._out / below
            if path.suffix == ".json" and path not in known:
                result = _read_result(path) or {}
                if result.get("made_with") == self._made_with:
                    yield result

    def _others(self, photo: Input, *, counts: Iterable[int]) -> list[Path]:
        """Where results of a photo are beside the JSON, by numbers of faces."""
        pts = [path for count in counts for path in self._pts(photo, num_faces=count)]
        return [*pts, self._picture(photo)]

    def _pts(self, photo: Input, *, num_faces: int) -> list[Path]:
        # not _1: that is how photos are called
        suffixes = [f"_face{number}" for number in range(1, num_faces + 1)]
        if num_faces == 1:
            suffixes = [""]
        return [self._out / f"{photo.result}{suffix}.pts" for suffix in suffixes]

    def _picture(self, photo: Input) -> Path:
        return self._out / (photo.result + OVERLAY)

    def _json(self, photo: Input) -> Path:
        return self._out / f"{photo.result}.json"

    def _unfinished(self, photo: Input) -> Path:
        return self._out / f"{photo.result}.json.unfinished"


def owner_of(out: Path, result: str) -> str | None:
    """The name of the photo that results in a folder are of; None: there are none."""
    return (read_object(out / f"{result}.json") or {}).get("image")


def _rows(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for number, face in enumerate(_faces(result), start=1):
        yield table_row(result["image"], number, face)


def _read_result(path: Path) -> dict[str, Any] | None:
    """The results of a photo, as `read_object` reads them."""
    content = read_object(path)
    faces = (content or {}).get("faces")
    whole = isinstance(faces, list) and all(isinstance(face, dict) for face in faces)
    return content if content is None or whole else {}


def _faces(result: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return (result or {}).get("faces", [])
