"""The report of an evaluation: one HTML file that needs nothing else.

Curves are inline SVG, pictures data URIs and the script is inside, so the file can be
mailed and opened without a network. What it looks like is in `pages/`; here are the
numbers.
"""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax import metrics
from rcsr_jax.data.whole_files import write_whole
from rcsr_jax.markup import Markup
from rcsr_jax.report import diagrams, heat, outlines, tables
from rcsr_jax.report.figures import photo_uri
from rcsr_jax.report.gallery import SIDE, GalleryFace
from rcsr_jax.version import __version__

_JPEG_QUALITY = 82


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a report shows; parts that are empty are left out.

    Attributes:
        title: the heading.
        markup: of the landmarks.
        metrics: the name of each method with its summary as in `metrics.json`; the one
            reported on comes first, then those it is compared with. Besides the numbers
            of `summaries.summarise` a summary may hold `num_steps_mean`,
            `milliseconds_per_face`, `subsets` (name -> summary), `by_region` (name ->
            per cent), `by_landmark` (per cent), `by_step` (number of steps -> summary),
            `mean_shape` (summary of the first shape), `published_sets` (name -> summary)
            and `trust` (of `trust.summarise_trust`).
        errors: the name of each method with its inter-ocular errors, float [num_faces],
            as shares and without NaN, for the CED.
        face: float [num_points, 2], an upright face for errors to be drawn on.
        faces: a row a face, column -> value, with the same columns throughout.
        gallery: faces to look at.
        refused: faces that could not be used, as (name, reason).
        config: the configuration, as JSON values.
        command: the command that made the result.
    """

    title: str
    markup: Markup
    metrics: Mapping[str, Mapping[str, Any]]
    errors: Mapping[str, ArrayLike] = dataclasses.field(default_factory=dict)
    face: ArrayLike | None = None
    faces: Sequence[Mapping[str, Any]] = ()
    gallery: Sequence[GalleryFace] = ()
    refused: Sequence[tuple[str, str]] = ()
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
        if lacking := [key for key in tables.REQUIRED if key not in summary]:
            raise ValueError(f"the metrics of {name} lack {lacking}.")
    if strangers := sorted(set(data.errors) - set(data.metrics)):
        raise ValueError(f"errors of {strangers}, which have no metrics.")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = tables.format_number
    script = _page("report.js")
    whole = next(iter(data.metrics.values()))
    face_map = _face_map(data, whole)
    page = environment.get_template("report.html.jinja").render(
        data=data,
        model=next(iter(data.metrics)),
        whole=whole,
        methods=list(data.metrics),
        version=__version__,
        style=_page("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        columns=tables.used_columns(data.metrics.values()),
        rows=tables.summary_rows(data.metrics, num_points=data.markup.num_points),
        published=tables.published(whole, num_points=data.markup.num_points),
        ced=diagrams.ced(data.errors),
        ced_notes={
            name: tables.ced_note(errors) for name, errors in data.errors.items()
        },
        limits=tables.LIMITS,
        within={
            name: 100 * metrics.ced(errors, thresholds=tables.LIMITS)
            for name, errors in data.errors.items()
        },
        steps=diagrams.steps(data.metrics),
        regions=tables.regions(data.metrics),
        face_map=face_map,
        reliability=diagrams.reliability(whole),
        risk=diagrams.risk(whole),
        cards=[_card(face, data.markup) for face in data.gallery],
        side=SIDE,
        listed=tables.listed(data.faces),
        config=json.dumps(data.config, indent=2, default=str),
        page_data=_script_json(
            {
                "outlines": data.markup.outlines,
                "faces": [_face_values(face) for face in data.gallery],
                "heat": face_map.states if face_map else [],
            }
        ),
    )
    write_whole(Path(path), page)


def _page(name: str) -> str:
    return resources.files(__package__).joinpath("pages", name).read_text("utf-8")


def _face_map(data: ReportData, whole: Mapping[str, Any]) -> heat.FaceMap | None:
    """The errors of the landmarks from the first shape to the last."""
    if data.face is None or "by_landmark" not in whole:
        return None
    states = {
        f"after {step} step{'s' if step != '1' else ''}": numbers["by_landmark"]
        for step, numbers in whole.get("by_step", {}).items()
        if "by_landmark" in numbers
    }
    if "by_landmark" in (first := whole.get("mean_shape", {})):
        states = {"first shape": first["by_landmark"], **states}
    states["adaptive" if states else "all steps"] = whole["by_landmark"]
    return heat.face_map(data.face, states, markup=data.markup)


def _card(face: GalleryFace, markup: Markup) -> dict[str, Any]:
    """What the page shows of a face before its script runs: the last shape."""
    points = face.shapes[-1]
    return {
        "face": face,
        "picture": photo_uri(face.image, quality=_JPEG_QUALITY),
        "truth": outlines.dots(face.truth),
        "truth_lines": outlines.lines(face.truth, markup=markup),
        "points": outlines.dots(points),
        "point_lines": outlines.lines(points, markup=markup),
        "ellipses": outlines.ellipses(points, face.ellipses),
        "error": float(face.errors[-1]),
    }


def _face_values(face: GalleryFace) -> dict[str, Any]:
    return {
        "name": face.name,
        "groups": face.groups,
        "truth": _numbers(face.truth),
        "shapes": _numbers(face.shapes),
        "errors": _numbers(face.errors, digits=2),
        "expected": _numbers(face.ellipses),
        "score": _numbers(np.asarray(face.score), digits=4),
    }


def _numbers(values: np.ndarray, *, digits: int = 1) -> Any:
    """Nested lists, null for what is not finite."""
    rounded = np.round(np.asarray(values, np.float64), digits)
    unknown = np.full((), None, object)
    return np.where(np.isfinite(rounded), rounded.astype(object), unknown).tolist()


def _script_json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
