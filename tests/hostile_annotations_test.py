"""Annotation files that are malformed, lie, or would take hours or gigabytes."""

import json

import numpy as np
import pytest
from hostile import Case, each, judge

from rcsr_jax.data import annotations
from rcsr_jax.data.annotations import AnnotatedFace
from rcsr_jax.data.names import name_problem, shown

NAN = float("nan")


def pts(body="1 2\n3 4\n", count="2", head="version: 1\n") -> str:
    return f"{head}n_points: {count}\n{{\n{body}}}\n"


def points(*wanted):
    """A check: these are the points."""

    def check(found):
        np.testing.assert_array_equal(found, np.array(wanted, np.float32))

    return check


def faces(*wanted, atol=0):
    """A check: each face is a problem, or its points or box are these numbers."""

    def check(found):
        assert len(found) == len(wanted)
        for face, expected in zip(found, wanted, strict=True):
            assert not name_problem(face.image) or face.problem
            if isinstance(expected, str):
                assert expected in face.problem, face.problem
                assert face.points is None and face.box is None
                assert len(face.problem) < 500
            else:
                assert face.problem == ""
                value = face.box if face.points is None else face.points
                np.testing.assert_allclose(np.ravel(value), expected, atol=atol)

    return check


BRACES = "the points of a .pts file stand in one pair of braces"
COUNT = "no line 'n_points: NUMBER' before the braces"
NUMBERS = "landmark 0 is not two numbers"
PAIR = "landmark 0 is not an x and a y"
PLACE = "landmark 0 is not two pixel positions or two nan"
PTS = [
    Case("nothing", "", BRACES),
    Case("zeros", bytes(300), BRACES),
    Case("a picture", b"\x89PNG\r\n\x1a\n" + bytes(30), "not a text file in UTF-8"),
    Case("UTF-16", pts().encode("utf-16"), "not a text file in UTF-8"),
    Case("a byte order mark", b"\xef\xbb\xbf" + pts().encode(), points([0, 1], [2, 3])),
    Case("carriage returns alone", pts().replace("\n", "\r"), points([0, 1], [2, 3])),
    Case("cut before the braces", pts()[:20], BRACES),
    Case("cut within the points", pts()[:-4], BRACES),
    Case("braces within braces", pts("{1 2}\n"), BRACES),
    Case("two faces", pts() + pts(), BRACES),
    Case("words behind the braces", pts() + "and more", BRACES),
    Case("no count", pts(count=""), COUNT),
    Case("a count in words", pts(count="two"), COUNT),
    Case("a negative count", pts(count="-2"), COUNT),
    Case("a count of 5000 digits", pts(count="9" * 5000), COUNT),
    Case("a count of a billion", pts(count="999999999"), "n_points is 999999999, but"),
    Case("a point too few", pts(count="3"), "n_points is 3, but there are 2"),
    Case("no point", pts("", "0"), "not a list of points"),
    Case("one coordinate", pts("1\n3 4\n"), PAIR),
    Case("three coordinates", pts("1 2 3\n3 4\n"), PAIR),
    Case("words", pts("a b\n3 4\n"), NUMBERS),
    Case("decimal commas", pts("1,5 2,5\n3 4\n"), NUMBERS),
    Case("underscores", pts("1_0 2\n3 4\n"), NUMBERS),
    Case("hexadecimal", pts("0x10 2\n3 4\n"), NUMBERS),
    Case("infinity", pts("inf 2\n3 4\n"), PLACE),
    Case("a number beyond floats", pts("1e999 2\n3 4\n"), PLACE),
    Case("a number beyond photos", pts("1e7 2\n3 4\n"), PLACE),
    Case("half a nan", pts("nan 2\n3 4\n"), PLACE),
    Case("a line of a megabyte", pts("1" * 10**6 + "\n3 4\n"), PAIR),
    Case("a point of a megabyte", pts("1" * 10**6 + " 1\n3 4\n"), PLACE),
    Case("blanks of a megabyte", pts("1 2" + " " * 10**6 + "\n3 4\n"),
         points([0, 1], [2, 3])),
    Case("a count before blanks", "n_points:" + "1 " * 10**5 + "x{\n1 2\n}", COUNT),
    Case("control characters", pts("1 \x1b[31m2\n3 4\n"), NUMBERS),
    Case("a comment alone", "# version: 1\n// n_points: 2 { 1 2 3 4 }\n", BRACES),
]  # fmt: skip

