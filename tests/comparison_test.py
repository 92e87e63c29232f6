"""Two models on the same faces: differences by hand, intervals beside their theory."""

import json

import numpy as np
import pytest
from commands import fail, succeed
from scipy import stats

from rcsr_jax.comparison import (
    annotation_digest,
    common_faces,
    compare,
    summarise_errors,
)
from rcsr_jax.data.images import load_image


def test_only_faces_that_all_models_measured_are_compared():
    names, errors = common_faces(
        {
            "old": {"a": 0.03, "b": np.nan, "c": 0.05, "d": 0.02},
            "new": {"d": 0.01, "c": 0.04, "b": 0.02, "e": 0.09},
        }
    )
    assert names == ["c", "d"]
    np.testing.assert_array_equal(errors["old"], [0.05, 0.02])
    np.testing.assert_array_equal(errors["new"], [0.04, 0.01])
    with pytest.raises(ValueError, match="no face that was measured with all"):
        common_faces({"old": {"a": 0.1}, "new": {"a": np.nan}})


def test_a_comparison_by_hand():
    found = compare(
        np.array([0.02, 0.10, 0.04, 0.05]),
        against=np.array([0.03, 0.06, 0.04, 0.09]),
        names=["a", "b", "c", "d"],
    )
    assert found["nme_interocular"]["difference"] == pytest.approx(-0.25)
    assert found["failure_rate_08"]["difference"] == 0  # one lost, one won
    assert (found["worse_share"], found["better_share"]) == (25, 50)
    (worst,) = found["most_worsened"]
    assert worst == {"face": "b", "against": pytest.approx(6), "now": pytest.approx(10)}
    assert [each["face"] for each in found["most_improved"]] == ["d", "a"]


def test_the_numbers_of_one_model_are_those_of_its_errors():
    told = summarise_errors(np.array([0.02, 0.04, 0.09]))
    assert told["nme_interocular"] == pytest.approx(5)
    assert told["median_interocular"] == pytest.approx(4)
    assert told["failure_rate_08"] == pytest.approx(100 / 3)
    # within 8 %: from 2 % on a third of the faces, from 4 % on two thirds
    assert told["auc_08"] == pytest.approx(100 * (2 / 3 + 2 * 4 / 3) / 8, abs=0.1)


def test_the_interval_is_that_of_a_mean():
    """Of many independent changes: the mean and 1.96 of its standard errors."""
    generator = np.random.default_rng(0)
    against = generator.uniform(0.02, 0.08, 2000)
    change = generator.normal(-0.001, 0.01, 2000)
    found = compare(against + change, against, names=[str(n) for n in range(2000)])
    low, high = found["nme_interocular"]["interval"]
    theory = stats.t.interval(0.95, 1999, change.mean(), stats.sem(change))
    np.testing.assert_allclose([low, high], 100 * np.array(theory), rtol=0.03)
    # beside faces as they are: pairing takes their scatter out
    unpaired = 2 * 1.96 * 100 * np.sqrt(2) * against.std() / np.sqrt(2000)
    assert high - low < 0.5 * unpaired


def test_the_other_way_round_all_signs_change():
    generator = np.random.default_rng(1)
    one, other = generator.uniform(0.02, 0.1, (2, 60))
    names = [str(n) for n in range(60)]
    there, back = compare(one, other, names=names), compare(other, one, names=names)
    for what in ("nme_interocular", "failure_rate_08"):
        assert there[what]["difference"] == pytest.approx(-back[what]["difference"])
        low, high = back[what]["interval"]
        np.testing.assert_allclose(there[what]["interval"], [-high, -low])
    assert there["worse_share"] == back["better_share"]
    faces = [each["face"] for each in there["most_worsened"]]
    assert faces == [each["face"] for each in back["most_improved"]]


def test_what_is_the_same_differs_by_nothing_and_one_face_has_no_interval():
    errors = np.array([0.02, 0.05])
    same = compare(errors, errors, names=["a", "b"])
    assert same["nme_interocular"] == {"difference": 0, "interval": [0, 0]}
    assert same["most_worsened"] == same["most_improved"] == []
    one = compare(errors[:1], errors[1:], names=["a"])
    assert one["nme_interocular"]["interval"] is None


