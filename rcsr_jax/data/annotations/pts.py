"""`.pts`: one face in a file beside its image, as in 300-W. Counts from 1 on disk."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from rcsr_jax.data.annotations.holding import check_held
from rcsr_jax.data.annotations.records import (
    AnnotatedFace,
    annotated,
    by_image,
    checked_name,
    checked_points,
    read_text,
    to_points,
)
from rcsr_jax.data.folders import files_below
from rcsr_jax.data.images import IMAGE_SUFFIXES

SUFFIX = ".pts"


def read_pts(path: str | Path, *, num_points: int | None = None) -> np.ndarray:
    """The points of a `.pts` file, as 300-W has one for each image.

    Blank lines, what follows a `#` or `//`, and any line ending are accepted.

    Args:
        path: `version: 1`, `n_points: 68`, then in braces 1-based "x y" lines.
        num_points: how many points it must hold; None accepts what `n_points` says.

    Returns:
        float32 [num_points, 2], 0-based; a point written `nan nan` is not annotated.

    Raises:
        ValueError: the file is missing, has no braces, another number of points, or
            something that is not a number.
    """
    text = re.sub(r"(#|//).*", "", read_text(path))
    match = re.fullmatch(r"([^{}]*)\{([^{}]*)\}\s*", text)
    if match is None:
        raise ValueError(
            f"{path}: the points of a .pts file stand in one pair of braces."
        )
    header, body = match.groups()
    declared = re.search(r"\bn_points\s*:\s*(\d{1,9})\s*$", header, flags=re.MULTILINE)
    if declared is None:
        raise ValueError(f"{path}: no line 'n_points: NUMBER' before the braces.")
    try:
        points = to_points([line.split() for line in body.splitlines() if line.strip()])
    except ValueError as error:
        raise ValueError(f"{path}: {error}.") from error
    if len(points) != int(declared[1]):
        raise ValueError(
            f"{path}: n_points is {declared[1]}, but there are {len(points)} points."
        )
    if num_points is not None and len(points) != num_points:
        raise ValueError(
            f"{path}: {len(points)} points, where {num_points} are needed."
        )
    return (points - 1).astype(np.float32)


def write_pts(path: str | Path, points: np.ndarray) -> None:
    """Writes one face as a `.pts` file, 1-based, to a millionth of a pixel.

    Args:
        path: the file to write; its folder exists.
        points: float [num_points, 2], 0-based pixels; NaN where not annotated.
    """
    points = checked_points(points, where=path).astype(np.float64) + 1
    rows = "".join(f"{x:.6f} {y:.6f}\n" for x, y in points)
    Path(path).write_text(
        f"version: 1\nn_points: {len(points)}\n{{\n{rows}}}\n", encoding="utf-8"
    )


def read_pts_folder(root: str | Path) -> tuple[AnnotatedFace, ...]:
    """The faces of a folder with an image beside each `.pts`, at any depth.

    Hidden files are passed over; folders behind links are read once.

    Returns:
        The faces; their images are named relative to the folder. A `.pts` without its
        image is named itself, with that problem, and so is FOLDER/* where a folder
        cannot be read.
    """
    closed = []

    def close(folder: Path, reason: str) -> None:
        closed.append(AnnotatedFace((folder / "*").as_posix(), problem=reason))

    root = Path(root)
    images, found = defaultdict(list), defaultdict(list)
    for path in sorted(files_below(root, on_problem=close)):
        if path.suffix.lower() == SUFFIX:
            found[path.with_suffix("")].append(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            images[path.with_suffix("")].append(path)
    faces = []
    for stem, pts in found.items():
        if len(pts) == len(images[stem]) == 1:
            faces.append(_read_face(root, images[stem][0].as_posix(), pts[0]))
        else:
            beside = ", ".join(path.name for path in pts[1:] + images[stem])
            problem = (
                f"needs one image of this stem beside it; found {beside or 'none'}"
            )
            faces.append(AnnotatedFace(pts[0].as_posix(), problem=problem))
    return (*faces, *closed)


def pts_places(
    root: str | Path, faces: Sequence[AnnotatedFace]
) -> dict[str, tuple[str, AnnotatedFace]]:
    """What `write_pts_folder` would write; nothing is written.

    Args:
        root: the folder, for messages.
        faces: as there.

    Returns:
        path of each `.pts` relative to the folder -> the name of the image that belongs
        beside it, such as NAME_2.jpg, and the face.

    Raises:
        ValueError: as there.
    """
    check_held(faces, kind="pts", where=root)
    places: dict[str, tuple[str, AnnotatedFace]] = {}
    for image, group in by_image(faces).items():
        path = PurePosixPath(checked_name(image, where=root))
        if not path.name or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{root}: {image} does not lie in this folder.")
        for number, (face, _) in enumerate(annotated(group, where=root), start=1):
            stem = path.stem if number == 1 else f"{path.stem}_{number}"
            name = path.with_name(stem + SUFFIX).as_posix()
            if name in places:
                raise ValueError(
                    f"{root}: {name} would belong to {places[name][1].image} and to "
                    f"{image}; rename one, or write JSON, CSV or XML."
                )
            places[name] = path.with_name(stem + path.suffix).as_posix(), face
    return places


def write_pts_folder(
    root: str | Path, faces: Sequence[AnnotatedFace]
) -> tuple[tuple[str, AnnotatedFace], ...]:
    """Writes a `.pts` for each face, where its image would be in a folder.

    Of several faces of an image the second goes to NAME_2.pts, and so on.

    Args:
        root: the folder; made where there is none.
        faces: all with points.

    Returns:
        For each face the name of the image that belongs beside it, such as NAME_2.jpg,
        and the face.

    Raises:
        ValueError: a face has no points or wrong ones, two images would share a `.pts`,
            or an image lies outside the folder; then nothing is written.
    """
    places = pts_places(root, faces)
    Path(root).mkdir(parents=True, exist_ok=True)
    placed = annotated((face for _, face in places.values()), where=root)
    for name, (_, points) in zip(places, placed, strict=True):
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_pts(path, points)
    return tuple(places.values())


def _read_face(root: Path, image: str, pts: Path) -> AnnotatedFace:
    if (root / pts).exists() and not (root / pts).is_file():  # a pipe would never end
        return AnnotatedFace(image, problem=f"{pts.name} is a pipe or a device")
    try:
        return AnnotatedFace(image, read_pts(root / pts))
    except ValueError as error:
        return AnnotatedFace(image, problem=str(error).rstrip("."))
