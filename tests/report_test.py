"""Tests of rcsr_jax.report: what stands in the file. What it does is in pages_test.py."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from reports import full_data, gallery_face, picture, summary

from rcsr_jax import metrics
from rcsr_jax.markup import FACE_68
from rcsr_jax.report import ReportData, write_report
from rcsr_jax.report.tables import format_number

VOID = {"meta", "input"}


class Page(HTMLParser):
    """Reads a page, checks that its tags match, and keeps what is asked about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words, self.tables = [], [], [], []
        self.inside = {"script": "", "style": ""}
        self.feed(text)
        self.close()
        assert not self.open
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag == "br":
            return
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in self.inside:
            self.inside[self.open[-1]] = data  # of scripts the last one
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data.strip()

    def attributes(self, tag):
        return [attrs for name, attrs in self.seen if name == tag]

    def table(self, first_head):
        return next(rows for rows in self.tables if rows[0][0] == first_head)


def render(path, data):
    write_report(path, data)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def text(tmp_path):
    return render(tmp_path / "report.html", full_data())


def test_the_summary_table_holds_the_numbers(text):
    head, *rows = Page(text).tables[0]
    assert head[:4] == ["Method", "Points", "Faces", "Inter-ocular %"]
    numbers = ["224", "4.32", "6.17", "2.16", "51.23", "3.12", "4.50", "2.75"]
    assert rows[0] == ["ours", "68", *numbers]
    assert [row[:4] for row in rows[1:]] == [
        ["ours", "51", "224", "3.46"],
        ["ours", "49", "224", "3.33"],
        ["mean shape", "68", "224", "16.60"],
    ]
    assert rows[3][-2:] == ["—", "—"]  # no steps and no time


def test_published_numbers_stand_under_what_they_were_divided_by(text):
    page = Page(text)
    rows = page.tables[1]
    assert rows[1] == ["ours, measured here", "68", "4.32", "6.17", "this evaluation"]
    cfss = next(row for row in rows if row[:2] == ["CFSS", "68"])
    assert cfss[2:4] == ["", "4.87"] and cfss[4].startswith("the RCSR paper")
    theirs = next(row for row in rows if row[0].startswith("RCSR of the paper"))
    assert theirs[1:3] == ["68", "either 3.93"]
    assert ["ours, measured here", "49", "3.33", "4.76", "this evaluation"] in rows
    assert "evaluator divides by the distance of the eyes' means" in page.text
    assert "LFPW test, 224 faces" in page.text


def test_without_a_published_set_there_are_no_published_numbers(tmp_path):
    data = full_data(metrics={"ours": summary(4.0)}, errors={})
    page = Page(render(tmp_path / "report.html", data))
    assert "CFSS" not in page.text and "published" not in page.text.lower()


def test_the_shares_of_faces_stand_beside_the_curve(text):
    page = Page(text)
    assert page.table("Faces % within")[1] == [
        "ours",
        *("25.0", "50.0", "50.0", "50.0", "75.0"),
    ]
    area = 100 * metrics.auc([0.02, 0.04, 0.08, 0.1])
    assert f"AUC {area:.2f} %, failures 25.00 %" in page.text


def test_regions_are_bars_in_proportion(text):
    page = Page(text)
    assert page.table("Region")[1:] == [
        ["jaw", "ours", "6.00", ""],
        ["jaw", "mean shape", "12.00", ""],
        ["eyes", "ours", "3.00", ""],
        ["eyes", "mean shape", "—", ""],
    ]
    bars = [attrs["style"] for attrs in page.attributes("i") if "width" in str(attrs)]
    assert bars == ["width: 50.0%", "width: 100.0%", "width: 25.0%", "width: 0%"]


def test_every_landmark_is_a_circle_as_hot_as_its_error(text):
    page = Page(text)
    circles = [attrs for attrs in page.attributes("circle") if "data-name" in attrs]
    assert len(circles) == 68
    assert (circles[0]["class"], circles[67]["class"]) == ("heat0", "heat8")
    assert circles[36]["data-name"] == "landmark 36, eyes"
    rows = page.table("Landmark")
    assert rows[1] == ["0", "jaw", "0.00"] and rows[68][0] == "67"


def test_trust_is_told_where_the_model_knows(text, tmp_path):
    page = Page(text)
    assert "Of the 7 failures 71 % are among the tenth" in page.text
    assert "Area below: 3.20; 2.90 in the best order." in page.text
    assert page.table("Faces")[1] == ["112", "60.00", "58.00"]
    without = Page(render(tmp_path / "plain.html", full_data(trust=False)))
    assert "failures 71 %" not in without.text and "Trust" not in without.text


def test_every_face_command_config_and_refusals_are_listed(text):
    page = Page(text)
    assert page.table("name") == [
        ["name", "nme interocular", "settled"],
        ["a.png", "1.50", "yes"],
        ["b.png", "—", "no"],
    ]
    assert "rcsr-evaluate --out=here" in page.text
    assert '"num_steps": 5' in page.text and "c.png: torn" in page.text


def test_of_too_many_faces_the_worst_are_listed(tmp_path):
    rows = [{"face": f"{n}", "nme_interocular": float(n)} for n in range(1200)]
    rows[7]["nme_interocular"] = float("nan")
    page = Page(render(tmp_path / "report.html", full_data(faces=rows)))
    listed = page.table("face")
    assert len(listed) == 1001 and listed[1] == ["1199", "1199.00"]
    assert "The 1000 worst of 1200 faces" in page.text


