"""Table 3: the test faces of LFPW, 68 and 49 landmarks.

python -m experiments.paper.table3 --budget=small --data=300W --boxes=BOXES.csv --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
python -m experiments.paper.table3 --budget=paper --data=300W --boxes=BOXES.csv --out=DIR
    # hours on a GPU
"""

from . import results
from .comparison import compare, published_row
from .study import Study, run

PUBLISHED = (
    published_row("Zhu et al.", points_68=8.29, points_49=7.78),
    published_row("DFMF", points_68=6.57),
    published_row("RCPR", points_68=6.56, points_49=5.48),
    published_row("SDM", points_68=5.67, points_49=4.47),
    published_row("GN-DPM", points_68=5.92, points_49=4.43),
    published_row("CFAN", points_68=5.44),
    published_row("CFSS", points_68=4.87, points_49=3.78),
    published_row("CFSS Practical", points_68=4.90, points_49=3.80),
    published_row("RCFA", points_68=4.74, points_49=3.69),
    published_row("RCSR adaptive", points_68=3.93, points_49=3.57),
)


def make(study: Study) -> None:
    """Judges the paper's system on these faces and writes the table."""
    compare(
        study,
        "table3",
        title="Table 3: LFPW",
        published=PUBLISHED,
        layout=lambda rows: [results.point_table(rows)],
    )


if __name__ == "__main__":
    run(make, parts=("lfpw/testset",))
