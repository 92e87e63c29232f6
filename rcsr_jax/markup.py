"""What the landmarks of a face mean: mirror order, eyes and named regions.

A markup is data, not code: the three that ship (68, 51 and 49 points of 300-W) and those
that users write as JSON files go through the same class and the same checks.
Indices are 0-based; "left" is the left side of the picture, not of the person.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TOLD = 5  # landmarks that a message lists


@dataclasses.dataclass(frozen=True, kw_only=True)
class Markup:
    """The meaning of each landmark of a face.

    Attributes:
        name: what the markup is called in configs and metric tables.
        mirror: for each landmark, the index of the one it becomes in the mirrored face.
        eye_corners: the two outer eye corners; their distance is the inter-ocular one.
        eyes: the landmarks around each eye; the distance of their means is the
            inter-pupil one.
        regions: named groups of landmarks, as (name, indices) pairs.
        outlines: polylines that draw the face, each a run of indices.
    """

    name: str
    mirror: tuple[int, ...]
    eye_corners: tuple[int, int]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    regions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    outlines: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self):
        self._check_form()
        named = {
            "eye_corners": self.eye_corners,
            "eyes": self.eyes[0] + self.eyes[1],
            **{f"region {name}": indices for name, indices in self.regions},
            **{f"outline {n}": indices for n, indices in enumerate(self.outlines)},
        }
        if problem := _no_permutation(self.mirror):
            raise ValueError(f"markup {self.name}: {problem}.")
        for index, twin in enumerate(self.mirror):
            if self.mirror[twin] != index:
                raise ValueError(
                    f"markup {self.name}: mirror sends {index} to {twin} but {twin} to "
                    f"{self.mirror[twin]}; mirroring twice must change nothing."
                )
        for what, indices in named.items():
            if not indices:
                raise ValueError(f"markup {self.name}: {what} names no landmark.")
            if strange := [i for i in indices if not 0 <= i < self.num_points]:
                raise ValueError(
                    f"markup {self.name}: mirror has {self.num_points} landmarks, 0 to "
                    f"{self.num_points - 1}, but {what} names {_some(strange)}."
                )
        left, right = map(set, self.eyes)
        if len(set(self.eye_corners)) < 2 or left == right or not (left and right):
            raise ValueError(
                f"markup {self.name}: eye_corners and eyes are each two places of a face, "
                f"whose distance measures it; got {self.eye_corners} and {self.eyes}."
            )

    def _check_form(self) -> None:
        """Checks that all is made of tuples of whole numbers: hashable, and as it says."""
        groups = {
            "mirror": self.mirror,
            "eye_corners": self.eye_corners,
            **_numbered("eyes", self.eyes),
            **_numbered("outlines", self.outlines),
        }
        for name, group in _numbered("regions", self.regions).items():
            if not (isinstance(group, tuple) and len(group) == 2):
                raise ValueError(f"{name} must be (name, indices); got {group!r}.")
            groups[name] = group[1]
        for name, group in groups.items():
            if not isinstance(group, tuple) or not all(type(i) is int for i in group):
                raise ValueError(f"{name} must be a tuple of int; got {group!r}.")
        if len(self.eye_corners) != 2 or len(self.eyes) != 2:
            raise ValueError(
                f"eye_corners and eyes are two each; got {self.eye_corners} and "
                f"{self.eyes}."
            )

    @property
    def num_points(self) -> int:
        """How many landmarks a face has."""
        return len(self.mirror)

    def same_landmarks(self, other: "Markup") -> bool:
        """Whether both mean the same landmarks, whatever they are called and grouped."""
        return (self.mirror, self.eye_corners, self.eyes) == (
            other.mirror,
            other.eye_corners,
            other.eyes,
        )

    def to_dict(self) -> dict[str, Any]:
        """The markup as plain JSON values; `Markup.from_dict` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Markup":
        """The markup that `to_dict` or a user's JSON file describes.

        Args:
            fields: `name`, `mirror`, `eye_corners`, `eyes` and, if wanted, `regions` (a
                mapping or pairs) and `outlines`.

        Raises:
            ValueError: a field is missing, unknown or does not fit the others.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        needed = {"name", "mirror", "eye_corners", "eyes"}
        wrong = {"missing": needed - set(fields), "unknown": set(fields) - known}
        if told := [f"{k}: {', '.join(sorted(v))}" for k, v in wrong.items() if v]:
            raise ValueError(
                f"a markup has the fields {', '.join(sorted(needed))} and, if wanted, "
                f"{', '.join(sorted(known - needed))}; {'; '.join(told)}."
            )
        regions = fields.get("regions", ())
        if isinstance(regions, Mapping):
            regions = regions.items()
        try:
            corners = _indices(fields["eye_corners"], "eye_corners")
            eyes = _lists(fields["eyes"], "eyes")
            if len(corners) != 2 or len(eyes) != 2:
                raise ValueError(
                    "eye_corners and eyes each name two things; got "
                    f"{len(corners)} and {len(eyes)}."
                )
            return cls(
                name=str(fields["name"]),
                mirror=_indices(fields["mirror"], "mirror"),
                eye_corners=(corners[0], corners[1]),
                eyes=(eyes[0], eyes[1]),
                regions=tuple((str(k), _indices(v, f"region {k}")) for k, v in regions),
                outlines=_lists(fields.get("outlines", ()), "outlines"),
            )
        except TypeError as error:
            raise ValueError(f"not a markup: {error}") from error


def _numbered(name: str, groups: Any) -> dict[str, Any]:
    """The parts of a tuple by name and number."""
    if not isinstance(groups, tuple):
        raise ValueError(f"{name} must be a tuple; got {groups!r}.")
    return {f"{name}[{number}]": group for number, group in enumerate(groups)}


def read_markup(path: str | Path) -> Markup:
    """The markup in a JSON file, for landmarks of one's own.

    Raises:
        ValueError: the file is not JSON or not a consistent markup.
    """
    try:
        fields = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise ValueError("a markup file holds one JSON object")
        return Markup.from_dict(fields)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"markup file {path}: {error}") from error


def _lists(values: Any, name: str) -> tuple[tuple[int, ...], ...]:
    """The landmarks that each of several lists names."""
    return tuple(_indices(part, f"{name}[{n}]") for n, part in enumerate(values))


def _indices(values: Any, name: str) -> tuple[int, ...]:
    """The landmarks that a list names; a fraction would become another landmark."""
    if not isinstance(values, list | tuple):
        raise ValueError(
            f"{name}: landmarks are named in a list, as in [0, 1]; got {values!r:.80}"
        )
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(
                f"{name}: landmarks are named by whole numbers; got {value!r:.80}"
            )
    return tuple(values)


def _no_permutation(mirror: tuple[int, ...]) -> str:
    """Why a mirror does not name each landmark once; empty: it does."""
    if not mirror:
        return "mirror names no landmark"
    count = len(mirror)
    if sorted(mirror) == list(range(1, count + 1)):
        return f"mirror counts from 1 to {count}, where landmarks count from 0"
    if not (missing := sorted(set(range(count)) - set(mirror))):
        return ""
    strange = sorted(set(mirror) - set(range(count)))
    twice = sorted(index for index, times in Counter(mirror).items() if times > 1)
    wrong = {"lacks": missing, "names": strange, "names twice": twice}
    told = ", ".join(f"{what} {_some(which)}" for what, which in wrong.items() if which)
    return f"mirror has {count} landmarks, 0 to {count - 1}, but {told}"


def _some(indices: Sequence[int]) -> str:
    """The first of several numbers, for a message."""
    listed = ", ".join(map(str, indices[:_TOLD]))
    return listed + (", ..." if len(indices) > _TOLD else "")


def _face_68() -> Markup:
    pairs = [(i, 16 - i) for i in range(8)]  # jaw; 8 is the chin
    pairs += [(17 + i, 26 - i) for i in range(5)]  # brows
    pairs += [(31, 35), (32, 34)]  # nostrils; 27..30 and 33 lie on the axis
    pairs += [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]  # eyes
    pairs += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58)]  # outer lip
    pairs += [(60, 64), (61, 63), (65, 67)]  # inner lip
    mirror = list(range(68))
    for left, right in pairs:
        mirror[left], mirror[right] = right, left

    def run(first: int, last: int, *, closed: bool = False) -> tuple[int, ...]:
        return (*range(first, last + 1), *((first,) if closed else ()))

    return Markup(
        name="68",
        mirror=tuple(mirror),
        eye_corners=(36, 45),
        eyes=(run(36, 41), run(42, 47)),
        regions=(
            ("jaw", run(0, 16)),
            ("brows", run(17, 26)),
            ("nose", run(27, 35)),
            ("eyes", run(36, 47)),
            ("mouth", run(48, 67)),
        ),
        outlines=(
            run(0, 16),
            run(17, 21),
            run(22, 26),
            run(27, 30),
            run(31, 35),
            run(36, 41, closed=True),
            run(42, 47, closed=True),
            run(48, 59, closed=True),
            run(60, 67, closed=True),
        ),
    )


def subset(markup: Markup, indices: tuple[int, ...], *, name: str) -> Markup:
    """The markup of some of the landmarks, in the order of `indices`.

    Regions, eyes and outlines lose the landmarks that are left out; those that become
    empty go.

    Raises:
        ValueError: the subset is not closed under mirroring or lacks an eye corner.
    """
    place = {old: new for new, old in enumerate(indices)}
    missing = {markup.mirror[i] for i in indices} | set(markup.eye_corners)
    if missing := missing - set(place):
        raise ValueError(f"subset {name} of {markup.name} lacks {sorted(missing)}.")

    def keep(old: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(place[i] for i in old if i in place)

    left, right = markup.eye_corners
    return Markup(
        name=name,
        mirror=tuple(place[markup.mirror[i]] for i in indices),
        eye_corners=(place[left], place[right]),
        eyes=(keep(markup.eyes[0]), keep(markup.eyes[1])),
        regions=tuple((k, keep(v)) for k, v in markup.regions if keep(v)),
        outlines=tuple(keep(v) for v in markup.outlines if len(keep(v)) > 1),
    )


INNER_51 = tuple(range(17, 68))
INNER_49 = tuple(i for i in INNER_51 if i not in (60, 64))  # no inner mouth corners

FACE_68 = _face_68()
FACE_51 = subset(FACE_68, INNER_51, name="51")
FACE_49 = subset(FACE_68, INNER_49, name="49")

# The standard subsets of each markup that results are reported for: name -> indices.
REPORTED_SUBSETS: dict[str, dict[str, tuple[int, ...]]] = {
    "68": {"51": INNER_51, "49": INNER_49},
}
