"""A pipeline file and the files that it includes become one tree.

The including file wins for `variables` and `defaults`, of several included ones the last; stages and environments must
have names of their own. Included stages stand behind those of the pipeline file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.language.problems import Problems
from pipeline.language.tree import Entry, MapNode

MERGED: Final = ("variables", "defaults")
NAMED: Final[Mapping[str, str]] = {"stages": "stage", "environments": "environment"}
_BELOW_DEFAULTS: Final = ("env", "resources", "services")
"""Keys of `defaults` that are filled in name by name."""


def joined(root: MapNode, included: Sequence[MapNode], problems: Problems) -> MapNode:
    """One tree of a pipeline file and the files that it includes, without the key that names them."""
    entries = {name: entry for name, entry in root.entries.items() if name != "include"}
    for name in (*MERGED, *NAMED):
        layers = [part.entries[name] for part in included if name in part.entries]
        own = entries.get(name)
        if not layers or (own is not None and not isinstance(own.value, MapNode)):
            continue
        top = own or layers[0]
        if name in NAMED:
            found = _side_by_side([top, *layers] if own else layers, NAMED[name], problems)
        else:
            found = _on_top_of_each_other([*layers, top] if own else layers, name)
        entries[name] = Entry(top.key, MapNode(found, top.value.start, top.value.end))
    return MapNode(entries, root.start, root.end)


def _entries(entry: Entry) -> Mapping[str, Entry]:
    return entry.value.entries if isinstance(entry.value, MapNode) else {}


def _on_top_of_each_other(layers: Sequence[Entry], section: str) -> dict[str, Entry]:
    """The last layer is uppermost."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for name, entry in _entries(layer).items():
            below = found.get(name)
            merges = section == "defaults" and name in _BELOW_DEFAULTS
            found[name] = _covered(below, entry) if below is not None and merges else entry
    return found


def _covered(below: Entry, entry: Entry) -> Entry:
    """Both mappings in one; what is no mapping hides the other."""
    if not isinstance(below.value, MapNode) or not isinstance(entry.value, MapNode):
        return entry
    entries = {**below.value.entries, **entry.value.entries}
    return Entry(entry.key, MapNode(entries, entry.value.start, entry.value.end))


def _side_by_side(layers: Sequence[Entry], noun: str, problems: Problems) -> dict[str, Entry]:
    """A name twice is a problem, which names both places; the first one stays."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for name, entry in _entries(layer).items():
            first = found.setdefault(name, entry)
            if first is entry:
                continue
            place = problems.source.position(first.key.span)
            problems.add(
                f"duplicate-{noun}",
                f"{noun} '{name}' is written twice",
                entry.key.span,
                note=f"first in {place.file}:{place.line}",
                related=(("first here", place),),
            )
    return found
