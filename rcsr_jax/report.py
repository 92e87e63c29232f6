"""The report of an evaluation: one HTML file that needs nothing else.

Curves are inline SVG and pictures are data URIs, so the file can be mailed and opened
without a network. Layout and colours are in `report.html.jinja`; here are the numbers.
"""

import base64
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from PIL import Image

from rcsr_jax import metrics

_COLUMNS = {
    "num_faces": "Faces",
    "nme_interocular": "NME inter-ocular %",
    "nme_interpupil": "NME inter-pupil %",
    "nme_box": "NME box %",
    "auc_08": "AUC %",
    "failure_rate_08": "Failures %",
    "num_steps_mean": "Steps",
    "milliseconds_per_face": "ms / face",
}
_REQUIRED = tuple(_COLUMNS)[:6]


class Picture(NamedTuple):
    """One picture of the gallery.

    Attributes:
        caption: what stands below it.
        image: uint8 [height, width] or [height, width, 3].
    """

    caption: str
    image: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a report shows; parts that are empty are left out.

    Attributes:
        title: the heading.
        num_points: how many landmarks a face has.
        metrics: the name of each method with its summary as in `metrics.json`; the one
            reported on comes first, then those it is compared with. Besides the numbers
            of `metrics.summarise` a summary may hold `num_steps_mean`,
            `milliseconds_per_face`, `subsets` (name -> summary), `by_region` (name ->
            per cent) and `by_step` (number of steps -> summary).
        errors: the name of each method with its inter-ocular errors, float [num_faces],
            as shares and without NaN, for the CED.
        faces: a row a face, column -> value, with the same columns throughout.
        gallery: the heading of each group of pictures (best, worst, ...) with them.
        config: the configuration, as JSON values.
        command: the command that made the result.
    """

    title: str
    num_points: int
    metrics: Mapping[str, Mapping[str, Any]]
    errors: Mapping[str, ArrayLike] = dataclasses.field(default_factory=dict)
    faces: Sequence[Mapping[str, Any]] = ()
    gallery: Mapping[str, Sequence[Picture]] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    command: str = ""


def write_report(path: str | Path, data: ReportData) -> None:
    """Writes the report as one HTML file.

    Args:
        path: where to.
        data: what it shows.

    Raises:
        ValueError: there are no metrics, a summary lacks a number, or the errors are
            of a method without metrics or not those of a CED.
    """
    if not data.metrics:
        raise ValueError("a report needs the metrics of at least one method.")
    for name, summary in data.metrics.items():
        if lacking := [key for key in _REQUIRED if key not in summary]:
            raise ValueError(f"the metrics of {name} lack {lacking}.")
    if strangers := sorted(set(data.errors) - set(data.metrics)):
        raise ValueError(f"errors of {strangers}, which have no metrics.")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    environment.filters["data_uri"] = _data_uri
    source = resources.files(__package__).joinpath("report.html.jinja")
    page = environment.from_string(source.read_text(encoding="utf-8")).render(
        data=data,
        model=next(iter(data.metrics)),
        methods=list(data.metrics),
        columns=_used_columns(data.metrics.values()),
        rows=_summary_rows(data),
        ced=_ced_chart(data.errors),
        ced_notes={name: _ced_note(errors) for name, errors in data.errors.items()},
        steps=_step_chart(data.metrics),
        regions=_regions(data.metrics),
        config=json.dumps(data.config, indent=2, default=str),
    )
    Path(path).write_text(page, encoding="utf-8")


def format_number(value: Any) -> str:
    """A cell of a table: two decimals for a float, a dash for what is not known."""
    if value is None:
        return "—"
    if not isinstance(value, float | np.floating):
        return str(value)
    if math.isnan(value):
        return "—"
    return f"{value:.2f}" if math.isfinite(value) else "∞"


class _Tick(NamedTuple):
    position: float
    label: str


class _Line(NamedTuple):
    method: str
    points: list[tuple[float, float]]


class _Chart(NamedTuple):
    """Curves and ticks as shares of the axes, 0 to 1 from the lower left corner."""

    lines: list[_Line]
    x_ticks: list[_Tick]
    y_ticks: list[_Tick]


def _chart(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
) -> _Chart:
    def unit(values: ArrayLike, ticks: Sequence[float]) -> list[float]:
        extent = ticks[-1] - ticks[0]
        return ((np.asarray(values) - ticks[0]) / extent).tolist()

    def ticked(ticks: Sequence[float]) -> list[_Tick]:
        places = unit(ticks, ticks)
        return [
            _Tick(at, f"{value:g}") for at, value in zip(places, ticks, strict=True)
        ]

    lines = [
        _Line(name, list(zip(unit(x, x_ticks), unit(y, y_ticks), strict=True)))
        for name, (x, y) in curves.items()
    ]
    return _Chart(lines, ticked(x_ticks), ticked(y_ticks))


def _ced_chart(errors: Mapping[str, ArrayLike]) -> _Chart | None:
    if not errors:
        return None
    thresholds = np.linspace(0, metrics.DEFAULT_LIMIT, 161)
    curves = {
        name: (100 * thresholds, 100 * metrics.ced(values, thresholds=thresholds))
        for name, values in errors.items()
    }
    limit = round(100 * metrics.DEFAULT_LIMIT)
    return _chart(curves, x_ticks=range(limit + 1), y_ticks=range(0, 101, 20))


def _ced_note(errors: ArrayLike) -> str:
    area, failed = metrics.auc(errors), metrics.failure_rate(errors)
    return f"AUC {100 * area:.2f} %, failures {100 * failed:.2f} %"


def _step_chart(summaries: Mapping[str, Mapping[str, Any]]) -> _Chart | None:
    curves = {}
    for name, summary in summaries.items():
        by_step = {
            int(step): numbers["nme_interocular"]
            for step, numbers in summary.get("by_step", {}).items()
        }
        steps = [step for step in sorted(by_step) if math.isfinite(by_step[step])]
        if steps:
            curves[name] = (np.array(steps), np.array([by_step[s] for s in steps]))
    if not curves:
        return None
    last = max(x.max() for x, _ in curves.values())
    highest = max(y.max() for _, y in curves.values())
    return _chart(
        curves,
        x_ticks=MaxNLocator(8, integer=True).tick_values(0, max(last, 1)),
        y_ticks=MaxNLocator(6).tick_values(0, max(highest, 1)),
    )


def _used_columns(summaries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    used = {key for summary in summaries for key in summary}
    return {key: title for key, title in _COLUMNS.items() if key in used}


def _summary_rows(data: ReportData) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Method, number of landmarks and summary of each row of the first table."""
    return [
        (method, points, summary)
        for method, whole in data.metrics.items()
        for points, summary in {
            str(data.num_points): whole,
            **whole.get("subsets", {}),
        }.items()
    ]


def _regions(summaries: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each region and method, with the length of its bar, 0 to 1."""
    rows = [
        {"region": region, "method": method, "error": error}
        for method, summary in summaries.items()
        for region, error in summary.get("by_region", {}).items()
    ]
    order = list(dict.fromkeys(row["region"] for row in rows))
    finite = [row["error"] for row in rows if math.isfinite(row["error"])]
    longest = max(finite, default=0) or 1
    for row in rows:
        known = math.isfinite(row["error"])
        row["share"] = row["error"] / longest if known else 0
    return sorted(rows, key=lambda row: order.index(row["region"]))


def _data_uri(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
