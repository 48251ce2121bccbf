"""Reading LCOV tracefiles: https://man.archlinux.org/man/geninfo.1#TRACEFILE_FORMAT."""

from __future__ import annotations

import io

from pipeline.engine.counting import whole
from pipeline.errors import StorageError
from pipeline.model.report import CoverageReport


def read(content: bytes, *, file: str) -> CoverageReport:
    """Covered and total lines; a source that several records (tests) speak of counts once, covered where one covers it.

    A record without lines (`DA`) counts by its sums (`LH`, `LF`). Raises StorageError when nothing of it is LCOV.
    """
    hits: dict[str, dict[int, bool]] = {}
    sums: dict[str, tuple[int, int]] = {}
    source, found, hit = "", 0, 0
    seen = False
    for row in io.TextIOWrapper(io.BytesIO(content), errors="replace"):
        key, _, value = row.strip().partition(":")
        match key:
            case "SF":
                source, found, hit = value.strip(), 0, 0
            case "DA":
                first, _, count = value.partition(",")
                line = whole(first)
                if line is not None:
                    seen = True
                    lines = hits.setdefault(source, {})
                    lines[line] = lines.get(line, False) or _ran(count)
            case "LF" | "LH" if (number := whole(value)) is not None:
                seen = True
                found, hit = (number, hit) if key == "LF" else (found, number)
                sums[source] = max(sums.get(source, (0, 0)), (hit, found))
    if not seen:
        raise StorageError(f"{file} is neither Cobertura XML nor LCOV", hint="name coverage.xml or lcov.info")
    bare = [counts for name, counts in sums.items() if not hits.get(name)]
    return CoverageReport(
        covered=sum(sum(lines.values()) for lines in hits.values()) + sum(covered for covered, _ in bare),
        total=sum(map(len, hits.values())) + sum(total for _, total in bare),
    )


def _ran(text: str) -> bool:
    """Whether a count of executions is more than none; a checksum may follow it."""
    count = text.partition(",")[0].strip()
    return count.isascii() and count.isdigit() and bool(count.strip("0"))
