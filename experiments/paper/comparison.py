"""The paper's own system beside the published rows: what Tables 1 to 3 share."""

from collections.abc import Callable, Sequence
from typing import Any

from rcsr_jax.curves import save_ced

from .scoring import face_errors, judge, score, score_adaptive, with_steps
from .study import Study, finish, rcsr_model

_NORMALISER = (
    "the paper's text normalises by the outer eye corners, the rows it compares with are "
    "inter-pupil: published numbers are as printed"
)


def published_row(method: str, **errors: float) -> dict[str, Any]:
    """A row of the paper's table: per cent, by an unsettled normaliser.

    Args:
        method: as the paper calls it.
        errors: by test set, or by number of landmarks as `points_68`; what the paper
            leaves out is not there.
    """
    told = {name.removeprefix("points_"): error for name, error in errors.items()}
    return {
        "method": method,
        "source": "paper",
        "nme_interocular": None,
        "nme_interpupil": told.get("full", told.get("68")),
        "published": told,
    }


def compare(
    study: Study,
    name: str,
    *,
    title: str,
    published: Sequence[dict[str, Any]],
    layout: Callable[[Sequence[dict[str, Any]]], list[str]],
) -> None:
    """Judges the paper's system after 5, 10 and as many steps as needed; writes the table.

    Args:
        study: the faces.
        name: of the runner.
        title: of the table.
        published: its rows in the paper.
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
    rows = [*published, *ours]
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
        title=title,
        rows=rows,
        tables=layout(rows),
        pictures=[f"{name}.png"],
        notes=[_NORMALISER],
    )
