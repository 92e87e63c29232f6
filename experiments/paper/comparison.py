"""The paper's own system beside the published rows: what Tables 1 to 3 share."""

from collections.abc import Callable, Sequence
from typing import Any

from rcsr_jax.curves import save_ced
from rcsr_jax.published import read_table

from .scoring import face_errors, judge, score, score_adaptive, with_steps
from .study import Study, finish, rcsr_model

_NORMALISER = (
    "the paper's text normalises by the outer eye corners, the rows it compares with are "
    "inter-pupil: published numbers are as printed"
)


def published_rows(number: int) -> list[dict[str, Any]]:
    """The rows of a table of the paper.

    Args:
        number: of the table.

    Returns:
        rows whose `published` holds per cent by test set of 300-W, or, for the data sets
        of Tables 2 and 3, by number of landmarks; what the paper leaves out is not there.
    """
    rows = []
    for method, results in read_table(number).items():
        told = {
            name.removeprefix("300-W ") if "300-W" in name else str(points): row.error
            for (name, points), row in results.items()
        }
        rows.append(
            {
                "method": method,
                "source": "paper",
                "normaliser": next(iter(results.values())).normaliser,
                "nme_interocular": None,
                "nme_interpupil": None,
                "published": told,
            }
        )
    return rows


def compare(
    study: Study,
    number: int,
    *,
    title: str,
    layout: Callable[[Sequence[dict[str, Any]]], list[str]],
) -> None:
    """Judges the paper's system after 5, 10 and as many steps as needed; writes the table.

    Args:
        study: the faces.
        number: of the table.
        title: of it.
        layout: tables of rows, in Markdown.
    """
    predictor = with_steps(rcsr_model(study), 10)
    found = judge(study, predictor)
    fixed = [
        score(
            study,
            f"RCSR {steps} recurrences (ours)",
            found.fixed[steps - 1],
            found,
            num_steps_mean=float(steps),
        )
        for steps in (5, 10)
    ]
    ours = [*fixed, score_adaptive(study, "RCSR adaptive (ours)", predictor, found)]
    rows = [*published_rows(number), *ours]
    name = f"table{number}"
    save_ced(
        study.out / f"{name}.png",
        {
            "5 recurrences": face_errors(found.fixed[4], found),
            "10 recurrences": face_errors(found.fixed[9], found),
            "adaptive": face_errors(found.adaptive.points, found),
        },
    )
    finish(
        study,
        name,
        title=f"Table {number}: {title}",
        rows=rows,
        tables=layout(rows),
        pictures=[f"{name}.png"],
        notes=[_NORMALISER],
    )
