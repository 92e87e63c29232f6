"""Tests of rcsr_jax.markup."""

import json

import numpy as np
import pytest

from rcsr_jax import markup as markups
from rcsr_jax.markup import FACE_49, FACE_51, FACE_68, Markup, read_markup, subset

SHIPPED = [FACE_68, FACE_51, FACE_49]

# Five points: left eye of two, right eye of two, a nose; 0 and 3 are the outer corners.
FIELDS = {
    "name": "five",
    "mirror": [3, 2, 1, 0, 4],
    "eye_corners": [0, 3],
    "eyes": [[0, 1], [2, 3]],
    "regions": {"eyes": [0, 1, 2, 3], "nose": [4]},
    "outlines": [[0, 1], [2, 3]],
}


def changed(**fields):
    return {**FIELDS, **fields}


@pytest.mark.parametrize("markup", SHIPPED, ids=lambda markup: markup.name)
def test_mirroring_twice_changes_nothing(markup):
    mirror = np.array(markup.mirror)
    np.testing.assert_array_equal(mirror[mirror], np.arange(markup.num_points))


@pytest.mark.parametrize("markup", SHIPPED, ids=lambda markup: markup.name)
def test_mirroring_swaps_the_eyes_and_keeps_each_region(markup):
    left, right = markup.eye_corners
    assert markup.mirror[left] == right
    assert {markup.mirror[i] for i in markup.eyes[0]} == set(markup.eyes[1])
    for _, indices in markup.regions:
        assert {markup.mirror[i] for i in indices} == set(indices)


def test_the_68_points_mirror_as_300w_defines_them():
    twins = {0: 16, 17: 26, 21: 22, 31: 35, 36: 45, 37: 44, 39: 42, 40: 47, 48: 54}
    twins |= {49: 53, 59: 55, 60: 64, 61: 63, 67: 65}
    assert {i: FACE_68.mirror[i] for i in twins} == twins
    on_the_axis = [i for i in range(68) if FACE_68.mirror[i] == i]
    assert on_the_axis == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]


def test_the_regions_of_the_68_points_cover_each_once():
    covered = [i for _, indices in FACE_68.regions for i in indices]
    assert sorted(covered) == list(range(68))


def test_the_inner_subsets_are_those_of_300w():
    assert markups.REPORTED_SUBSETS["68"]["51"] == tuple(range(17, 68))
    dropped = set(markups.INNER_51) - set(markups.REPORTED_SUBSETS["68"]["49"])
    assert dropped == {60, 64}
    assert [markup.num_points for markup in SHIPPED] == [68, 51, 49]
    # The outer eye corners are points 19 and 28 of the 51.
    assert FACE_51.eye_corners == FACE_49.eye_corners == (19, 28)


def test_a_subset_commutes_with_mirroring():
    shape = np.random.default_rng(0).normal(size=(68, 2))
    inner = np.array(markups.INNER_49)
    mirrored_first = shape[np.array(FACE_68.mirror)][inner]
    np.testing.assert_array_equal(
        shape[inner][np.array(FACE_49.mirror)], mirrored_first
    )


def test_a_subset_drops_what_becomes_empty():
    regions = [name for name, _ in FACE_51.regions]
    assert regions == ["brows", "nose", "eyes", "mouth"]
    eyes_only = subset(FACE_68, tuple(range(36, 48)), name="eyes")
    assert eyes_only.regions == (("eyes", tuple(range(12))),)
    assert eyes_only.outlines == ((0, 1, 2, 3, 4, 5, 0), (6, 7, 8, 9, 10, 11, 6))


def test_a_subset_keeps_the_given_order():
    order = (45, 36)
    pair = subset(FACE_68, order, name="corners")
    assert pair.mirror == (1, 0)
    assert pair.eye_corners == (1, 0)
    assert pair.eyes == ((1,), (0,))


@pytest.mark.parametrize(
    "indices, lacking",
    [((36, 45, 48), "54"), (tuple(range(17)), "36, 45")],
    ids=["a twin", "the eye corners"],
)
def test_a_subset_that_lacks_something_is_refused(indices, lacking):
    with pytest.raises(ValueError, match=rf"lacks \[{lacking}\]"):
        subset(FACE_68, indices, name="bad")


@pytest.mark.parametrize("markup", SHIPPED, ids=lambda markup: markup.name)
def test_a_markup_survives_json(markup, tmp_path):
    path = tmp_path / "markup.json"
    path.write_text(json.dumps(markup.to_dict()), encoding="utf-8")
    assert read_markup(path) == markup


