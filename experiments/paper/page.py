"""One page of all results: what the runners wrote, in the paper's order.

python -m rcsr_jax.experiments.paper.page --results=DIR --out=results.md
python -m rcsr_jax.experiments.paper.page --results=DIR --out=docs/results.md --public
    # with copies of the pictures in docs/results, but of none that shows people
"""

import json
import os
from pathlib import Path

from absl import flags
from PIL import Image

from rcsr_jax.data.whole_files import write_whole

from .. import program
from .results import ORDER

_INTRODUCTION = """\
Each table or figure was made by a program of its own, by the command that stands below
it. Its budget is what training may cost: `small` fits two cores and a quarter of an hour,
so "RCSR (ours)" is the paper's network at that size and length, **not** one of the shipped
models; those have a page of their own, "Accuracy and speed". Errors are per cent of the
distance named. Published numbers are the paper's. Where faces of 300-W were not there it
says so: a set without faces has published errors alone, and the full set has ours where
it holds more than the common one.
"""


def make(folder: Path, out: Path, *, public: bool = False) -> list[str]:
    """Writes the pages of the runners below a folder as one, links and all.

    Args:
        folder: where results.json files lie, at any depth.
        out: the Markdown file.
        public: copy the pictures to a folder beside it, of its name, and leave out those
            that show people; otherwise it links to them where they are.

    Returns:
        The names of the runners that are on it.

    Raises:
        ValueError: there are none, or two of one runner.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("results.json")):
        name = json.loads(path.read_text(encoding="utf-8")).get("name")
        if name in found:
            raise ValueError(f"{found[name]} and {path.parent} both hold {name}.")
        if name in ORDER:
            found[name] = path.parent
    if not found:
        raise ValueError(f"{folder} holds no results.json of a table or figure.")
    names = [name for name in ORDER if name in found]
    out.parent.mkdir(parents=True, exist_ok=True)
    pages = []
    for name in names:
        page = (found[name] / f"{name}.md").read_text(encoding="utf-8")
        page = page.replace("# ", "## ", 1)
        if public:
            page = _published(page, found[name], out)
        else:
            where = Path(os.path.relpath(found[name], out.parent)).as_posix()
            page = page.replace("](", f"]({where}/")
        pages.append(page)
    absent = [name for name in ORDER if name not in found]
    told = f"Without results in this folder: {', '.join(absent)}.\n" if absent else ""
    text = "\n".join(
        ["# Tables and figures of the paper\n", _INTRODUCTION, told, *pages]
    )
    write_whole(out, text)
    return names


def _published(page: str, folder: Path, out: Path) -> str:
    """A runner's page with copies of its pictures beside `out`."""
    told = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    beside = out.parent / out.stem
    for name in told["pictures"]:
        if told["shows_people"]:
            line = next(line for line in page.splitlines() if f"]({name})" in line)
            page = page.replace(line, "The picture shows people: it is not published.")
            continue
        beside.mkdir(exist_ok=True)
        with Image.open(folder / name) as picture:  # a third of the bytes
            picture.convert("RGB").quantize(128).save(beside / name, optimize=True)
        page = page.replace(f"]({name})", f"]({out.stem}/{name})")
    return page


def run() -> None:
    """The program."""
    results = flags.DEFINE_string(
        "results", None, "Folder of the runners' folders.", required=True
    )
    out = flags.DEFINE_string("out", None, "The page, a .md file.", required=True)
    public = flags.DEFINE_boolean(
        "public",
        False,
        "Copy the pictures beside the page, but none that shows people.",
    )

    def main(arguments: list[str]) -> None:
        program.no_arguments(arguments)
        names = make(Path(results.value), Path(out.value), public=public.value)
        print(f"wrote {out.value}: {', '.join(names)}")

    program.run(main)


if __name__ == "__main__":
    run()
