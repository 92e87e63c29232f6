"""Table 1: the common, challenging and full test faces of 300-W.

python -m experiments.paper.table1 --budget=small --data=300W --boxes=BOXES.csv --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
python -m experiments.paper.table1 --budget=paper --data=300W --boxes=BOXES.csv --out=DIR
    # hours on a GPU
"""

from collections.abc import Mapping, Sequence
from typing import Any

from . import results
from .comparison import compare, published_row
from .study import Study, run

PUBLISHED = (
    published_row("Zhu et al.", common=8.22, challenging=18.33, full=10.20),
    published_row("DFMF", common=6.65, challenging=19.79, full=9.22),
    published_row("ESR", common=5.28, challenging=17.00, full=7.58),
    published_row("RCPR", common=6.18, challenging=17.26, full=8.35),
    published_row("SDM", common=5.57, challenging=15.40, full=7.50),
    published_row("Smith et al.", challenging=13.30),
    published_row("Zhao et al.", full=6.31),
    published_row("GN-DPM", common=5.78),
    published_row("CFAN", common=5.50),
    published_row("ERT", full=6.40),
    published_row("LBF", common=4.95, challenging=11.98, full=6.32),
    published_row("LBF fast", common=5.38, challenging=15.50, full=7.37),
    published_row("CFSS", common=4.73, challenging=9.98, full=5.76),
    published_row("CFSS Practical", common=4.79, challenging=10.92, full=5.99),
    published_row("RCFA", common=4.03, challenging=9.85, full=5.32),
    published_row("RCSR 5 recurrences", common=4.05, challenging=9.74, full=5.15),
    published_row("RCSR 10 recurrences", common=4.10, challenging=8.79, full=5.02),
    published_row("RCSR adaptive", common=4.01, challenging=8.58, full=4.90),
)


def make(study: Study) -> None:
    """Judges the paper's system on each test set and writes the table."""
    compare(
        study, "table1", title="Table 1: 300-W", published=PUBLISHED, layout=_layout
    )


def _layout(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    ours = [row for row in rows if "sets" in row]
    return [results.set_table(rows), results.set_table(ours, num_points=49)]


if __name__ == "__main__":
    run(make)
