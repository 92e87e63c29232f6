"""Tests of rcsr_jax.report."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from rcsr_jax import metrics
from rcsr_jax.report import Picture, ReportData, format_number, write_report

VOID = {"meta", "img", "br", "line", "polyline", "circle"}


class Page(HTMLParser):
    """Reads a page, checks that its tags match, and keeps what is asked about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words, self.tables = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
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
        if "style" in self.open:
            return
        self.words.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data.strip()

    def attributes(self, tag):
        return [attrs for name, attrs in self.seen if name == tag]


def summary(error, **more):
    return {
        "num_faces": 224,
        "num_measured": 224,
        "nme_interocular": error,
        "nme_interpupil": error / 0.7,
        "nme_box": error / 2,
        "auc_08": 51.234,
        "failure_rate_08": 3.125,
        **more,
    }


def full_data(**changed):
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    fields = {
        "title": "RCSR on the test split",
        "num_points": 68,
        "metrics": {
            "ours": summary(
                4.321,
                num_steps_mean=4.5,
                milliseconds_per_face=2.75,
                subsets={"51": summary(3.456), "49": summary(3.333)},
                by_region={"jaw": 6.0, "eyes": 3.0},
                by_step={str(n): summary(4 + 4 / n) for n in range(1, 11)},
            ),
            "mean shape": summary(16.6, by_region={"jaw": 12.0, "eyes": np.nan}),
        },
        "errors": {"ours": [0.02, 0.04, 0.08, 0.1], "mean shape": [0.2]},
        "faces": [
            {"name": "a.png", "error": 1.5, "steps": 4},
            {"name": "b.png", "error": float("nan"), "steps": 13},
        ],
        "gallery": {"Worst": [Picture("b.png", pixels)]},
        "config": {"model": {"num_steps": 5}},
        "command": "rcsr-evaluate --out=here",
    }
    return ReportData(**{**fields, **changed})


def render(path, data):
    write_report(path, data)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def text(tmp_path):
    return render(tmp_path / "report.html", full_data())


def test_the_summary_table_holds_the_numbers(text):
    head, *rows = Page(text).tables[0]
    assert head[:4] == ["Method", "Points", "Faces", "NME inter-ocular %"]
    numbers = ["224", "4.32", "6.17", "2.16", "51.23", "3.12", "4.50", "2.75"]
    assert rows[0] == ["ours", "68", *numbers]
    assert [row[:4] for row in rows[1:]] == [
        ["ours", "51", "224", "3.46"],
        ["ours", "49", "224", "3.33"],
        ["mean shape", "68", "224", "16.60"],
    ]
    assert rows[3][-2:] == ["—", "—"]  # no steps and no time


def test_the_ced_curve_goes_through_the_shares_of_faces(text):
    page = Page(text)
    ours, other, steps = (
        np.array([pair.split(",") for pair in line["points"].split()], float)
        for line in page.attributes("polyline")
    )
    left, right = ours[[0, -1], 0]
    bottom = other[0, 1]  # the other method never gets below 8 per cent
    np.testing.assert_array_equal(other[:, 1], bottom)
    middle = np.interp((left + right) / 2 + 0.1, *ours.T)  # 2 of 4 faces within 4 %
    assert (bottom - ours[-1, 1]) / (bottom - middle) == pytest.approx(1.5, abs=0.01)
    assert len(steps) == 10 and (np.diff(steps, axis=0) > 0).all()
    area = 100 * metrics.auc([0.02, 0.04, 0.08, 0.1])
    assert f"AUC {area:.2f} %, failures 25.00 %" in page.text


def test_regions_are_bars_in_proportion(text):
    page = Page(text)
    assert page.tables[1][1:] == [
        ["jaw", "ours", "6.00", ""],
        ["", "mean shape", "12.00", ""],
        ["eyes", "ours", "3.00", ""],
        ["", "mean shape", "—", ""],
    ]
    bars = [attrs["style"] for attrs in page.attributes("i") if "width" in str(attrs)]
    assert bars == ["width: 50.0%", "width: 100.0%", "width: 25.0%", "width: 0%"]


def test_every_face_command_and_config_are_listed(text):
    page = Page(text)
    assert page.tables[2] == [
        ["name", "error", "steps"],
        ["a.png", "1.50", "4"],
        ["b.png", "—", "13"],
    ]
    assert "rcsr-evaluate --out=here" in page.text
    assert '"num_steps": 5' in page.text


def test_pictures_are_inside_the_file(text):
    (image,) = Page(text).attributes("img")
    assert image["alt"] == "b.png"
    kind, encoded = image["src"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        np.testing.assert_array_equal(
            np.asarray(picture), np.arange(12).reshape(2, 2, 3)
        )


def test_nothing_is_loaded_from_elsewhere(text):
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert {"script", "link", "iframe"}.isdisjoint(tag for tag, _ in page.seen)
    policy = next(m for m in page.attributes("meta") if "http-equiv" in m)
    assert policy["content"].startswith("default-src 'none'")


def test_names_are_escaped_everywhere(tmp_path):
    evil = '<script>alert("x")</script>'
    data = full_data(
        title=evil,
        metrics={evil: summary(4.0, by_region={evil: 1.0}, by_step={1: summary(4.0)})},
        errors={evil: [0.1]},
        faces=[{evil: evil}],
        gallery={evil: [Picture(evil, np.zeros((2, 2), np.uint8))]},
        config={evil: evil},
        command=evil,
    )
    text = render(tmp_path / "report.html", data)
    page = Page(text)
    assert "<script" not in text
    assert page.text.count("<script>") >= 10
    assert page.attributes("img")[0]["alt"] == evil


def test_the_smallest_report_has_no_empty_parts(tmp_path):
    data = ReportData(title="Small", num_points=5, metrics={"ours": summary(4.0)})
    page = Page(render(tmp_path / "report.html", data))
    headings = [tag for tag, _ in page.seen if tag in ("h2", "svg", "details", "pre")]
    assert headings == ["h2"]
    assert len(page.tables) == 1 and page.tables[0][1][:2] == ["ours", "5"]


def test_faces_that_could_not_be_measured_are_mentioned(tmp_path):
    data = full_data(metrics={"ours": summary(4.0, num_measured=200)}, errors={})
    page = Page(render(tmp_path / "report.html", data))
    assert "are of 200 faces" in page.text


def test_numbers_that_are_not_finite_do_no_harm(tmp_path):
    broken = summary(np.inf, by_region={"jaw": np.inf}, by_step={1: summary(np.nan)})
    data = full_data(metrics={"ours": broken}, errors={"ours": [np.inf]})
    page = Page(render(tmp_path / "report.html", data))
    assert page.tables[0][1][3] == "∞"


@pytest.mark.parametrize(
    "value, text",
    [
        (4.005, "4.00"),
        (np.float32(2.5), "2.50"),
        (7, "7"),
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
    read = json.loads(json.dumps(data.metrics))
    again = render(tmp_path / "b.html", full_data(metrics=read))
    assert again == render(tmp_path / "a.html", data)
