"""What rcsr-predict tells at its end of all photos and videos, here and in summary.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .inputs import Input
from .results import Results
from .video_results import Counts


def conclude(
    results: Results,
    done: Sequence[Input],
    failed: Mapping[str, str],
    *,
    num_before: int,
    videos: Mapping[Input, Counts],
    passed_over: Mapping[str, int],
    min_score: float,
) -> Path:
    """Writes faces.csv and summary.json, and says of the photos what became of them.

    Args:
        results: of the photos.
        done: photos whose results are there.
        failed: names of the others and of videos that failed, and why.
        num_before: how many of the photos were done before this run.
        videos: whose results are there.
        passed_over: files of folders, by suffix: how many.
        min_score: of the faces that are kept.

    Returns:
        Where summary.json is.
    """
    counts = results.write_table(done)
    num_left_out = results.num_left_out(done) if min_score else 0
    blank = [photo.name for photo, count in zip(done, counts, strict=True) if not count]
    path = results.write_summary(
        {
            "photos_done": len(done),
            "of_these_done_before": num_before,
            "faces": sum(counts),
            "faces_left_out": num_left_out,
            "without_a_face": blank,
            "videos": {video.name: told._asdict() for video, told in videos.items()},
            "passed_over": dict(passed_over),
            "failed": dict(failed),
        }
    )
    if done or not videos:  # a run of videos alone has told of each
        told = f"{sum(counts)} faces in {len(done)} photos"
        if num_before:
            told += f", {num_before} of them done before"
        if blank:
            told += f", {len(blank)} without a face"
        if num_left_out:
            faces = "face" if num_left_out == 1 else "faces"
            told += f", {num_left_out} {faces} of a score below {min_score:g} left out"
        print(f"{told}: {path.parent}")
    return path
