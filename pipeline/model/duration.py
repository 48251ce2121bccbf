"""Spelling of durations and sizes for people."""

from __future__ import annotations


def spell_duration(seconds: float) -> str:
    """`500ms`, `10s`, `2m5s`, `1h30m`: the spelling that the pipeline file takes."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:g}s" if seconds == int(seconds) else f"{seconds:.1f}s"
    whole = round(seconds)
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def spell_size(size: int) -> str:
    """`512 MiB`, `1.5 GiB`."""
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            return f"{number:.0f} {unit}" if number == int(number) else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError("unreachable")