NAMED = "image,x_0,y_0,x_1,y_1\n"
CSV = [
    Case("nothing", "", "the file is empty"),
    Case("blank lines", "\n\n\n", "the file is empty"),
    Case("a header alone", NAMED, faces()),
    Case("no header", "a.png,1,2,3,4\n", "line 1 must be a header"),
    Case("UTF-16", NAMED.encode("utf-16"), "not a text file in UTF-8"),
    Case("zeros", bytes(300), faces()),
    Case("an open quote", NAMED + '"a.png,1,2,3,4\n', "unexpected end of data"),
    Case("a quote within", NAMED + 'a"b"c.png,1,2,3,4\n', faces([1, 2, 3, 4])),
    Case("a field of a megabyte", NAMED + "a" * 10**6 + ",1,2,3,4\n",
         "field larger than field limit"),
    Case("a short row", NAMED + "a.png,1,2\n", "line 2: 3 fields, where line 1 has 5"),
    Case("a long row", NAMED + "a.png,1,2,3,4,5\n", "line 2: 6 fields"),
    Case("a column twice", "image,x_0,y_0,x_1,y_1,y_1\na,1,2,3,4,5\n",
         "line 1 names the column y_1 twice"),
    Case("a column missing", "image,x_0,y_0,x_1\na,1,2,3\n", "lacks the columns y_1"),
    Case("half a box", NAMED[:-1] + ",box_x0\na,1,2,3,4,5\n", "lacks the columns box_y0"),
    Case("no name", NAMED + ",1,2,3,4\n", "line 2: the image name is missing"),
    Case("words", NAMED + "a.png,x,2,3,4\n", faces(NUMBERS)),
    Case("underscores", NAMED + "a.png,1_0,2,3,4\n", faces(NUMBERS)),
    Case("infinity", NAMED + "a.png,inf,2,3,4\n", faces(PLACE)),
    Case("half a point", NAMED + "a.png,1,,3,4\n", faces(PLACE)),
    Case("a point missing", NAMED + "a.png,,,3,4\n", faces([NAN, NAN, 3, 4])),
    Case("a box from right to left", NAMED[:-1] + ",box_x0,box_y0,box_x1,box_y1\n"
         "a,1,2,3,4,9,0,5,5\n", faces("a box has finite x0 < x1")),
    Case("an odd number of values", "face,x,y\na.png,1\n", faces(PAIR)),
    Case("an image twice", "face,x,y\na.png,1,2\na.png,1,2\n", "a.png is named twice"),
    Case("a name with an escape", NAMED + "a\x1b[2Jb.png,1,2,3,4\n",
         faces("its name has control characters")),
    Case("a name on two lines", NAMED + '"a\nb.png",1,2,3,4\n',
         faces("its name has control characters")),
    Case("right to left", NAMED + "א\u202e.png,1,2,3,4\n", faces([1, 2, 3, 4])),
    Case("a formula", NAMED + "=cmd|' /C calc'!A0,1,2,3,4\n", faces([1, 2, 3, 4])),
]  # fmt: skip
BOX_HEAD = "image,x0,y0,x1,y1\n"
BAD_BOX = "line 2: a box has finite x0 < x1"
BOXES = [
    Case("nothing", "", "the file is empty"),
    Case("no box", BOX_HEAD, "no box in this file"),
    Case("a column missing", "image,x0,y0,x1\na,1,2,3\n", "it lacks y1"),
    Case("a column twice", "image,x0,y0,x1,y1,x0\na,1,2,3,4,0\n",
         "names the column x0 twice"),
    Case("inverted", BOX_HEAD + "a.png,9,1,5,5\n", BAD_BOX),
    Case("empty", BOX_HEAD + "a.png,5,1,5,5\n", BAD_BOX),
    Case("nan", BOX_HEAD + "a.png,nan,1,5,5\n", BAD_BOX),
    Case("infinite", BOX_HEAD + "a.png,-inf,1,5,5\n", BAD_BOX),
    Case("huge", BOX_HEAD + "a.png,0,0,1e9,1e9\n", BAD_BOX),
    Case("underscores", BOX_HEAD + "a.png,0,0,1_0,10\n", "is not four numbers"),
    Case("words", BOX_HEAD + "a.png,left,top,right,bottom\n", "is not four numbers"),
    Case("a value missing", BOX_HEAD + "a.png,1,2,3\n", "line 2: needs a value for"),
    Case("a box twice", BOX_HEAD + "a,1,2,3,4\na,1,2,3,4\n", "has this box twice"),
    Case("a name alone", BOX_HEAD + "a\n", "line 2: needs a value for"),
]  # fmt: skip

