"""The diagrams of an evaluation, made from what `metrics.json` holds.

Each is None where the summaries do not hold its numbers.
"""

import functools
import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax import metrics
from rcsr_jax.report.charts import Chart, Curve, chart, round_ticks

Summary = Mapping[str, Any]


def number(value: Any) -> float:
    """A number as it comes back from a JSON file, where NaN is null."""
    return math.nan if value is None else float(value)


def ced(errors: Mapping[str, ArrayLike]) -> Chart | None:
    """The share of faces within each error, both in per cent.

    Args:
        errors: the name of each method with its errors, float [num_faces], as shares.
    """
    thresholds = np.linspace(0, metrics.DEFAULT_LIMIT, 161)
    return chart(
        {
            name: (100 * thresholds, 100 * metrics.ced(values, thresholds=thresholds))
            for name, values in errors.items()
        },
        x_ticks=range(round(100 * metrics.DEFAULT_LIMIT) + 1),
        y_ticks=range(0, 101, 20),
    )


def steps(summaries: Mapping[str, Summary]) -> Chart | None:
    """The error by the number of steps, of methods and of the first one's regions.

    A dot lies where the faces of a method stop by themselves.

    Args:
        summaries: the name of each method with its summary.
    """
    stepwise = {name: s for name, s in summaries.items() if s.get("by_step")}
    curves = {
        name: _by_step(summary, "nme_interocular") for name, summary in stepwise.items()
    }
    first = next(iter(stepwise.values()), {})
    if all("by_region" in numbers for numbers in first.get("by_step", {}).values()):
        for region in first.get("by_region", {}):
            curves[region] = _by_step(first, "by_region", region)
    return chart(
        curves,
        dots={
            name: (number(s["num_steps_mean"]), number(s["nme_interocular"]))
            for name, s in stepwise.items()
            if "num_steps_mean" in s
        },
        whole_x=True,
    )


def reliability(summary: Summary) -> Chart | None:
    """The true error of landmarks by the error that was expected of them."""
    found = summary.get("trust", {}).get("reliability")
    if not found:
        return None
    actual = [number(value) for value in found["actual"]]
    end = max([*found["expected"], *filter(math.isfinite, actual)])
    ticks = round_ticks([end], count=6)
    return chart(
        {
            "true error": (found["expected"], actual),
            "as expected": ([0, end], [0, end]),
        },
        x_ticks=ticks,
        y_ticks=ticks,
    )


def risk(summary: Summary) -> Chart | None:
    """The error of the faces that are kept, by their share."""
    found = summary.get("trust", {}).get("risk_coverage")
    if not found:
        return None
    coverage, last = found["coverage"], found["risk"][-1]
    return chart(
        {
            "kept by score": (coverage, found["risk"]),
            "kept at random": ([coverage[0], 100], [last, last]),
            "kept by true error": (coverage, found["risk_of_best_order"]),
        },
        x_ticks=range(0, 101, 20),
    )


def _by_step(summary: Summary, *keys: str) -> Curve:
    """What lies under these keys, by the number of steps."""
    found = {
        int(step): number(functools.reduce(operator.getitem, keys, numbers))
        for step, numbers in summary["by_step"].items()
    }
    return sorted(found), [found[step] for step in sorted(found)]
