"""Tests of rcsr_jax.published."""

import pytest

from rcsr_jax.published import read_published, sets_within

FACES = {"lfpw/testset": 224, "helen/testset": 330, "ibug": 135}


def paths(*folders, root="faces/300w"):
    return [
        f"{root}/{folder}/image_{n:04d}.png"
        for folder in folders
        for n in range(FACES[folder])
    ]


def names(paths):
    return [entry.name for entry, _ in sets_within(paths)]


def test_the_papers_tables_are_there():
    errors = {
        (entry.name, row.method, row.points): row.error
        for entry in read_published()
        for row in entry.results
        if row.source.startswith("the RCSR paper")
    }
    ours = "RCSR of the paper, adaptive"
    sets = ("300-W common", "300-W challenging", "300-W full")
    assert [errors[name, ours, 68] for name in sets] == [4.01, 8.58, 4.90]
    assert [errors["LFPW test", ours, n] for n in (68, 49)] == [3.93, 3.57]
    assert [errors["HELEN test", "CFSS", n] for n in (68, 49)] == [4.63, 3.47]


def test_the_full_set_is_the_mean_of_its_parts():
    """Of 554 and 135 faces; the paper's own row for RCFA is known not to be."""
    sets = {
        entry.name: {r.method: r.error for r in entry.results if "RCSR" in r.source}
        for entry in read_published()
    }
    common, hard, full = (
        sets[f"300-W {name}"] for name in ("common", "challenging", "full")
    )
    methods = common.keys() & hard.keys() & full.keys()
    assert "CFSS" in methods
    for method in methods:
        mean = (554 * common[method] + 135 * hard[method]) / 689
        off = 0.16 if method == "RCFA" else 0.03
        assert full[method] == pytest.approx(mean, abs=off), method


def test_an_unclear_normaliser_comes_with_the_reason():
    for entry in read_published():
        assert entry.results
        for row in entry.results:
            assert row.normaliser in ("interocular", "interpupil", "unclear")
            assert row.source and (row.reason or row.normaliser != "unclear")
            assert 0 < row.error < 100 and row.points in (68, 49)


def test_sets_are_told_from_the_folders_of_the_faces():
    assert names(paths("lfpw/testset")) == ["LFPW test"]
    assert names(paths("ibug")) == ["300-W challenging"]
    assert names(paths("helen/testset", "lfpw/testset")) == [
        "LFPW test",
        "HELEN test",
        "300-W common",
    ]
    assert len(names(paths(*FACES))) == 5
    (_, faces), *_ = sets_within(paths("ibug", "lfpw/testset"))
    assert faces == list(range(135))


def test_a_set_with_faces_missing_or_added_is_another_set():
    whole = paths("lfpw/testset")
    assert names(whole[1:]) == []
    assert names([*whole, "faces/300w/lfpw/testset/more.png"]) == []
    assert names(["drawn/test/face_000000"] * 224) == []


def test_the_folder_nearest_to_the_face_counts():
    assert names(paths("lfpw/testset", root="/home/IBUG/300W")) == ["LFPW test"]
    assert names([path.upper() for path in paths("lfpw/testset")]) == ["LFPW test"]
    assert names(paths("lfpw/testset", root="")) == ["LFPW test"]
