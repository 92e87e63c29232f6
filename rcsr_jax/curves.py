"""Curves of errors: over faces, steps, updates, times and disturbances.

They are drawn without a display and without Matplotlib's global state.
Colours are from the Okabe-Ito set, which stays apart under every common colour blindness.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from rcsr_jax import metrics

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_CURVES = (*COLOURS, "#000000")
_ERROR = "NME, inter-ocular (%)"
_HIGHEST = 4  # times the least error: where the scale of disturbed errors ends


def save_ced(
    path: str | Path,
    curves: Mapping[str, ArrayLike],
    *,
    limit: float = metrics.DEFAULT_LIMIT,
) -> None:
    """Saves cumulative error distributions, with AUC and failure rate in the legend.

    Args:
        path: where to; the ending (.png, .svg, .pdf) says the format.
        curves: the name of each method with its errors, float [num_faces], as shares.
        limit: the largest error shown, also that of AUC and failure rate.

    Raises:
        ValueError: as for `metrics.ced`, or there are no curves.
    """
    _check_curves(curves)
    thresholds = np.linspace(0, limit, 401)
    figure, axes = _axes()
    for colour, (name, errors) in _coloured(curves):
        area = 100 * metrics.auc(errors, limit=limit)
        failed = 100 * metrics.failure_rate(errors, limit=limit)
        axes.plot(
            100 * thresholds,
            100 * metrics.ced(errors, thresholds=thresholds),
            color=colour,
            label=f"{name}: AUC {area:.1f} %, failures {failed:.1f} %",
        )
    axes.set(
        xlim=(0, 100 * limit),
        ylim=(0, 100),
        xlabel="normalised error (%)",
        ylabel="faces within the error (%)",
    )
    _legend_below(figure, axes, columns=1)
    figure.savefig(path)


def save_convergence(
    path: str | Path,
    curves: Mapping[str, Mapping[int, float]],
    *,
    label: str = _ERROR,
    level: tuple[str, float] | None = None,
    logarithmic: bool = False,
) -> None:
    """Saves the error by the number of refinement steps.

    Args:
        path: where to; the ending (.png, .svg, .pdf) says the format.
        curves: the name of each method with its error after each number of steps.
        label: what the error is.
        level: name and height of a dashed line across, such as a threshold.
        logarithmic: whether heights are: for what falls by powers of ten.

    Raises:
        ValueError: there are no curves, or one is empty.
    """
    _check_curves(curves)
    figure, axes = _axes()
    _draw_level(axes, level)
    _draw_lines(axes, {name: sorted(curve.items()) for name, curve in curves.items()})
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="steps", ylabel=label)
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    figure.savefig(path)


def save_learning(
    path: str | Path,
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    level: tuple[str, float] | None = None,
) -> None:
    """Saves validation errors by updates and by processor time, on logarithmic scales.

    Args:
        path: where to; the ending (.png, .svg, .pdf) says the format.
        curves: the name of each model -> `updates`, `cpu_seconds` and `nme_interocular`
            of each look at it.
        level: name and height of a dashed line across, such as a model without updates.

    Raises:
        ValueError: there are no curves, or one is empty.
    """
    _check_curves(curves)
    figure = Figure(figsize=(9.6, 4.8), dpi=150, layout="constrained")
    panels = {"updates": "updates", "cpu_seconds": "seconds of processor time"}
    both = figure.subplots(1, len(panels), sharey=True)
    for axes, (across, told) in zip(both, panels.items(), strict=True):
        _draw_level(axes, level)
        lines = {
            name: [(point[across], point["nme_interocular"]) for point in curve]
            for name, curve in curves.items()
        }
        _draw_lines(axes, lines)
        axes.set(xscale="log", yscale="log", xlabel=told)
        for axis, subs in (
            (axes.xaxis, (1, 2, 5)),
            (axes.yaxis, (1, 1.5, 2, 3, 4, 5, 6, 8)),
        ):
            plain_ticks(axis, subs=subs)
        _tidy(axes)
    both[0].set_ylabel("validation NME, inter-ocular (%)")
    _legend_below(figure, both[0], columns=2)
    figure.savefig(path)


def save_trade_off(
    path: str | Path,
    series: Mapping[str, Mapping[str, tuple[float, float]]],
) -> None:
    """Saves errors against times, a dot for each model, with a logarithmic time axis.

    Args:
        path: where to; the ending (.png, .svg, .pdf) says the format.
        series: the name of each series -> what is written beside a dot -> milliseconds
            per face, and error.

    Raises:
        ValueError: there are no series, or one is empty.
    """
    _check_curves(series)
    figure, axes = _axes()
    for colour, (name, models) in _coloured(series):
        times, errors = zip(*models.values(), strict=True)
        axes.plot(times, errors, "o", color=colour, label=name)
        for model, place in models.items():
            axes.annotate(
                model, place, xytext=(4, 4), textcoords="offset points", color=colour
            )
    axes.set(xscale="log", xlabel="milliseconds per face", ylabel=_ERROR)
    axes.legend(frameon=False)
    figure.savefig(path)


def save_sweeps(
    path: str | Path,
    panels: Mapping[str, Mapping[str, Mapping[float, float]]],
) -> None:
    """Saves the error under growing disturbances, a panel for each kind of them.

    Args:
        path: where to; the ending (.png, .svg, .pdf) says the format.
        panels: what is disturbed -> the name of each model -> value -> error. The panels
            share one scale, which ends at four times the least error: beyond, curves
            leave the picture.

    Raises:
        ValueError: there are no panels, or one has no curve or an empty one.
    """
    if not panels:
        raise ValueError("expected panels with curves; got none.")
    figure = Figure(figsize=(8.6, 6.4), dpi=150, layout="constrained")
    columns = 1 if len(panels) == 1 else 2
    grid = figure.subplots(
        math.ceil(len(panels) / columns), columns, sharey=True, squeeze=False
    )
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    drawn = []
    for axes, (what, curves) in zip(grid.flat, panels.items(), strict=False):
        _check_curves(curves)
        _draw_lines(
            axes, {name: sorted(curve.items()) for name, curve in curves.items()}
        )
        drawn += [error for curve in curves.values() for error in curve.values()]
        axes.set_xlabel(what)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        _tidy(axes)
    for axes in grid[:, 0]:
        axes.set_ylabel(_ERROR)
    # a model that has lost the face altogether must not flatten all the rest
    known = np.array(drawn)[np.isfinite(drawn)]
    if known.size:
        grid.flat[0].set_ylim(0, min(1.05 * known.max(), _HIGHEST * known.min()) or 1)
    grid.flat[0].legend(frameon=False)
    figure.savefig(path)


def plain_ticks(axis: Axis, *, subs: Sequence[float]) -> None:
    """Labels a logarithmic axis with plain numbers.

    Args:
        axis: of a chart.
        subs: multiples of each power of ten that get a label.
    """
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def draw_line(
    axes: Axes,
    line: Sequence[tuple[float, float]],
    *,
    label: str,
    color: str,
    style: str = "o-",
) -> None:
    """Draws a line through points, each with its mark.

    Args:
        axes: of a chart.
        line: (x, y) of the points.
        label: its name in the legend.
        color: of it.
        style: of Matplotlib: the mark, and the line.
    """
    axes.plot(*zip(*line, strict=True), style, color=color, label=label, markersize=4)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    _tidy(axes)
    return figure, axes


def _legend_below(figure: Figure, axes: Axes, *, columns: int) -> None:
    """Names beside no curve: many of them would hide what they name."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=columns, frameon=False
    )


def _tidy(axes: Axes) -> None:
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_lines(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for colour, (name, line) in _coloured(lines):
        draw_line(axes, line, color=colour, label=name)


def _draw_level(axes: Axes, level: tuple[str, float] | None) -> None:
    if level is not None:
        axes.axhline(level[1], color="0.4", linestyle="--", label=level[0])


def _coloured(curves: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """The curves, each with its colour before it."""
    return zip(itertools.cycle(_CURVES), curves.items(), strict=False)


def _check_curves(curves: Mapping) -> None:
    if not curves or not all(len(curve) for curve in curves.values()):
        raise ValueError(f"expected curves with values; got {dict(curves)}.")
