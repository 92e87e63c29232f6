"""What rcsr-predict leaves of each video, and how it tells what is done already.

NAME.csv with a row for each face of each frame, NAME_overlay.mp4, and NAME.json with what
they were made of and their checksums: so a table that somebody wrote or corrected is told
from one that may be replaced.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rcsr_jax.data.whole_files import checksum

from . import outputs
from .inputs import VIDEO_OVERLAY, Input
from .origin import is_of, origin_of, read_object


class Counts(NamedTuple):
    """How many frames a video has, and how many different faces are in them."""

    frames: int
    faces: int


class VideoResults:
    """The videos in a folder of results."""

    def __init__(self, out: Path, *, made_with: str, overwrite: bool):
        """Names the folder; it need not exist.

        Args:
            out: the folder.
            made_with: tells results of other settings apart.
            overwrite: replace results, and other files, that are there already.
        """
        self._out, self._made_with, self._overwrite = out, made_with, overwrite

    def table(self, video: Input) -> Path:
        """Where the table of a video is."""
        return self._out / f"{video.result}.csv"

    def picture(self, video: Input) -> Path:
        """Where the video with the landmarks drawn over it is."""
        return self._out / (video.result + VIDEO_OVERLAY)

    def counts(self, video: Input) -> Counts | None:
        """What the results of a video tell; None where they are to be made.

        Raises:
            ValueError: there are those of another video of this name, or of other
                settings, or files would be replaced that are no results or were changed
                since.
        """
        if self._overwrite:
            return None
        content = read_object(self._json(video))
        if content is not None and not self._is_of(video, content):
            raise ValueError(
                f"{self._json(video)} was made of another video or with other settings; "
                "--overwrite replaces it, or choose another --out"
            )
        if self._unfinished(video).exists():
            return None  # a run that was killed left what else is there
        content = content or {}
        known = _files(content)
        whole = set(Counts._fields) <= content.keys()  # else it was interrupted
        if whole and all((self._folder(video) / name).exists() for name in known):
            return Counts(*(content[name] for name in Counts._fields))
        for path in self._others(video):
            if os.path.lexists(path) and not _is_as_written(path, known):
                raise ValueError(
                    f"{path} is there already and is no result of this video, or was "
                    "changed since; choose another --out, or --overwrite replaces it"
                )
        return None

    def write(self, video: Input, track: Callable[[], tuple[int, int]]) -> Counts:
        """Has the results of a video written, in place of those that are there.

        What was written before an error or an interruption stays, and is known as such.

        Args:
            video: the video, for which `counts` gave None.
            track: writes the table and the picture; returns the numbers of frames and of
                faces.
        """
        self._folder(video).mkdir(parents=True, exist_ok=True)
        # while the unfinished file is there, the others are known to be results
        self._unfinished(video).touch()
        for path in (self._json(video), *self._others(video)):
            path.unlink(missing_ok=True)
        told: dict[str, int] = {}
        try:
            counts = Counts(*track())
            told = counts._asdict()
        finally:
            written = [path for path in self._others(video) if path.exists()]
            if written:
                content = {
                    **origin_of(video, made_with=self._made_with),
                    **told,
                    "files": {path.name: checksum(path) for path in written},
                }
                outputs.write_json(self._json(video), content)
            else:
                self._unfinished(video).unlink()
        return counts

    def _is_of(self, video: Input, content: Mapping[str, Any]) -> bool:
        # each recording of a camera is another one, and cannot be made again
        recorded = video.path.is_file()
        return recorded and is_of(content, video, made_with=self._made_with)

    def _folder(self, video: Input) -> Path:
        return self._json(video).parent

    def _others(self, video: Input) -> tuple[Path, Path]:
        return self.table(video), self.picture(video)

    def _json(self, video: Input) -> Path:
        return self._out / f"{video.result}.json"

    def _unfinished(self, video: Input) -> Path:
        # what the JSON is called while it is written: it ends with that
        return self._out / f"{video.result}.json.unfinished"


def _files(content: Mapping[str, Any]) -> Mapping[str, str]:
    """Names and checksums of the files that a run has written."""
    known = content.get("files")
    return known if isinstance(known, dict) else {}


def _is_as_written(path: Path, known: Mapping[str, str]) -> bool:
    return path.name in known and checksum(path) == known[path.name]