def test_regions_may_be_a_mapping_and_extras_may_be_left_out():
    markup = Markup.from_dict(FIELDS)
    assert markup.regions == (("eyes", (0, 1, 2, 3)), ("nose", (4,)))
    needed = ("name", "mirror", "eye_corners", "eyes")
    bare = Markup.from_dict({key: FIELDS[key] for key in needed})
    assert bare.regions == bare.outlines == ()
    assert bare.num_points == 5


def test_equal_markups_hash_alike():
    """A markup can be a static argument of a jitted function."""
    assert hash(Markup.from_dict(FIELDS)) == hash(Markup.from_dict(FIELDS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mirror": [1, 0, 2]}, r"mirror must be a tuple of int; got \[1, 0, 2\]"),
        ({"mirror": (1.0, 0.0, 2.0)}, "mirror must be a tuple of int"),
        ({"eye_corners": (0, 1, 2)}, "eye_corners and eyes are two each"),
        ({"eyes": ((0,),)}, "eye_corners and eyes are two each"),
        ({"eyes": [[0], [1]]}, "eyes must be a tuple"),
        ({"regions": {"a": (0, 1)}}, "regions must be a tuple"),
        ({"regions": ("ab",)}, r"regions\[0\] must be \(name, indices\)"),
        ({"outlines": ((0, True),)}, r"outlines\[0\] must be a tuple of int"),
    ],
)
def test_a_markup_is_made_of_tuples_of_whole_numbers(changes, message):
    fields = {"name": "3", "mirror": (1, 0, 2), "eye_corners": (0, 1)}
    fields |= {"eyes": ((0,), (1,)), "regions": (("a", (2,)),)}
    assert hash(Markup(**fields))
    with pytest.raises(ValueError, match=message):
        Markup(**fields | changes)


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            changed(mirror=[3, 2, 1, 0, 0]),
            "mirror has 5 landmarks, 0 to 4, but lacks 4, names twice 0",
        ),
        (changed(mirror=[3, 2, 1, 0, 5]), "but lacks 4, names 5"),
        (changed(mirror=[4, 3, 2, 1, 5]), "mirror counts from 1 to 5, where landmarks"),
        (changed(mirror=[]), "mirror names no landmark"),
        (
            changed(mirror=[3, 2, 1, 0]),
            r"mirror has 4 landmarks, 0 to 3, but region nose names 4\.",
        ),
        (
            changed(mirror=list(range(10, 20))),
            r"but lacks 0, 1, 2, 3, 4, \.\.\., names",
        ),
        (changed(mirror=[1, 2, 3, 0, 4]), "mirroring twice"),
        (changed(eye_corners=[0, 5]), "0 to 4, but eye_corners names 5"),
        (changed(eye_corners=[0, 1, 2]), "each name two things; got 3 and 2"),
        (changed(eyes=[[0, 1]]), "each name two things; got 2 and 1"),
        (changed(eyes=[0, 3]), r"eyes\[0\]: landmarks are named in a list, .* got 0"),
        (changed(eyes=[[0], [1.5]]), r"eyes\[1\]: landmarks are named by whole .* 1.5"),
        (changed(regions={"nose": 4}), "region nose: landmarks are named in a list"),
        (changed(outlines=[[0], 4]), r"outlines\[1\]: landmarks are named in a list"),
        (changed(mirror="43210"), "mirror: landmarks are named in a list"),
        (changed(eyes=[[0], [-1]]), "eyes names -1"),
        (changed(eyes=[[], []]), "eyes names no landmark"),
        (changed(eyes=3), "not a markup"),
        (changed(regions={"chin": []}), "region chin names no landmark"),
        (changed(outlines=[[0, 1], [9]]), "outline 1 names 9"),
        (changed(chin=[4]), r"if wanted, outlines, regions; unknown: chin\.$"),
        ({"name": "five"}, r"regions; missing: eye_corners, eyes, mirror\.$"),
        ({"name": "five", "eye": []}, "missing: eye_corners, .*; unknown: eye"),
    ],
)
def test_an_inconsistent_markup_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Markup.from_dict(fields)


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"name": "five"}'])
def test_a_bad_file_is_named_in_the_error(text, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.json"):
        read_markup(path)


def test_a_missing_file_is_named_in_the_error(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.json"):
        read_markup(tmp_path / "nowhere.json")
