"""The picture of a benchmark: time per face by the number of faces in a call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rcsr_jax.curves import COLOURS, draw_line, plain_ticks

_STYLES = {"planes": "-", "patches": "--"}

Rows = Sequence[dict[str, Any]]


def save_chart(
    path: str | Path, rows: Rows, *, one_core: Rows, ours: str, num_steps: int
) -> None:
    """Saves lines for our presets and orders, and a level line for each peer.

    Args:
        path: where to; the ending (.png, .svg, .pdf) says the format.
        rows: of prediction, as in the JSON file.
        one_core: the same on one core; may be empty.
        ours: the name of our rows; another name with a preset is not drawn.
        num_steps: recurrences of the rows that are drawn.
    """
    figure = Figure(figsize=(7.5, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    presets = list(dict.fromkeys(row["preset"] for row in rows if row["preset"]))
    colours = {
        name: COLOURS[index % len(COLOURS)] for index, name in enumerate(presets)
    }
    mine = [r for r in rows if r["name"] == ours and r["num_steps"] == num_steps]
    alone = [r for r in one_core if r["name"] == ours and r["num_steps"] == num_steps]
    for name, colour in colours.items():
        for sampling, style in _STYLES.items():
            told = f"{name}, {sampling}"
            if line := _of(mine, name, sampling):
                draw_line(axes, line, style=f"o{style}", color=colour, label=told)
            if line := _of(alone, name, sampling):
                told += ", one core"
                draw_line(axes, line, style="^:", color=colour, label=told)
    peers = {row["name"]: row for row in [*rows, *one_core] if not row["preset"]}
    for index, (name, row) in enumerate(peers.items()):
        grey = str(0.5 * index / len(peers))
        level = row["milliseconds_per_face"]
        axes.axhline(level, color=grey, linestyle="-.", linewidth=1.2)
        axes.plot(
            [1], [level], "*", color=grey, markersize=11, label=f"{name}, one core"
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    batches = sorted({row["batch"] for row in mine})
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.xaxis.set_minor_locator(NullLocator())
    plain_ticks(axes.yaxis, subs=(1, 1.5, 2, 3, 4, 5, 6, 8))
    axes.set(
        xlabel="faces per call",
        ylabel="milliseconds per face",
        title=f"Landmarks of a face, {num_steps} steps",
    )
    axes.grid(which="major", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5)
    )
    figure.savefig(path)


def _of(rows: Rows, name: str, sampling: str) -> list[tuple[int, float]]:
    return sorted(
        (row["batch"], row["milliseconds_per_face"])
        for row in rows
        if (row["preset"], row["sampling"]) == (name, sampling)
    )