KEYS = 60_000
MANY_KEYS = ",".join(f'"{key}": 1' for key in range(KEYS))
BOX_NUMBERS = "is not four numbers"
JSON = [
    Case("nothing", "", "not a JSON landmark file"),
    Case("half a file", '{"a.png": [[1, 2], [3', "not a JSON landmark file"),
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
    Case("UTF-16", '{"a": 1}'.encode("utf-16"), "not a text file in UTF-8"),
    Case("no name", '{"": [[1, 2]]}', faces("its name is empty")),
    Case("a name with NUL", '{"a\\u0000b": [[1, 2]]}', faces("has control characters")),
    Case("half a surrogate pair", '{"\\ud800": [[1, 2]]}', faces("is no UTF-8; rename")),
    Case("a name of 10,000 characters", json.dumps({"a" * 10**4: [[1, 2]]}),
         faces("its name has 10000 characters")),
    Case("infinity", '{"a": [[Infinity, 1]]}', faces(PLACE)),
    Case("nan", '{"a": [[NaN, NaN], [3, 4]]}', faces([NAN, NAN, 3, 4])),
    Case("true and false", '{"a": [[true, false]]}', faces(NUMBERS)),
    Case("numbers as texts", '{"a": [["1", "2.5"]]}', faces([1, 2.5])),
    Case("half a point", '{"a": [[1, null]]}', faces(PLACE)),
    Case("a point of three", '{"a": [[1, 2, 3]]}', faces(PAIR)),
    Case("a point of lists", '{"a": [[[1], [2]]]}', faces(NUMBERS)),
    Case("a point of a megabyte", json.dumps({"a": [list(range(10**5))]}), faces(PAIR)),
    Case("points that are a text", '{"a": "12"}', faces("not a list of points")),
    Case("points that are an object", '{"a": {"points": {"x": 1}}}',
         faces("not a list of points")),
    Case("no point", '{"a": []}', faces("not a list of points")),
    Case("a number for a face", '{"a": 7}', faces("not a list of points")),
    Case("a face of nothing", '{"a": {}}', faces("not a list of points")),
    Case("a box that is a text", '{"a": {"box": "1234"}}', faces(BOX_NUMBERS)),
    Case("a box that is an object", '{"a": {"box": {"1": 0, "2": 0, "3": 0, "4": 0}}}',
         faces(BOX_NUMBERS)),
    Case("a box of five", '{"a": {"box": [0, 0, 1, 1, 1]}}', faces(BOX_NUMBERS)),
    Case("a box of booleans", '{"a": {"box": [false, false, true, true]}}',
         faces(BOX_NUMBERS)),
    Case("a box of null", '{"a": {"box": [null, 0, 1, 1]}}', faces(BOX_NUMBERS)),
    Case("a box that is inverted", '{"a": {"box": [5, 0, 1, 1]}}', faces("a box has fin")),
    Case("faces of two kinds", '{"a": [{"box": [0, 0, 1, 1]}, [[1, 2]]]}',
         faces([0, 0, 1, 1], [1, 2])),
]  # fmt: skip


