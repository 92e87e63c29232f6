"""Table 2: the test faces of HELEN, 68 and 49 landmarks.

python -m experiments.paper.table2 --budget=small --data=300W --boxes=BOXES.csv --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
python -m experiments.paper.table2 --budget=paper --data=300W --boxes=BOXES.csv --out=DIR
    # hours on a GPU
"""

from . import results
from .comparison import compare, published_row
from .study import Study, run

PUBLISHED = (
    published_row("Zhu et al.", points_68=8.16, points_49=7.43),
    published_row("DFMF", points_68=6.70),
    published_row("RCPR", points_68=5.93, points_49=4.64),
    published_row("SDM", points_68=5.50, points_49=4.25),
    published_row("GN-DPM", points_68=5.69, points_49=4.06),
    published_row("CFAN", points_68=5.53),
    published_row("CFSS", points_68=4.63, points_49=3.47),
    published_row("CFSS Practical", points_68=4.72, points_49=3.50),
    published_row("RCFA", points_68=4.65, points_49=3.45),
    published_row("RCSR adaptive", points_68=4.16, points_49=3.13),
)


def make(study: Study) -> None:
    """Judges the paper's system on these faces and writes the table."""
    compare(
        study,
        "table2",
        title="Table 2: HELEN",
        published=PUBLISHED,
        layout=lambda rows: [results.point_table(rows)],
    )


if __name__ == "__main__":
    run(make, parts=("helen/testset",))
