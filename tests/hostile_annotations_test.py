"""JSON and COCO that are malformed, lie, or would take hours or gigabytes."""

import json

import numpy as np
import pytest
from annotation_checks import LIST, NAME, NAN, NUMBERS, PAIR, PLACE, TEXT, faces
from hostile import Case, each, judge

from rcsr_jax.data import annotations
from rcsr_jax.data.annotations import AnnotatedFace
from rcsr_jax.data.names import name_problem, shown

KEYS = 60_000
MANY_KEYS = ",".join(f'"{key}": 1' for key in range(KEYS))
JSON = [
    Case("nothing", "", ": not a JSON landmark file: "),
    Case("half a file", '{"a.png": [[1, 2], [3', ": not a JSON landmark file: "),
    Case("a list", "[[1, 2]]", "is one JSON object"),
    Case("null", "null", "is one JSON object"),
    Case("a text", '"a.png"', "is one JSON object"),
    Case("lists in lists in lists", "[" * 10**6, "not a JSON landmark file: maximum rec"),
    Case("objects in objects", '{"a":' * 10**6, "not a JSON landmark file: maximum rec"),
    Case("a number of 10,000 digits", f'{{"a": [[{"9" * 10**4}, 1]]}}',
         "not a JSON landmark file: Exceeds the limit"),
    Case("a number beyond floats", f'{{"a": [[{"9" * 4000}, 1]]}}', faces(NUMBERS)),
    Case("one of many names twice", f'{{{MANY_KEYS}, "{KEYS - 1}": 1}}',
         f"{KEYS - 1} is named twice"),
    Case("a key twice in a face", '{"a": {"points": [[1, 2]], "points": [[3, 4]]}}',
         "points is named twice"),
    Case("UTF-16", '{"a": 1}'.encode("utf-16"), TEXT),
    Case("no name", '{"": [[1, 2]]}', faces("its name is empty")),
    Case("a name with NUL", '{"a\\u0000b": [[1, 2]]}', faces(NAME)),
    Case("half a surrogate pair", '{"\\ud800": [[1, 2]]}', faces(NAME)),
    Case("a name of 10,000 characters", json.dumps({"a" * 10**4: [[1, 2]]}),
         faces("its name has 10000 characters")),
    Case("infinity", '{"a": [[Infinity, 1]]}', faces(PLACE)),
    Case("nan", '{"a": [[NaN, NaN], [3, 4]]}', faces([NAN, NAN, 3, 4])),
    Case("true and false", '{"a": [[true, false]]}', faces(NUMBERS)),
    Case("numbers as texts", '{"a": [["1", "2.5"]]}', faces([1, 2.5])),
    Case("half a point", '{"a": [[1, null]]}', faces(PLACE)),
    Case("words", '{"a": [[1, "left"]]}', faces(NUMBERS, image="a")),
    Case("numbers in a row", '{"a": [1, 2]}', faces(PAIR)),
    Case("a point of three", '{"a": [[1, 2], [1, 2, 3]]}',
         faces("landmark 1 is not an x and a y")),
    Case("a point of lists", '{"a": [[[1], [2]]]}', faces(NUMBERS)),
    Case("a point of a megabyte", json.dumps({"a": [list(range(10**5))]}), faces(PAIR)),
    Case("points that are a text", '{"a": "12"}', faces(LIST)),
    Case("points that are an object", '{"a": {"points": {"x": 1}}}', faces(LIST)),
    Case("no point", '{"a": []}', faces(LIST)),
    Case("a number for a face", '{"a": 7}', faces(LIST)),
    Case("a face of nothing", '{"a": {}}', faces(LIST)),
    Case("a face of other fields", '{"a": {"shape": []}}', faces(LIST)),
    Case("a box that is a text", '{"a": {"box": "1234"}}',
         faces("its box 1234 is not four numbers")),
    Case("a box that is an object", '{"a": {"box": {"1": 0, "2": 0, "3": 0, "4": 0}}}',
         faces("its box {")),
    Case("a box of five", '{"a": {"box": [0, 0, 1, 1, 1]}}',
         faces("its box [0, 0, 1, 1, 1] is not four numbers")),
    Case("a box of booleans", '{"a": {"box": [false, false, true, true]}}',
         faces("its box [False, False, True, True] is not four numbers")),
    Case("a box of null", '{"a": {"box": [null, 0, 1, 1]}}',
         faces("its box [None, 0, 1, 1] is not four numbers")),
    Case("a box that is inverted", '{"a": {"box": [5, 0, 1, 1]}}', faces("a box has fin")),
    Case("faces of two kinds", '{"a": [{"box": [0, 0, 1, 1]}, [[1, 2]]]}',
         faces([0, 0, 1, 1], [1, 2])),
]  # fmt: skip


def coco(*entries, images=({"id": 1, "file_name": "a.png"},)) -> str:
    entries = [{"image_id": 1, **entry} for entry in entries]
    return json.dumps({"images": list(images), "annotations": entries})