def coco(*entries, images=({"id": 1, "file_name": "a.png"},)) -> str:
    entries = [{"image_id": 1, **entry} for entry in entries]
    return json.dumps({"images": list(images), "annotations": entries})


COLLIDING = [{"id": n * (2**61 - 1), "file_name": "a"} for n in range(1, 40_000)]
COCO = [
    Case("ids that collide", coco(images=COLLIDING), "images[0]: needs an id"),
    Case("an id twice", coco(images=2 * [{"id": 1, "file_name": "a"}]),
         "its id 1 is that of a as well"),
    Case("an image without an id", coco(images=[{"file_name": "a"}]), "needs an id"),
    Case("an image without a name", coco(images=[{"id": 1}]), "needs an id and a file_n"),
    Case("an image that is a list", coco(images=[[1]]), "needs an id and a file_name"),
    Case("an image of a megabyte", coco(images=[{"a": "b" * 10**6}]), "needs an id and"),
    Case("an id that is true", coco(images=[{"id": True, "file_name": "a"}]),
         "needs an id"),
    Case("an annotation of no image", coco({"image_id": 7}), "image_id 7 is not among"),
    Case("an annotation of a list", coco({"image_id": [1]}), "image_id [1] is not among"),
    Case("an annotation that is null", '{"images": [], "annotations": [null]}',
         "image_id None is not among"),
    Case("an annotation of nothing", coco({}), faces("neither keypoints nor a bbox")),
    Case("a keypoint too short", coco({"keypoints": [1, 2]}),
         faces("keypoints is not a list of x, y and visibility")),
    Case("keypoints that are a text", coco({"keypoints": "122"}),
         faces("keypoints is not a list of x, y and visibility")),
    Case("a visibility of 7", coco({"keypoints": [1, 2, 7]}), faces("is 7, not 0 to 2")),
    Case("a visibility of a list", coco({"keypoints": [1, 2, [2]]}), faces("not 0 to 2")),
    Case("a bbox that is a text", coco({"bbox": "1234"}), faces("is not four numbers")),
    Case("a bbox of three", coco({"bbox": [1, 2, 3]}), faces("is not four numbers")),
    Case("a bbox of no width", coco({"bbox": [1, 2, 0, 3]}), faces("a box has finite")),
    Case("a bbox beyond photos", coco({"bbox": [0, 0, 1e300, 1e300]}), faces("a box has")),
    Case("a bbox of nan", coco({"bbox": [NAN, 0, 1, 1]}), faces("a box has finite")),
    Case("a name that leads out", coco({"bbox": [0, 0, 1, 1]},
         images=[{"id": 1, "file_name": "../../etc/passwd"}]),
         faces([-0.5, -0.5, 0.5, 0.5])),
]  # fmt: skip


def dlib(*boxes: str, head: str = "", image: str = "file='a'") -> str:
    body = "".join(boxes)
    return f"{head}<dataset><images><image {image}>{body}</image></images></dataset>"


def box(parts="", size="top='0' left='0' width='9' height='9'") -> str:
    return f"<box {size}>{parts}</box>"


def part(name="0", x="1", y="2") -> str:
    return f"<part name='{name}' x='{x}' y='{y}'/>"


