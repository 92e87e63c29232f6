"""The splits of 300-W on a tree of the right names and sizes, its files tiny."""

import io

import numpy as np
import pytest
from PIL import Image

from rcsr_jax.data import splits
from rcsr_jax.data.annotations import write_pts
from rcsr_jax.data.faces import read_faces
from rcsr_jax.markup import FACE_68

SUFFIXES = {"afw": ".jpg", "helen": ".jpg", "lfpw": ".png", "ibug": ".jpg"}


def name_of(part, number):
    """Names as distributed: two faces of a photo in AFW, spaces in IBUG."""
    if part == "afw":
        return f"{1000 + number // 2}_{1 + number % 2}"
    if part == "ibug":
        return f"image_{number:03d} _01" if number % 9 == 0 else f"image_{number:03d}"
    return f"image_{number:04d}" if "lfpw" in part else f"{2000 + number}_1"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """All 3,837 faces; hard links, or the writing would take longer than the test."""
    root = tmp_path_factory.mktemp("300w")
    picture = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(picture, format="PNG")
    points = np.linspace(0, 3, 2 * 68).reshape(68, 2)
    image, annotation = root / "image", root / "annotation"
    image.write_bytes(picture.getvalue())
    write_pts(annotation, points)
    for part, count in splits.PARTS.items():
        folder = root / "all" / part.replace("ibug", "IBUG")
        folder.mkdir(parents=True)
        for number in range(count):
            stem = name_of(part, number)
            suffix = SUFFIXES[part.split("/")[0]]
            suffix = suffix.upper() if number % 5 == 0 else suffix
            (folder / f"{stem}{suffix}").hardlink_to(image)
            (folder / f"{stem}.pts").hardlink_to(annotation)
    return root / "all"


def test_the_paper_s_counts_and_sets(tree):
    found = splits.find_parts(tree)
    assert splits.describe_parts(found, splits.PARTS) == []
    assert sum(len(found[part].names) for part in splits.TRAINING) == 3148
    sets = splits.names_of_test_sets(found)
    sizes = {name: len(faces) for name, faces in sets.items()}
    assert sizes == {"common": 554, "challenging": 135, "full": 689}
    assert {name: splits.size_of(name) for name in sets} == sizes
    assert set(sets["full"]) == set(sets["common"]) | set(sets["challenging"])
    assert "IBUG/image_000 _01.JPG" in sets["challenging"]

    split = splits.folders_of(found, splits.TRAINING)
    assert split == "afw,helen/trainset,lfpw/trainset"
    training = {name for part in splits.TRAINING for name in found[part].names}
    assert not training & set(sets["full"])


def test_what_is_missing_is_named(tmp_path, tree):
    for part in ("afw", "lfpw/testset"):
        (tmp_path / part).mkdir(parents=True)
        for path in sorted((tree / part).iterdir())[:20]:
            (tmp_path / part / path.name).hardlink_to(path)
    gone = next((tmp_path / "afw").glob("*.jpg"))
    gone.unlink()
    found = splits.find_parts(tmp_path)
    lines = splits.describe_parts(found, splits.TRAINING)
    assert lines[0].startswith("afw: 9 of 337 faces; 327 have neither picture nor")
    assert f"afw/{gone.stem}.pts: needs one image of this stem" in lines[0]
    assert lines[1] == "helen/trainset: 0 of 2000 faces; there is no such folder"
    assert splits.folders_of(found, splits.TRAINING) == "afw"
    both = read_faces(tmp_path, markup=FACE_68, split="lfpw/testset,afw")
    assert len(both.faces) == 19
    sizes = {name: len(f) for name, f in splits.names_of_test_sets(found).items()}
    assert sizes == {"common": 10, "challenging": 0, "full": 10}


def test_a_folder_without_any_part_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="no part of 300-W lies here; looked for .*afw"
    ):
        splits.find_parts(tmp_path)