def test_pictures_are_inside_the_file(text):
    first, *_ = Page(text).attributes("image")
    kind, encoded = first["href"].split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as shown:
        assert np.abs(np.asarray(shown, int) - picture(0)).mean() < 4


def script_data(text):
    return re.search(r'type="application/json" id="data">(.*?)</script>', text).group(1)


def test_the_script_has_the_shapes_and_null_for_what_is_unknown(text):
    data = json.loads(script_data(text))
    worst, _ = data["faces"]
    assert worst["groups"] == ["worst", "random"] and worst["errors"] == [30, 20, 10]
    assert np.shape(worst["shapes"]) == (3, 68, 2)
    assert worst["truth"][3] == [None, None]
    assert [state["name"] for state in data["heat"]] == [
        "first shape",
        *(f"after {n} step{'s' * (n > 1)}" for n in range(1, 11)),
        "adaptive",
    ]


def test_nothing_is_loaded_from_elsewhere_and_no_other_script_runs(text):
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub("// .*", "", text))
    assert {"link", "iframe"}.isdisjoint(tag for tag, _ in page.seen)
    policy = next(m for m in page.attributes("meta") if "http-equiv" in m)["content"]
    assert policy.startswith("default-src 'none'")
    digest = hashlib.sha256(page.inside["script"].encode()).digest()
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_names_are_escaped_everywhere(tmp_path):
    evil = '</script><script>alert("x")</script>'
    faces = [face._replace(name=evil) for face in full_data().gallery]
    data = full_data(
        title=evil,
        metrics={evil: summary(4.0, by_region={evil: 1.0}, by_step={1: summary(4.0)})},
        errors={evil: [0.1]},
        faces=[{evil: evil}],
        gallery=faces,
        refused=[(evil, evil)],
        config={evil: evil},
        command=evil,
    )
    text = render(tmp_path / "report.html", data)
    assert text.count("<script") == 2 and text.count("</script>") == 2
    page = Page(text)
    assert page.text.count("<script>") >= 10
    assert evil in page.attributes("svg")[-1]["aria-label"]


def test_the_smallest_report_has_no_empty_parts(tmp_path):
    data = ReportData(title="Small", markup=FACE_68, metrics={"ours": summary(4.0)})
    page = Page(render(tmp_path / "report.html", data))
    headings = [tag for tag, _ in page.seen if tag in ("h2", "svg", "details", "pre")]
    assert headings == ["h2"]
    assert len(page.tables) == 1 and page.tables[0][1][:2] == ["ours", "68"]


def test_every_control_has_a_name(text):
    page = Page(text)
    labelled = {attrs.get("for") for attrs in page.attributes("label")}
    for tag in ("input", "select"):
        for attrs in page.attributes(tag):
            inside = attrs.get("type") == "checkbox"  # its label is around it
            assert inside or "aria-label" in attrs or attrs["id"] in labelled
    for attrs in page.attributes("svg"):
        assert attrs["role"] == "img" and attrs["aria-label"]
    ids = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"][1:] for attrs in page.attributes("a")]
    assert set(links) <= set(ids)


def test_faces_that_could_not_be_measured_are_mentioned(tmp_path):
    data = full_data(metrics={"ours": summary(4.0, num_measured=200)}, errors={})
    page = Page(render(tmp_path / "report.html", data))
    assert "are of 200 faces" in page.text


def test_numbers_that_are_not_finite_do_no_harm(tmp_path):
    broken = summary(
        np.inf, by_region={"jaw": np.inf}, by_landmark=[np.inf] * 68, by_step={}
    )
    broken["by_step"] = {1: summary(np.nan)}
    lost = gallery_face(0, groups=("worst",), errors=[30, np.inf])
    lost = lost._replace(score=np.nan)
    data = full_data(
        metrics={"ours": broken}, errors={"ours": [np.inf]}, gallery=[lost]
    )
    text = render(tmp_path / "report.html", data)
    assert Page(text).tables[0][1][3] == "∞"
    (face,) = json.loads(script_data(text))["faces"]
    assert (face["score"], face["errors"]) == (None, [30, None])


@pytest.mark.parametrize(
    "value, text",
    [
        (4.005, "4.00"),
        (np.float32(2.5), "2.50"),
        (7, "7"),
        (True, "yes"),
        ("name", "name"),
        (None, "—"),
        (float("nan"), "—"),
        (np.inf, "∞"),
    ],
)
def test_format_number(value, text):
    assert format_number(value) == text


def test_a_report_without_its_numbers_is_refused(tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(ValueError, match="at least one method"):
        write_report(path, full_data(metrics={}))
    with pytest.raises(ValueError, match=r"ours lack \['num_faces'"):
        write_report(path, full_data(metrics={"ours": {"nme_box": 1.0}}))
    with pytest.raises(ValueError, match=r"\['theirs'\], which have no metrics"):
        write_report(path, full_data(errors={"theirs": [0.1]}))
    assert not path.exists()


def test_a_summary_may_come_from_its_json_file(tmp_path):
    data = full_data()
    read = json.loads(json.dumps(data.metrics).replace("NaN", "null"))
    again = render(tmp_path / "b.html", full_data(metrics=read))
    assert again == render(tmp_path / "a.html", data)
