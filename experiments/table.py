"""The numbers of a benchmark as lines for the terminal."""

from typing import Any

from .ratios import told_reference

_KEY = ("preset", "sampling", "batch", "num_steps")


def speed_table(results: dict[str, Any]) -> str:
    """What the JSON file holds, a line for each row.

    Args:
        results: as written to the file.
    """
    machine, memory = results["machine"], results["memory"]
    lines = [
        f"{machine['device']}, {machine['cores']} cores, jax {machine['jax']}: matrix "
        f"product {results['matmul_gigamacs_per_second']:.0f} G multiply-adds a second, "
        f"peak memory {memory['peak_resident_megabytes']:.0f} MB resident"
        + (
            f", {memory['peak_device_megabytes']:.0f} MB on the device"
            if memory["peak_device_megabytes"] is not None
            else ""
        )
    ]
    shares = {_key(row): row["share"] for row in results["share_of_matmul_rate"]}
    lines += _predictions(results["predict"], shares)
    for row in results["parts"]:
        lines.append(
            f"parts   {row['preset']:6}{row['sampling']:8} batch {row['batch']:4} before "
            f"the steps {row['milliseconds_before_steps']:8.2f} ms "
            f"{_percent(row['share_before_steps'])}, each step "
            f"{row['milliseconds_per_step']:8.2f} ms {_percent(row['share_of_step'])}"
        )
    for row in results["train"]:
        lines.append(
            f"train   {row['preset']:6}{row['sampling']:8} batch {row['batch']:4} steps "
            f"{row['num_steps']:3} {row['faces_per_second']:8.1f} faces/s on "
            f"{row['devices']} devices, compiled in {row['compile_seconds']:.1f} s"
        )
    for name, costs in results["costs"].items():
        lines.append(
            f"costs   {name}: {costs['parameters']:,} parameters, "
            f"{costs['total'] / 1e6:,.0f} M multiply-adds per face"
        )
    if alone := results.get("one_core"):
        lines += ["", "the same on one core:"]
        shares = {_key(row): row["share"] for row in alone["share_of_matmul_rate"]}
        lines += _predictions(alone["predict"], shares)
    return "\n".join(lines)


def _predictions(rows: list[dict[str, Any]], shares: dict[tuple, float]) -> list[str]:
    lines = [_prediction(row, shares) for row in rows]
    return [told_reference(rows), *lines] if rows else []


def _prediction(row: dict[str, Any], shares: dict[tuple, float]) -> str:
    ours = "program_megabytes" in row
    known = _percent(shares.get(_key(row))) if ours else ""
    if "compile_seconds" in row:
        known += f", compiled in {row['compile_seconds']:.1f} s"
    if ours:
        known += f", {row['program_megabytes']:.0f} MB"
    return (
        f"{row['name']:24}{row['preset']:6}{row['sampling']:8} batch {row['batch']:4} "
        f"steps {row['num_steps']:3} {row['milliseconds_per_face']:9.2f} ms per face "
        f"{row['ratio']:7.2f} x {known}"
    )


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[name] for name in _KEY)


def _percent(share: float | None) -> str:
    return "    -" if share is None else f"{100 * share:3.0f} %"
