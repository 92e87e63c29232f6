"""Changes a module in many small ways and counts the changes that its tests notice.

pip install cosmic-ray, beside the package and its tests, then
python tests/mutation/mutants.py metrics out/mutants       # or geometry, losses, patches

A copy of the package in the folder is what is changed. Places are drawn at random (seed
0), each with one change drawn from those that cosmic-ray knows for it; annotations and
the raising of errors, whose texts are nobody's promise, are left out. Changes that
survive are printed; the folder keeps the outcome of all of them in MODULE.sqlite. With
--again only those that survived are tried once more, on new tests for an old module.
"""

import argparse
import ast
import collections
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkerOutcome, WorkItem, WorkResult

ROOT = Path(__file__).parents[2]
# besides MODULE_test.py
MORE_TESTS = {"patches": ["portable"]}


def copy_package(folder: Path) -> Path:
    """A copy of the package and its tests, which are compiled once for all changes."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("rcsr_jax", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    shutil.copy(ROOT / "setup.cfg", copy)
    conftest = copy / "tests/conftest.py"
    text = conftest.read_text()
    assert 'compile_time_secs", 0.5' in text
    conftest.write_text(
        text.replace('compile_time_secs", 0.5', 'compile_time_secs", 0')
    )
    return copy


def left_out(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations, aliases of types and raised errors start and end."""
    found: list[ast.expr | ast.stmt | None] = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            found.append(node)
        elif isinstance(node, ast.FunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
    found += [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp)
    ]
    return [
        (
            (node.lineno, node.col_offset),
            (node.end_lineno or 0, node.end_col_offset or 0),
        )
        for node in found
        if node is not None
    ]


def draw(items: list[WorkItem], source: str, number: int, seed: int) -> set[str]:
    """The jobs of `number` changes: one for each place, then a second for each."""
    passed_over = left_out(source)
    places = collections.defaultdict(list)
    for item in items:
        (change,) = item.mutations
        start = tuple(change.start_pos)
        if any(low <= start < high for low, high in passed_over):
            continue
        kind = change.operator_name.split("_")[0]
        places[start, kind].append(
            (change.operator_name, change.occurrence, item.job_id)
        )
    generator = random.Random(seed)
    shuffled = [
        generator.sample(sorted(places[place]), len(places[place]))
        for place in generator.sample(sorted(places), len(places))
    ]
    print(len(shuffled), "places,", sum(map(len, shuffled)), "changes")
    depth = max(map(len, shuffled))
    in_turn = [each[n] for n in range(depth) for each in shuffled if n < len(each)]
    return {job for *_, job in in_turn[:number]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="for one change")
    parser.add_argument("--python", default=sys.executable, help="that has the package")
    parser.add_argument("--again", action="store_true", help="survivors of before only")
    options = parser.parse_args()
    folder = options.folder.resolve()
    copy = copy_package(folder)
    config, session = folder / f"{options.module}.toml", f"{options.module}.sqlite"
    tests = [options.module, *MORE_TESTS.get(options.module, [])]
    command = [options.python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "no:xdist", f"--basetemp={folder / 'scratch'}"]
    command += [f"tests/{name}_test.py" for name in tests]
    config.write_text(
        "[cosmic-ray]\n"
        f'module-path = "rcsr_jax/{options.module}.py"\n'
        f"timeout = {options.seconds}\n"
        "excluded-modules = []\n"
        f'test-command = "{" ".join(command)}"\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    environment = {**os.environ, "PYTHONPATH": str(copy)}

    def cosmic_ray(*arguments: str | Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "cosmic_ray.cli", *arguments],
            cwd=copy,
            env=environment,
            check=True,
        )

    subprocess.run(command, cwd=copy, env=environment, check=True)  # as it is
    if options.again:
        forget_survivors(folder / session)
    else:
        cosmic_ray("init", "--force", config, folder / session)
        source = (copy / f"rcsr_jax/{options.module}.py").read_text()
        with use_db(str(folder / session), WorkDB.Mode.open) as jobs:
            items = list(jobs.work_items)
            chosen = draw(items, source, options.number, options.seed)
            jobs.set_multiple_results(
                [item.job_id for item in items if item.job_id not in chosen],
                WorkResult(worker_outcome=WorkerOutcome.SKIPPED),
            )
    cosmic_ray("exec", config, folder / session)
    report(folder / session)


def forget_survivors(session: Path) -> None:
    """Marks the surviving changes as not yet tried."""
    with sqlite3.connect(session) as table:
        table.execute("delete from work_results where test_outcome = 'SURVIVED'")


def report(session: Path) -> None:
    with use_db(str(session), WorkDB.Mode.open) as jobs:
        tried = [
            result
            for _, result in jobs.results
            if result.worker_outcome != WorkerOutcome.SKIPPED
        ]
    survived = [result for result in tried if not result.is_killed]
    for result in survived:
        print(result.diff)
    late = sum(result.output == "timeout" for result in tried)
    killed = len(tried) - len(survived)
    print(f"{killed} of {len(tried)} killed, {late} of them by the time limit")


if __name__ == "__main__":
    main()
