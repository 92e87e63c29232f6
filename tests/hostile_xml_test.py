"""XML that is malformed, lies, leads elsewhere or would take hours or gigabytes."""

from annotation_checks import NAME, NUMBERS, PLACE, faces
from hostile import Case, each, judge

from rcsr_jax.data import annotations


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
PLAIN = ": not a plain XML file: "
ROOT = ": a dlib data set is <dataset><images>; got "
SIZE = "box 1: left, top, width and height are not four numbers"
XML_BOX = "box 1: a box has finite x0 < x1, y0 < y1"
XML_NUMBERS = f"box 1: {NUMBERS}"
XML = [
    Case("a billion laughs", LOL + "]>" + dlib(box(part(x="&i;"))),
         PLAIN + "EntitiesForbidden"),
    Case("one long entity again and again", f"<!DOCTYPE d [<!ENTITY a '{'x' * 10**5}'>]>"
         f"<dataset><images>{'&a;' * 1000}</images></dataset>", PLAIN),
    Case("an entity that is a file", "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>"
         "]>" + dlib(box(part(x="1&a;"))), PLAIN),
    Case("an entity from the network", "<!DOCTYPE d [<!ENTITY a SYSTEM 'http://127.0.0.1/'"
         ">]>" + dlib(box("&a;")), PLAIN),
    Case("a parameter entity", "<!DOCTYPE d [<!ENTITY % a SYSTEM 'file:///etc/passwd'>%a;"
         "]>" + dlib(), PLAIN),
    Case("nothing", "", ": not an XML file: no element found: line 1"),
    Case("a picture", b"\x89PNG\r\n\x1a\n" + bytes(30), "not an XML file"),
    Case("half a file", dlib(box(part()))[:-30], "not an XML file"),
    Case("a tag that stays open", "<dataset>\n<images>\n</dataset>",
         ": not an XML file: mismatched tag: line 3"),
    Case("a web page", "<html><body></body></html>", f"{ROOT}<html>."),
    Case("a data set of no images", "<dataset/>", f"{ROOT}<dataset>."),
    Case("an unknown encoding", "<?xml version='1.0' encoding='none'?><dataset/>",
         "unknown encoding"),
    Case("an encoding that lies", b"<?xml version='1.0' encoding='utf-8'?><dataset>\xff",
         "not an XML file"),
    Case("UTF-16", dlib(box(part())).encode("utf-16"), faces([1, 2])),
    Case("a hundred thousand elements deep", "<dataset>" * 10**5, "not an XML file"),
    Case("elements around a data set", "<a>" * 10**5 + dlib() + "</a>" * 10**5,
         f"{ROOT}<a>."),
    Case("parts of their own", dlib(*[box(part(str(n))) for n in range(6000)]),
         "6000 names for the 6000 parts of 6000 boxes"),
    Case("a number of 5000 digits", dlib(box(part("9" * 5000))), faces([1, 2])),
    Case("an attribute twice", dlib("<box top='1' top='2'/>"), "duplicate attribute"),
    Case("no size", dlib("<box/>"), faces(SIZE)),
    Case("a size in words", dlib(box(size="top='a' left='0' width='9' height='9'")),
         faces(SIZE)),
    Case("no height", dlib(box(size="top='0' left='0' width='9'")), faces(SIZE)),
    Case("an infinite size", dlib(box(size="top='0' left='0' width='inf' height='9'")),
         faces(XML_BOX)),
    Case("a negative size", dlib(box(size="top='0' left='0' width='-9' height='9'")),
         faces(XML_BOX)),
    Case("a width of 0", dlib(box(size="top='0' left='0' width='0' height='9'")),
         faces(XML_BOX)),
    Case("a size with underscores", dlib(box(size="top='0' left='0' width='1_0' "
         "height='9'")), faces(SIZE)),
    Case("a part twice", dlib(box(), box(part() + part())),
         faces([0, 0, 8, 8], "box 2: it has part 0 twice", image="a")),
    Case("a part without a place", dlib(box("<part name='0'/>")), faces(XML_NUMBERS)),
    Case("a part without an x", dlib(box("<part name='0' y='1'/>")), faces(XML_NUMBERS)),
    Case("a part at a word", dlib(box(part(x="a"))), faces(XML_NUMBERS)),
    Case("a part at nan and 1", dlib(box(part(x="nan"))), faces(f"box 1: {PLACE}")),
    Case("a part without a name", dlib(box("<part x='1' y='2'/>")), faces([1, 2])),
    Case("an image without a name", dlib(image=""), ": image 1 has no file attribute."),
    Case("a name on two lines", dlib(box(part()), image="file='a&#10;b'"),
         faces(NAME)),
]  # fmt: skip


@each(XML)
def test_hostile_xml(tmp_path, case):
    judge(case, annotations.read_annotations, tmp_path, suffix=".xml")