@pytest.mark.parametrize(
    ("now", "against", "difference"),
    [
        ([0.03, np.inf], [0.04, np.inf], -0.5),  # a landmark that neither has found
        ([0.03, np.inf], [0.04, 0.05], np.inf),
        ([np.inf, 0.03], [0.04, np.inf], np.nan),
    ],
)
def test_errors_may_be_infinite(now, against, difference):
    found = compare(np.array(now), np.array(against), names=["a", "b"])
    told = found["nme_interocular"]
    np.testing.assert_allclose(told["difference"], difference)
    assert (told["interval"] is None) == (not np.isfinite(difference))


def test_a_digest_is_that_of_one_annotation(generator):
    points = np.rint(10 * generator.uniform(0, 200, (5, 2))) / 10
    points[2] = np.nan
    first = annotation_digest(points)
    assert len(first) == 8
    # what a file of floats or another way to read them changes is none
    noise = generator.uniform(-0.01, 0.01, points.shape)
    assert annotation_digest((points + noise).astype(np.float32)) == first
    for face, change in ((0, 0.1), (4, -0.1), (1, np.nan)):
        other = points.copy()
        other[face, 1] += change
        assert annotation_digest(other) != first


def evaluated(folder, errors, annotation="", **metrics):
    folder.mkdir(parents=True)
    rows = [
        f"{face},{error},3,True,0.9,{annotation and annotation + face[0]}"
        for face, error in errors.items()
    ]
    header = "face,nme_interocular,num_steps,settled,score,annotation"
    (folder / "errors.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "metrics.json").write_text(json.dumps(metrics))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("results")
    old = {"a.png": 3.0, "b.png": 6.0, "c.png": 4.0, "sub/ä.png": 9.0}
    evaluated(place / "old", old, num_steps_mean=3.5, milliseconds_per_face=2.0)
    evaluated(place / "new/old", {**old, "a.png": 2.0, "c.png": "nan", "d.png": 1})
    evaluated(place / "bare", {"x": ""}, num_steps_mean=None)
    for name in ("one", "other"):
        evaluated(place / name, old, annotation=name)
    evaluated(place / "again", old, annotation="one")
    (place / "empty").mkdir()
    (place / "wrong").mkdir()
    (place / "wrong/errors.csv").write_text("image,error\na,1\n")
    (place / "torn").mkdir()
    (place / "torn/errors.csv").write_text('face,nme_interocular\na,3\n"b,6\nc,4\n')
    return place


@pytest.mark.slow
def test_evaluations_are_compared_from_their_folders(place):
    said = succeed("rcsr-compare", "old", "new/old", "--out=both", cwd=place)
    assert said.startswith("3 faces; per cent")
    lines = [line.split() for line in said.splitlines()]
    assert lines[1] == [
        "old",
        "6.00",
        "6.00",
        lines[1][3],
        "33.33",
        "3.50",
        "-",
        "2.00",
    ]
    assert lines[2][:3] == ["new/old", "5.67", "6.00"] and lines[2][-1] == "-"
    assert "old has 1 more faces" in said and "new/old has 2 more faces" in said
    assert "new/old against old: -0.333" in said and "smaller on 33 %" in said
    assert "these faces do not tell" in said
    assert "most improved: a.png 3.0 -> 2.0" in said and "worsened" not in said
    told = json.loads((place / "both/comparison.json").read_text("utf-8"))
    assert told["num_faces"] == 3 and told["against"] == "old"
    difference = told["differences"]["new/old"]["nme_interocular"]
    assert difference["difference"] == pytest.approx(-1 / 3)
    low, high = difference["interval"]
    assert (low, high) == (pytest.approx(-1), 0)  # of three faces one has changed
    assert load_image(place / "both/ced.png").shape[1] > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["old"], "give two folders of rcsr-evaluate"),
        (["old", "old"], "give two folders"),
        (
            ["old", "gone"],
            "gone/errors.csv is not there; name folders that rcsr-evaluate",
        ),
        (["old", "empty"], "empty/errors.csv is not there"),
        (["old", "old/errors.csv"], "old/errors.csv/errors.csv is not there"),
        (["wrong", "old"], "wrong/errors.csv has no column nme_interocular"),
        (["old", "torn"], "torn/errors.csv is no table (unexpected end of data)"),
        (["old", "bare"], "no face that was measured with all of them"),
        (["old", "new/old", "--out=old/errors.csv"], "old/errors.csv is a file"),
        (["old", "new/old", "--out=old"], "old holds an evaluation; choose another"),
        (["one", "again", "other"], "a.png has other landmarks in other than in one"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(place, arguments, expected):
    assert expected in fail("rcsr-compare", *arguments, cwd=place)
