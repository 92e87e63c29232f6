"""The parts of 300-W: which folders train, which are the common and challenging test faces.

A folder of 300-W as distributed has afw, helen/trainset, helen/testset, ibug,
lfpw/trainset and lfpw/testset, in any case. Which of them are there, and how complete, is
told rather than taken for granted.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from rcsr_jax.data.faces import read_faces
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.markup import FACE_68

# The faces of each part.
PARTS = {
    "afw": 337,
    "helen/trainset": 2000,
    "lfpw/trainset": 811,
    "helen/testset": 330,
    "lfpw/testset": 224,
    "ibug": 135,
}
TRAINING = ("afw", "helen/trainset", "lfpw/trainset")
TEST_SETS = {
    "common": ("helen/testset", "lfpw/testset"),
    "challenging": ("ibug",),
    "full": ("helen/testset", "lfpw/testset", "ibug"),
}


def size_of(name: str) -> int:
    """The faces of a test set or of a part where 300-W is complete."""
    return sum(PARTS[part] for part in TEST_SETS.get(name, (name,)))


class FoundPart(NamedTuple):
    """What is there of a part.

    Attributes:
        expected: faces it has as distributed.
        folder: where it lies in the data folder; empty: nowhere.
        names: of the faces that can be used.
        refused: those that cannot, and why.
    """

    expected: int
    folder: str
    names: tuple[str, ...]
    refused: tuple[Refusal, ...]

    @property
    def missing(self) -> int:
        """Faces of which there is neither a picture nor an annotation."""
        return self.expected - len(self.names) - len(self.refused)


def find_parts(
    data: str | Path, *, boxes: str | Path | None = None
) -> dict[str, FoundPart]:
    """The parts of 300-W below a folder, by the names of `PARTS`.

    Args:
        data: the folder.
        boxes: CSV of face boxes, as for `read_faces`: a face without a row is refused.

    Raises:
        ValueError: no part is there, or no face can be used.
    """
    data = Path(data)
    folders = {part: _find_folder(data, part) for part in PARTS}
    here = [folder for folder in folders.values() if folder]
    if not here:
        raise ValueError(
            f"{data}: no part of 300-W lies here; looked for the folders "
            f"{', '.join(PARTS)}."
        )
    found = read_faces(data, markup=FACE_68, split=",".join(here), boxes=boxes)

    def within(folder: str, names: Iterable[str]) -> list[str]:
        return [name for name in names if folder and name.startswith(f"{folder}/")]

    return {
        part: FoundPart(
            expected,
            folders[part],
            tuple(within(folders[part], (face.name for face in found.faces))),
            tuple(
                refusal
                for refusal in found.refused
                if within(folders[part], [refusal.name])
            ),
        )
        for part, expected in PARTS.items()
    }


def folders_of(parts: Mapping[str, FoundPart], names: Iterable[str]) -> str:
    """The folders of these parts as a `split` of `read_faces`; empty: none is there."""
    return ",".join(parts[name].folder for name in names if parts[name].names)


def names_of_test_sets(parts: Mapping[str, FoundPart]) -> dict[str, tuple[str, ...]]:
    """The faces that are there of the common, challenging and full sets; some or none."""
    return {
        test_set: tuple(name for part in members for name in parts[part].names)
        for test_set, members in TEST_SETS.items()
    }


def describe_parts(parts: Mapping[str, FoundPart], names: Iterable[str]) -> list[str]:
    """A line for each of these parts that is not complete: how many, and which lack.

    Args:
        parts: from `find_parts`.
        names: of the parts to tell of.
    """
    lines = []
    for name in names:
        part = parts[name]
        if len(part.names) == part.expected and not part.refused:
            continue
        told = [f"{name}: {len(part.names)} of {part.expected} faces"]
        if not part.folder:
            told.append("there is no such folder")
        elif part.missing > 0:
            told.append(f"{part.missing} have neither picture nor annotation")
        elif part.missing < 0:
            told.append(f"{-part.missing} more than 300-W has")
        told += [f"{refusal.name}: {refusal.reason}" for refusal in part.refused]
        lines.append("; ".join(told))
    return lines


def _find_folder(data: Path, part: str) -> str:
    """The folder of a part relative to the data, whatever its case; empty: none."""
    here = data
    for wanted in part.split("/"):
        if not here.is_dir():
            return ""
        inside = [path for path in sorted(here.iterdir()) if path.is_dir()]
        same = [path for path in inside if path.name.lower() == wanted]
        if not same:
            return ""
        here = same[0]
    return here.relative_to(data).as_posix()