COLLIDING = [{"id": n * (2**61 - 1), "file_name": "a"} for n in range(1, 40_000)]
UNNAMED = ": images[0]: needs an id and a file_name; got "
TRIPLES = "annotations[0]: keypoints is not a list of x, y and visibility"
COCO_BOX = "annotations[0]: a box has finite x0 < x1, y0 < y1"
COCO = [
    Case("ids that collide", coco(images=COLLIDING), UNNAMED),
    Case("an id twice", coco(images=2 * [{"id": 1, "file_name": "a"}]),
         ": images[1]: its id 1 is that of a as well."),
    Case("an image without an id", coco(images=[{"file_name": "a"}]), UNNAMED),
    Case("an image without a name", coco(images=[{"id": 1}]), UNNAMED),
    Case("an image that is a list", coco(images=[[1]]), UNNAMED),
    Case("an image of a megabyte", coco(images=[{"a": "b" * 10**6}]), UNNAMED),
    Case("an id that is true", coco(images=[{"id": True, "file_name": "a"}]), UNNAMED),
    Case("an annotation of no image", coco({"image_id": 7}),
         ": annotations[0]: image_id 7 is not among"),
    Case("an annotation of a list", coco({"image_id": [1]}), "image_id [1] is not among"),
    Case("an annotation that is null", '{"images": [], "annotations": [null]}',
         ": annotations[0]: image_id None is not among"),
    Case("an annotation of nothing", coco({}),
         faces("annotations[0]: it has neither keypoints nor a bbox", image="a.png")),
    Case("a keypoint too short", coco({"keypoints": [1, 2]}),
         faces(TRIPLES, image="a.png")),
    Case("keypoints that are a text", coco({"keypoints": "122"}), faces(TRIPLES)),
    Case("keypoints that are an object", coco({"keypoints": {}}), faces(TRIPLES)),
    Case("keypoints in words", coco({"keypoints": ["a", 2, 2]}),
         faces(f"annotations[0]: {NUMBERS}", image="a.png")),
    Case("a visibility of 7", coco({"keypoints": [1, 2, 7]}),
         faces("annotations[0]: the visibility of landmark 0 is 7, not 0 to 2")),
    Case("a visibility of a list", coco({"keypoints": [1, 2, [2]]}),
         faces("annotations[0]: the visibility of landmark 0 is [2], not 0 to 2")),
    Case("a bbox that is a text", coco({"bbox": "1234"}),
         faces("annotations[0]: bbox 1234 is not four numbers")),
    Case("a bbox that is a number", coco({"bbox": 4}),
         faces("annotations[0]: bbox 4 is not four numbers")),
    Case("a bbox of three", coco({"bbox": [1, 2, 3]}),
         faces("annotations[0]: bbox [1, 2, 3] is not four numbers")),
    Case("a bbox of no width", coco({"bbox": [1, 2, 0, 3]}), faces(COCO_BOX)),
    Case("a bbox beyond photos", coco({"bbox": [0, 0, 1e300, 1e300]}), faces(COCO_BOX)),
    Case("a bbox of nan", coco({"bbox": [NAN, 0, 1, 1]}), faces(COCO_BOX)),
    Case("a name that leads out", coco({"bbox": [0, 0, 1, 1]},
         images=[{"id": 1, "file_name": "../../etc/passwd"}]),
         faces([-0.5, -0.5, 0.5, 0.5])),
]  # fmt: skip


@each(JSON)
def test_hostile_json(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".json")


@each(COCO)
def test_hostile_coco(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".json")


FACE = AnnotatedFace("a.png", np.ones((2, 2), np.float32), np.float32([0, 0, 5, 5]))
UNFIT = ["", "a\x00b", "a\nb", "a\x1b[2J", "a\x7f", "\ud800", "a\u2028b", "\uffff"]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".xml", ""])
@pytest.mark.parametrize("name", UNFIT, ids=ascii)
def test_a_name_that_could_not_be_read_again_is_not_written(tmp_path, name, suffix):
    faces_of_it = [FACE._replace(image=name)]
    with pytest.raises(ValueError, match=r"rename it|its name is empty"):
        annotations.write_annotations(tmp_path / f"out{suffix}", faces_of_it)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"image": " a.png"}, "csv", "keeps no spaces around a name"),
        ({"image": "a.png "}, "boxes", "keeps no spaces around a name"),
        ({"image": "a\\b.png"}, "dlib", "takes a backslash for a slash"),
        ({"image": "."}, "pts", "does not lie in this folder"),
        ({"image": "../a.png"}, "pts", "does not lie in this folder"),
        ({"image": "/a.png"}, "pts", "does not lie in this folder"),
        ({"points": np.full((2, 2), np.inf)}, "json", "at most 1e.06 pixels off"),
        ({"points": np.full((2, 2), 1e7)}, "csv", "at most 1e.06 pixels off"),
        ({"points": np.array([[1, NAN]])}, "coco", "or two NaN"),
        ({"points": np.zeros((0, 2))}, "json", r"got shape \(0, 2\)"),
        ({"box": np.float32([0, 0, 1e-5, 5])}, "boxes", "a box has finite x0 < x1"),
        ({"box": np.float32([0, 0, NAN, 5])}, "boxes", "a box has finite x0 < x1"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, changes, kind, message):
    with pytest.raises(ValueError, match=f"out.*{message}"):
        face = FACE._replace(**changes)
        annotations.write_annotations(tmp_path / "out", [face], kind=kind)
    with pytest.raises(ValueError, match="has a box twice"):
        annotations.write_boxes(tmp_path / "b", {"a": np.float32([[0, 0, 5, 5]] * 2)})


def test_names_are_shown_without_what_a_terminal_obeys():
    assert shown("a\x1b[2J\ud800\n") == "a\\x1b[2J\\ud800\\n"
    assert shown("é\u200d\u202e") == "é\u200d\u202e"  # letters, joiners
    assert len(shown("x" * 10**6)) < 300
    assert name_problem("sub/a é (1)\u200d.png") == ""