LOL = "<!DOCTYPE d [<!ENTITY a 'lol'>" + "".join(
    f"<!ENTITY {new} '{10 * f'&{old};'}'>"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
PLAIN = "not a plain XML file: "
XML = [
    Case("a billion laughs", LOL + "]>" + dlib(box(part(x="&i;"))), PLAIN),
    Case("one long entity again and again", f"<!DOCTYPE d [<!ENTITY a '{'x' * 10**5}'>]>"
         f"<dataset><images>{'&a;' * 1000}</images></dataset>", PLAIN),
    Case("an entity that is a file", "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>"
         "]>" + dlib(box(part(x="1&a;"))), PLAIN),
    Case("an entity from the network", "<!DOCTYPE d [<!ENTITY a SYSTEM 'http://127.0.0.1/'"
         ">]>" + dlib(box("&a;")), PLAIN),
    Case("a parameter entity", "<!DOCTYPE d [<!ENTITY % a SYSTEM 'file:///etc/passwd'>%a;"
         "]>" + dlib(), PLAIN),
    Case("nothing", "", "not an XML file: no element found"),
    Case("a picture", b"\x89PNG\r\n\x1a\n" + bytes(30), "not an XML file"),
    Case("half a file", dlib(box(part()))[:-30], "not an XML file"),
    Case("a web page", "<html><body></body></html>",
         "a dlib data set is <dataset><images>; got <html>"),
    Case("an unknown encoding", "<?xml version='1.0' encoding='none'?><dataset/>", "not a"),
    Case("an encoding that lies", b"<?xml version='1.0' encoding='utf-8'?><dataset>\xff",
         "not an XML file"),
    Case("UTF-16", dlib(box(part())).encode("utf-16"), faces([1, 2])),
    Case("a hundred thousand elements deep", "<dataset>" * 10**5, "not an XML file"),
    Case("elements around a data set", "<a>" * 10**5 + dlib() + "</a>" * 10**5,
         "a dlib data set is <dataset><images>; got <a>"),
    Case("parts of their own", dlib(*[box(part(str(n))) for n in range(6000)]),
         "6000 names for the 6000 parts of 6000 boxes"),
    Case("a number of 5000 digits", dlib(box(part("9" * 5000))), faces([1, 2])),
    Case("an attribute twice", dlib("<box top='1' top='2'/>"), "duplicate attribute"),
    Case("no size", dlib("<box/>"), faces("left, top, width and height are not four")),
    Case("a size in words", dlib(box(size="top='a' left='0' width='9' height='9'")),
         faces("are not four numbers")),
    Case("an infinite size", dlib(box(size="top='0' left='0' width='inf' height='9'")),
         faces("a box has finite x0 < x1")),
    Case("a negative size", dlib(box(size="top='0' left='0' width='-9' height='9'")),
         faces("a box has finite x0 < x1")),
    Case("a size with underscores", dlib(box(size="top='0' left='0' width='1_0' "
         "height='9'")), faces("are not four numbers")),
    Case("a part twice", dlib(box(part() + part())), faces("it has part 0 twice")),
    Case("a part without a place", dlib(box("<part name='0'/>")), faces(NUMBERS)),
    Case("a part at nan and 1", dlib(box(part(x="nan"))), faces(PLACE)),
    Case("a part without a name", dlib(box("<part x='1' y='2'/>")), faces([1, 2])),
    Case("an image without a name", dlib(image=""), "image 1 has no file attribute"),
    Case("a name on two lines", dlib(box(part()), image="file='a&#10;b'"),
         faces("has control characters")),
]  # fmt: skip
CASES = PTS + CSV + BOXES + JSON + COCO + XML


@each(PTS)
def test_hostile_pts(tmp_path, case):
    judge(case, annotations.read_pts, tmp_path, suffix=".pts")


@each(CSV)
def test_hostile_csv(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".csv")


@each(BOXES)
def test_hostile_boxes(tmp_path, case):
    judge(case, annotations.read_boxes, tmp_path, suffix=".csv")


@each(JSON)
def test_hostile_json(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".json")


@each(COCO)
def test_hostile_coco(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".json")


@each(XML)
def test_hostile_xml(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".xml")


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
