"""What files, folders and patterns on a command line stand for."""

from pathlib import Path

import pytest
from rcsr_jax.experiments.inputs import find_inputs
from rcsr_jax.experiments.passed_over import count_passed, passed_message


@pytest.fixture
def place(tmp_path, monkeypatch):
    names = ["a.jpg", "b.PNG", "sub/a.jpg", "sub/c.txt", ".hidden/d.jpg", "sub/.e.jpg"]
    for name in [
        *names,
        "clip.mp4",
        "out/a_overlay.png",
        "out/b_overlay.mp4",
        "odd [1].jpg",
    ]:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*arguments):
    return find_inputs(arguments)


def test_a_folder_gives_its_pictures_and_videos_but_not_the_results(place):
    inputs = found("in")
    assert [item.name for item in inputs.photos] == [
        "a.jpg",
        "b.PNG",
        "odd [1].jpg",
        "sub/a.jpg",
    ]
    assert [item.result for item in inputs.photos] == ["a", "b", "odd [1]", "sub/a"]
    assert [item.name for item in inputs.videos] == ["clip.mp4"]
    assert inputs.photos[3].path == place / "in/sub/a.jpg"
    assert inputs.empty == {}


def test_pictures_of_every_kind_are_found_in_a_folder(place):
    names = ["a.AVIF", "b.jfif", "c.jpe", "d.dib", "e.j2k", "f.jpx", "g.pnm", "h.apng"]
    for name in names:
        (place / "kinds").mkdir(exist_ok=True)
        (place / "kinds" / name).touch()
    (place / "kinds/depth.pfm").touch()
    assert [item.name for item in found("kinds").photos] == names


def test_a_file_that_is_named_is_an_input_whatever_it_is_called(place):
    inputs = found("in/out/a_overlay.png", "in/out")
    assert [item.name for item in inputs.photos] == ["a_overlay.png"]
    assert found("in/out/*.png").photos == ()


def test_files_are_taken_as_they_are_once_and_in_order(place):
    inputs = found(
        "in/sub/c.txt", "in/b.PNG", "in/../in/b.PNG", "in/odd [1].jpg", "gone"
    )
    names = [item.name for item in inputs.photos]
    assert names == ["c.txt", "b.PNG", "odd [1].jpg", "gone"]


def test_a_pattern_names_files_from_its_fixed_folder(place):
    assert [item.name for item in found("in/*.jpg").photos] == ["a.jpg", "odd [1].jpg"]
    names = [item.name for item in found("in/**/a.jpg").photos]
    assert names == ["a.jpg", "sub/a.jpg"]
    inputs = found(str(place / "in" / "?.PNG"))
    assert [item.name for item in inputs.photos] == ["b.PNG"]


def test_results_never_share_a_name(place):
    (place / "in/a.PNG").touch()
    inputs = found("in/a.jpg", "in/a.PNG", "in/sub/a.jpg", "in/sub", str(place / "in"))
    names = [item.name for item in inputs.photos]
    assert names[:3] == ["a.jpg", "a.PNG", "in/sub/a.jpg"]
    assert names[3:] == ["b.PNG", "odd [1].jpg"]
    assert [item.result for item in inputs.photos][:3] == ["a", "a-2", "a-3"]


def test_no_photo_takes_the_place_of_the_summary(place):
    (place / "in/summary.jpg").touch()
    assert [item.result for item in found("in/summary.jpg").photos] == ["summary-2"]


def test_no_photo_takes_the_place_of_the_table_or_of_a_face(place):
    for name in ("faces.mp4", "a_face1.jpg", "c_face2.png", "wedding.wmv"):
        (place / "in" / name).touch()
    inputs = found("in/a_face1.jpg", "in/c_face2.png", "in/a.jpg", "in")
    results = {item.name: item.result for item in (*inputs.photos, *inputs.videos)}
    # a.jpg may have several faces, whose points are called a_face1.pts and so on
    assert results["a_face1.jpg"] == "a_face1-2" and results["a.jpg"] == "a"
    assert results["c_face2.png"] == "c_face2"
    assert results["faces.mp4"] == "faces-2"
    assert "wedding.wmv" in [item.name for item in inputs.videos]


def test_what_names_nothing_is_told(place):
    (place / "blank").mkdir()
    assert found("blank", "in/*.gif").empty == {
        "blank": "no picture here",
        "in/*.gif": "no such file here",
    }


def test_what_is_passed_over_is_counted_by_suffix(place):
    names = [
        "x.ARW",
        "y.arw",
        "raw/z.NEF",
        "readme",
        "a.pts",
        "faces.csv.corrected-2",
    ]
    names += ["a.json", "t.csv", "a.json.unfinished", ".hidden.txt", "o_overlay.png"]
    for name in names:
        (place / "mixed" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "mixed" / name).touch()
    inputs = found("in", "mixed/raw", "mixed", "in/sub/c.txt")  # c.txt is asked for
    assert inputs.passed_over == {".arw": 2, "": 1, ".nef": 1}
    told = "1 file passed over: 1 .nef; to use .nef, convert it to JPEG first"
    assert inputs.empty["mixed/raw"] == f"no picture here: {told}"
    told = "4 files passed over: 2 .arw, 1 without suffix, 1 .nef; to use .arw, .nef, "
    assert inputs.empty["mixed"] == f"no picture here: {told}convert it to JPEG first"
    assert found("in").passed_over == {".txt": 1}


def test_of_many_suffixes_the_most_frequent_are_told():
    counts = count_passed([Path(f"{n}.s{n}") for n in range(11)] + [Path("a.S7")])
    told = passed_message(counts)
    assert told.startswith("12 files passed over: 2 .s7, 1 .s0, 1 .s1, 1 .s10, 1 .s2")
    assert told.endswith(", 3 other suffixes") and "JPEG" not in told
    assert passed_message({}) == ""


def test_videos_of_folders_may_be_passed_over_but_not_those_that_are_named(place):
    asked = []

    def why_not(name, path):
        asked.append((name, path.is_file()))
        return "to use videos install it"

    def names(*arguments):
        inputs = find_inputs(arguments, why_not=why_not)
        return [item.name for item in inputs.videos], inputs

    videos, inputs = names("in")
    assert videos == [] and asked == [("clip.mp4", True)]
    assert inputs.empty == {} and len(inputs.photos) == 4
    assert inputs.passed_over == {".mp4": 1, ".txt": 1}
    assert inputs.reasons == ("to use videos install it",)
    told = passed_message(inputs.passed_over, reasons=inputs.reasons)
    assert told == "2 files passed over: 1 .mp4, 1 .txt; to use videos install it"
    for arguments in (["in", "in/clip.mp4"], ["in/*.mp4", "in"]):
        videos, inputs = names(*arguments)
        assert videos == ["clip.mp4"] and inputs.reasons == ()
        assert inputs.passed_over == {".txt": 1}
    (place / "clips").mkdir()
    (place / "clips/one.MOV").touch()
    told = "no picture here: 1 file passed over: 1 .mov; to use videos install it"
    assert names("clips")[1].empty == {"clips": told}


def test_a_video_that_is_passed_over_takes_no_name(place):
    (place / "in/a.avi").touch()  # before a.jpg
    assert {item.name: item.result for item in found("in").photos}["a.jpg"] == "a-2"
    inputs = find_inputs(["in"], why_not=lambda name, path: "no")
    assert {item.name: item.result for item in inputs.photos}["a.jpg"] == "a"
