"""Which faces are kept apart: photos whole, sources in proportion, the same everywhere."""

from pathlib import Path

import numpy as np
import pytest

from rcsr_jax.data.faces import Face
from rcsr_jax.data.held_out import hold_out, may_be_same_face, photo_of, split_by_photos

NONE = np.zeros((0, 2), np.float32)


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("afw/1051618982_1.jpg", "afw/1051618982"),
        ("afw/1051618982_12.png", "afw/1051618982"),
        ("lfpw/trainset/image_0001.png", "lfpw/trainset/image_0001"),
        ("ibug/image_003_1.jpg", "ibug/image_003"),
        ("a_1/b.jpg", "a_1/b"),
        ("mr. x_2.jpg", "mr. x"),
        ("_1.jpg", "_1"),
        ("name_b.jpg", "name_b"),
        ("7.jpg", "7"),
        ("images/b.png#3", "images/b"),
        ("images/b#3", "images/b"),
        ("images/b_2.png#3", "images/b"),
        ("face_00.jpg", "face_00"),
        ("face_07.jpg", "face_07"),
        ("face_100.jpg", "face_100"),
    ],
)
def test_photo_of(name, photo):
    assert photo_of(name) == photo


def _many_faces():
    sources = {"lfpw/trainset": 400, "helen/trainset": 500, "afw": 100}
    names = [
        f"{source}/{photo:06d}_{face}.jpg"
        for source, count in sources.items()
        for photo in range(count)
        for face in range(1, 3 if source == "afw" else 2)
    ]
    return [Face(name, Path(name), NONE, NONE) for name in names]


def test_hold_out_keeps_photos_whole_and_sources_in_proportion():
    faces = _many_faces()  # 400 + 500 + 200
    training, validation = hold_out(faces, count=110)
    names = [face.name for face in validation]
    assert len(validation) in (110, 111)
    assert not {photo_of(f.name) for f in training} & {photo_of(n) for n in names}
    assert sorted(training + validation) == sorted(faces)
    for source, share in (("lfpw", 40), ("helen", 50), ("afw", 20)):
        assert abs(sum(n.startswith(source) for n in names) - share) <= 2


def test_hold_out_does_not_depend_on_the_order():
    faces = _many_faces()
    names = [face.name for face in faces]
    validation = [face.name for face in hold_out(faces, count=50)[1]]
    shuffled = list(np.random.default_rng(0).permutation(names))
    assert set(hold_out(shuffled, count=50)[1]) == set(validation)
    assert list(hold_out(names, count=50)[1]) == validation
    # A stable choice across versions: those held out first stay held out.
    assert set(hold_out(names, count=20)[1]) < set(validation)


def test_hold_out_of_none_and_of_too_many():
    names = ["a_1.jpg", "a_2.jpg", "b_1.jpg"]
    assert hold_out(names, count=0) == (tuple(names), ())
    assert hold_out([], count=0) == ((), ())
    for count in (-1, 3, 4):
        with pytest.raises(ValueError, match=f"hold out {count} of 3 .* 2 photos"):
            hold_out(names, count=count)
    with pytest.raises(ValueError, match=r"hold out 1 of 2 .* 1 photos"):
        hold_out(["a_1.jpg", "a_2.jpg"], count=1)


def test_numbers_of_photos_are_not_those_of_faces():
    names = [f"face_{number}.jpg" for number in range(400)]
    training, validation = hold_out(names, count=20)
    assert (len(training), len(validation)) == (380, 20)
    few = [f"group_{number}.jpg" for number in range(1, 21)]  # twenty of one photo
    with pytest.raises(ValueError, match=r"from 1 photos.*NAME_1 and NAME_2"):
        hold_out(few, count=1)


def test_faces_of_one_image_stay_together():
    names = [f"image{photo}#{face}" for photo in range(30) for face in range(1, 4)]
    training, validation = hold_out(names, count=9)
    assert len(validation) == 9
    assert not {n.split("#")[0] for n in training} & {
        n.split("#")[0] for n in validation
    }


def test_all_faces_may_be_split_off_with_their_photos():
    names = ["a_1.jpg", "a_2.jpg", "b_1.jpg"]
    assert split_by_photos(names, count=0) == (tuple(names), ())
    assert split_by_photos(names, count=3) == ((), tuple(names))
    assert split_by_photos(names[:2], count=1) == ((), tuple(names[:2]))
    rest, taken = split_by_photos(names, count=1)
    assert set(rest) in ({"b_1.jpg"}, {"a_1.jpg", "a_2.jpg"})
    assert sorted(rest + taken) == names


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a/x.jpg", "x.png", True),
        ("x.jpg#2", "x_2.jpg", True),
        ("x.jpg#2", "x.jpg", True),
        ("b/x.jpg#1", "a/x.jpg", False),
        ("x_1.jpg", "x_2.jpg", False),
        ("x.jpg#1", "y_1.jpg", False),
    ],
)
def test_faces_of_two_data_sets_may_be_the_same_by_name(one, other, same):
    assert may_be_same_face(one, other) is same
    assert may_be_same_face(other, one) is same
