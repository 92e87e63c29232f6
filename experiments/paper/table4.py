"""Table 4: every recurrent and convolutional combination, trained on the same faces.

python -m rcsr_jax.experiments.paper.table4 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # 10 to 15 minutes on two free cores
python -m rcsr_jax.experiments.paper.table4 --budget=paper --data=300W --boxes=BOXES.csv
    --out=DIR
    # about a day on a GPU, of which FAUC takes most (counted, not measured)

The linear regressor has a closed form; the others are settings of one model, trained by one
loop for the same number of updates and judged with their own measured stopping rule.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rcsr_jax.curves import save_ced, save_learning
from rcsr_jax.inference import Predictor

from ..markdown import table
from . import results
from .budgets import DESCENT, RCSR, SYSTEMS
from .comparison import published_rows
from .descent import judge_descent
from .learning import Point, read_learning
from .scoring import face_errors, judge, score_adaptive
from .study import Study, finish, model_folder, rcsr_model, run, train_model

LONGER = f"{RCSR}, longer"
_LOOKS = 5  # at the held-out faces while a system is trained


def make(study: Study) -> None:
    """Trains the six systems; writes the table, error distributions, learning curves."""
    row, points, found = judge_descent(study)
    rows, errors, learned = [row], {DESCENT: face_errors(points, found)}, {}
    level = (f"{DESCENT}, in closed form", row["nme_validation"])

    def add(name: str, predictor: Predictor, folder: Path) -> None:
        judged = judge(study, predictor)
        row = score_adaptive(study, name, predictor, judged)
        row["learning"] = read_learning(folder)
        rows.append(row)
        errors[name] = face_errors(judged.adaptive.points, judged)
        if row["learning"]:
            learned[name] = row["learning"]

    for name, structure in SYSTEMS.items():
        changes = {
            **structure,
            **study.budget.systems.get(name, {}),
            "num_updates": study.budget.system_updates,
            "eval_every": max(study.budget.system_updates // _LOOKS, 1),
        }
        folder = name.lower().replace(" ", "_").replace("_+_", "_")
        predictor = train_model(study, folder, changes)
        add(name, predictor, model_folder(study, folder))
    for row, published in zip(rows, published_rows(4), strict=True):
        row["published"] = published["published"]
    if study.checkpoint:
        add(LONGER, rcsr_model(study), Path(study.checkpoint))
    save_ced(study.out / "table4.png", errors)
    pictures = ["table4.png"]
    if learned:  # not where finished models were found that have no curve
        pictures.append("table4_learning.png")
        save_learning(study.out / pictures[-1], learned, level=level)
    finish(
        study,
        "table4",
        title="Table 4: recurrent and convolutional architectures",
        rows=rows,
        tables=[
            results.set_table(rows),
            results.set_table(rows, num_points=49),
            _cost_table(rows),
        ],
        pictures=pictures,
        notes=_notes(study),
    )


def _cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    header = [
        "Method",
        "steps",
        "parameters",
        "ms per face",
        "updates",
        "CPU s",
        "validation",
    ]
    longer: Sequence[Point] = next(
        (row["learning"] for row in rows if row["method"] == LONGER), ()
    )
    if longer:
        header.append(f"{RCSR} in that time")
    lines = []
    for row in rows:
        last = (row.get("learning") or [{}])[-1]
        error = last.get("nme_interocular", row.get("nme_validation"))
        by_then = [_error_at(longer, last.get("cpu_seconds", 0))] if longer else []
        lines.append(
            (
                row["method"],
                row["num_steps_mean"],
                row["parameters"],
                row["milliseconds_per_face"],
                _whole(last.get("updates")),
                _whole(last.get("cpu_seconds")),
                error,
                *by_then,
            )
        )
    return table(header, lines)


def _error_at(learning: Sequence[Point], seconds: float) -> float | None:
    """The validation error that a run had after so much processor time, per cent."""
    before = [point for point in learning if point["cpu_seconds"] <= seconds]
    return before[-1]["nme_interocular"] if before else None


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _notes(study: Study) -> list[str]:
    budget = study.budget
    told = [
        f"each trained system had {budget.system_updates} updates of "
        f"{study.run.train.batch_size} faces, supervised descent {budget.views} views of "
        "each face; CPU s is what training took, in this run or an earlier one"
    ]
    if study.checkpoint:
        told.append(
            f"the last row is {study.checkpoint}: the same faces and crops, more updates; "
            "in that time: its validation error after the processor time of the row"
        )
    return told


if __name__ == "__main__":
    run(make, several=True)
