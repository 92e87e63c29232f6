"""Tables and .pts files that are malformed, lie, or would take hours or gigabytes."""

from annotation_checks import LIST, NAME, NAN, NUMBERS, PAIR, PLACE, TEXT, faces, points
from hostile import Case, each, judge

from rcsr_jax.data import annotations


def pts(body="1 2\n3 4\n", count="2", head="version: 1\n") -> str:
    return f"{head}n_points: {count}\n{{\n{body}}}\n"


BRACES = "the points of a .pts file stand in one pair of braces"
COUNT = "no line 'n_points: NUMBER' before the braces"
PTS = [
    Case("nothing", "", BRACES),
    Case("zeros", bytes(300), BRACES),
    Case("a picture", b"\x89PNG\r\n\x1a\n" + bytes(30), TEXT),
    Case("UTF-16", pts().encode("utf-16"), TEXT),
    Case("a byte order mark", b"\xef\xbb\xbf" + pts().encode(), points([0, 1], [2, 3])),
    Case("carriage returns alone", pts().replace("\n", "\r"), points([0, 1], [2, 3])),
    Case("cut before the braces", pts()[:20], BRACES),
    Case("cut within the points", pts()[:-4], BRACES),
    Case("no brace before the points", pts().replace("{", ""), BRACES),
    Case("braces within braces", pts("{1 2}\n"), BRACES),
    Case("two faces", pts() + pts(), BRACES),
    Case("words behind the braces", pts() + "and more", BRACES),
    Case("no line of the count", pts().replace("n_points: 2", ""), COUNT),
    Case("no count", pts(count=""), COUNT),
    Case("a count in words", pts(count="two"), COUNT),
    Case("a negative count", pts(count="-2"), COUNT),
    Case("a count of 5000 digits", pts(count="9" * 5000), COUNT),
    Case("a count of a billion", pts(count="999999999"), "n_points is 999999999, but"),
    Case("a point too few", pts(count="3"), ": n_points is 3, but there are 2 points."),
    Case("no point", pts("", "0"), LIST),
    Case("one coordinate", pts("1\n3 4\n"), PAIR),
    Case("three coordinates", pts("1 2 3\n3 4\n"), PAIR),
    Case("words", pts("a b\n3 4\n"), NUMBERS),
    Case("decimal commas", pts("1 2\n1,5 2,5\n"), "landmark 1 is not two numbers"),
    Case("underscores", pts("1_0 2\n3 4\n"), NUMBERS),
    Case("hexadecimal", pts("0x10 2\n3 4\n"), NUMBERS),
    Case("infinity", pts("inf 2\n3 4\n"), PLACE),
    Case("a number beyond floats", pts("1e999 2\n3 4\n"), PLACE),
    Case("a number beyond photos", pts("1e7 2\n3 4\n"), PLACE),
    Case("a number far above photos", pts("1 -1e300\n3 4\n"), PLACE),
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
UNNAMED = "face,x,y\n"
NO_NAME = ": line 2: the image name is missing"
COMMAS = ": fields are separated by commas, not by "
SMALL = ": names are written in small letters"
CSV = [
    Case("nothing", "", ": the file is empty"),
    Case("blank lines", "\n\n\n", "the file is empty"),
    Case("a header alone", NAMED, faces()),
    Case("no header", "a.png,1,2\n", ": line 1 must be a header, not the face a.png."),
    Case("UTF-16", NAMED.encode("utf-16"), TEXT),
    Case("zeros", bytes(300), faces()),
    Case("an open quote", NAMED + '"a.png,1,2,3,4\n', ": line 2: unexpected end of data"),
    Case("a quote within", NAMED + 'a"b"c.png,1,2,3,4\n', faces([1, 2, 3, 4])),
    Case("a field of a megabyte", NAMED + "a" * 10**6 + ",1,2,3,4\n",
         "field larger than field limit"),
    Case("a short row", NAMED + "a.png,1,2\n", ": line 2: 3 fields, where line 1 has 5"),
    Case("a long row", NAMED + "a.png,1,2,3,4,5\n", ": line 2: 6 fields, where line 1 h"),
    Case("a column twice", "image,x_0,y_0,x_1,y_1,y_1\na,1,2,3,4,5\n",
         "line 1 names the column y_1 twice"),
    Case("a column missing", "image,x_0,y_0,x_1\na,1,2,3\n",
         ": line 1 lacks the columns y_1."),
    Case("half a box", NAMED[:-1] + ",box_x0\na,1,2,3,4,5\n",
         ": line 1 lacks the columns box_y0,box_x1,box_y1."),
    Case("a table of a video", "frame,face,x_0,y_0\n0,0,1,2\n",
         ": line 1 names x_0 but no column image"),
    Case("a box by its sizes", "image,x0,y0,width,height\na,0,1,2,3\n",
         ": line 1 has the column height: a box is x0,y0,x1,y1"),
    Case("every x before every y", "image,x0,x1,x2,y0,y1,y2\na,0,1,2,3,4,5\n",
         ": line 1 does not take turns of x and y"),
    Case("semicolons", "image;x_0;y_0\na;0;1\n",
         f": line 1 is not understood{COMMAS}semicolons."),
    Case("capitals", "Image,X0,Y0,X1,Y1\na,0,1,2,3\n",
         f": line 1 is not understood{SMALL}."),
    Case("no name", NAMED + ",1,2,3,4\n", NO_NAME),
    Case("no name, unnamed columns", UNNAMED + ",1,2\n", NO_NAME),
    Case("words", NAMED + "a.png,x,2,3,4\n", faces(f"line 2: {NUMBERS}", image="a.png")),
    Case("words, unnamed columns", UNNAMED + "a.png,0,one\n",
         faces(f"line 2: {NUMBERS}", image="a.png")),
    Case("underscores", NAMED + "a.png,1_0,2,3,4\n", faces(f"line 2: {NUMBERS}")),
    Case("infinity", NAMED + "a.png,inf,2,3,4\n", faces(f"line 2: {PLACE}")),
    Case("half a point", NAMED + "a.png,1,,3,4\n", faces(f"line 2: {PLACE}")),
    Case("a point missing", NAMED + "a.png,,,3,4\n", faces([NAN, NAN, 3, 4])),
    Case("a box from right to left", NAMED[:-1] + ",box_x0,box_y0,box_x1,box_y1\n"
         "a,1,2,3,4,9,0,5,5\n", faces("line 2: a box has finite x0 < x1")),
    Case("an odd number of values", UNNAMED + "a.png,1,2,3\n",
         faces("line 2: landmark 1 is not an x and a y")),
    Case("a name alone", UNNAMED + "a.png\n", faces(f"line 2: {LIST}")),
    Case("an image twice", UNNAMED + "a.png,1,2\na.png,1,2\n",
         ": line 3: a.png is named twice"),
    Case("a name with an escape", NAMED + "a\x1b[2Jb.png,1,2,3,4\n",
         faces(NAME)),
    Case("a name on two lines", NAMED + '"a\nb.png",1,2,3,4\n',
         faces(NAME)),
    Case("right to left", NAMED + "א\u202e.png,1,2,3,4\n", faces([1, 2, 3, 4])),
    Case("a formula", NAMED + "=cmd|' /C calc'!A0,1,2,3,4\n", faces([1, 2, 3, 4])),
]  # fmt: skip

BOX_HEAD = "image,x0,y0,x1,y1\n"
COLUMNS = ": line 1 must name the columns image,x0,y0,x1,y1; it lacks "
ALL = "image,x0,y0,x1,y1 and has "
BAD_BOX = ": a box has finite x0 < x1, y0 < y1; got ("
SIZES = "): if it is (x, y, width, height), give (x, y, x + width, y + height)."
VALUE = "needs a value for image,x0,y0,x1,y1."
BOXES = [
    Case("nothing", "", ": the file is empty"),
    Case("no box", BOX_HEAD, ": no box in this file"),
    Case("no header", "a.png,0,0,1,1\n", f"{COLUMNS}{ALL}a.png,0,0,1,1."),
    Case("a column missing", "image,x0,y0,x1\na,1,2,3\n",
         f"{COLUMNS}y1 and has image,x0,y0,x1."),
    Case("columns of other names", "filename,xmin,ymin,xmax,ymax\na,0,0,1,1\n",
         f"{COLUMNS}{ALL}filename,xmin,ymin,xmax,ymax."),
    Case("semicolons", "image;x0;y0;x1;y1\na;0;0;1;1\n",
         f"{COLUMNS}{ALL}image;x0;y0;x1;y1{COMMAS}semicolons."),
    Case("tabs", "image\tx0\ty0\tx1\ty1\na\t0\t0\t1\t1\n",
         f"{COLUMNS}{ALL}image\\tx0\\ty0\\tx1\\ty1{COMMAS}tabs."),
    Case("capitals", "Image,X0,Y0,X1,Y1\na,0,0,1,1\n",
         f"{COLUMNS}{ALL}Image,X0,Y0,X1,Y1{SMALL}."),
    Case("a column twice", "image,x0,y0,x1,y1,x0\na,1,2,3,4,0\n",
         "names the column x0 twice"),
    Case("an open quote", BOX_HEAD + '"a,0,0,1,1\n', ": line 2: unexpected end of data"),
    Case("inverted", BOX_HEAD + "a.png,9,1,5,5\n",
         f": line 2{BAD_BOX}9.0, 1.0, 5.0, 5.0{SIZES}"),
    Case("a width and a height", BOX_HEAD + "a,0,0,1,1\nb,127.6,81.6,102.5,160.4\n",
         f": line 3{BAD_BOX}127.6, 81.6, 102.5, 160.4{SIZES}"),
    Case("no width", BOX_HEAD + "a.png,5,1,5,5\n", f": line 2{BAD_BOX}"),
    Case("no height", BOX_HEAD + "a.png,0,3,1,3\n", f": line 2{BAD_BOX}"),
    Case("nan", BOX_HEAD + "a.png,0,0,nan,1\n", f": line 2{BAD_BOX}"),
    Case("infinite", BOX_HEAD + "a.png,0,0,inf,1\n", f": line 2{BAD_BOX}"),
    Case("negatively infinite", BOX_HEAD + "a.png,-inf,1,5,5\n", f": line 2{BAD_BOX}"),
    Case("huge", BOX_HEAD + "a.png,0,0,1e9,1e9\n",
         f": line 2{BAD_BOX}0.0, 0.0, 1000000000.0, 1000000000.0)."),
    Case("underscores", BOX_HEAD + "a.png,0,0,1_0,10\n", "is not four numbers"),
    Case("words", BOX_HEAD + "a,0,0,1,1\nb,left,top,right,bottom\n",
         ": line 3: its box ['left', 'top', 'right', 'bottom'] is not four numbers."),
    Case("an empty value", BOX_HEAD + "a,0,0,,1\n",
         ": line 2: its box ['0', '0', '', '1'] is not four numbers."),
    Case("a value missing", BOX_HEAD + "\na.png,1,2,3\n", f": line 3: {VALUE}"),
    Case("a box twice", BOX_HEAD + "a,1,2,3,4\na,1,2,3,4\n",
         ": line 3: a has this box twice."),
    Case("a name alone", BOX_HEAD + "a\n", f": line 2: {VALUE}"),
    Case("no name", BOX_HEAD + ",0,0,1,1\n", f": line 2: {VALUE}"),
]  # fmt: skip


@each(PTS)
def test_hostile_pts(tmp_path, case):
    judge(case, annotations.read_pts, tmp_path, suffix=".pts")


@each(CSV)
def test_hostile_csv(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".csv")


@each(BOXES)
def test_hostile_boxes(tmp_path, case):
    judge(case, annotations.read_boxes, tmp_path, suffix=".csv")
