"""Reuse keys: the digest of all that a stage can see, input by input so that a difference can be named."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pipeline.model.definition import ServiceDefinition, StageDefinition
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Commit
from pipeline.model.tree import Tree
from pipeline.model.value import canonical, digest_of, to_value
from pipeline.ports.reuse import Identify, StageKey
from pipeline.ports.stage import Reuse, StageKind

_OUTPUTS = re.compile(r"\$\{\{[^}]*?\bstages\.([a-z][a-z0-9_]*)")
FILES = "files"
"""The input that is the source's content."""
IMAGE = "image"
SKIPPED = "skipped"
"""What counts of a stage that is skipped in the keys of those that need it."""
NEED = "stage "
"""What stands before the name of a needed stage in the names of inputs."""


class Keys:
    """Computes the keys of one run's stages, each after those that it needs. Safe for several threads."""

    def __init__(
        self,
        *,
        pipeline: str,
        kinds: Mapping[str, StageKind],
        commit: Commit,
        revision: str = "",
        tree: Tree,
        identify: Identify,
        surroundings: Mapping[str, str],
    ) -> None:
        """`surroundings`: variables that this machine's settings give to every stage; `revision`: what was asked for
        instead of the working tree."""
        self._pipeline = pipeline
        self._kinds = kinds
        self._commit = commit
        self._revision = revision
        self._tree = tree
        self._identify = identify
        self._surroundings = tuple(sorted(surroundings.items()))
        self._digests: dict[tuple[object, ...], str] = {}
        self._known: dict[str, StageKey] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> StageKey:
        """The key of a stage that `take` was given; an empty one for others."""
        return self._known.get(name, StageKey())

    def take(self, planned: PlannedStage) -> StageKey:
        """Compute (again) the key of a stage whose needs were taken before."""
        with self._lock:
            key = self._known[planned.stage.name] = self._key(planned)
            return key

    def listing(self, stage: StageDefinition) -> Mapping[str, str]:
        """Path → mode and content of the files of the source that a stage sees."""
        with self._lock:
            files = self._tree.select(stage.inputs) if stage.inputs else self._tree.files
            return {file.path: f"{file.mode} {file.digest}" for file in files}

    def _key(self, planned: PlannedStage) -> StageKey:
        stage, kind = planned.stage, self._kinds[planned.stage.kind]
        if planned.skip is not None:
            return StageKey(why="it is skipped", carried=SKIPPED)
        if kind.effects:
            return StageKey(why=f"a {kind.name} changes the world outside the run", lasting=True)
        before = {need.stage: self._known[need.stage] for need in stage.needs if need.stage in self._known}
        for name, needed in before.items():
            if needed.lasting:
                return StageKey(why=f"it needs {name}, which is never reused", lasting=True)
        if planned.deferred:
            return StageKey(why=f"decided after {_awaited(stage)}")
        for name, needed in before.items():
            if needed.carried is None:
                known_late = needed.why.startswith(("decided after the image", "decided after the engine"))
                return StageKey(why=needed.why if known_late else f"decided after {name}")
        return self._inputs(stage, kind, before)

    def _inputs(self, stage: StageDefinition, kind: StageKind, before: Mapping[str, StageKey]) -> StageKey:
        platform = self._identify.platform
        if not platform:
            return StageKey(why="decided after the engine has answered")
        services = self._service_images(stage.services)
        image = self._identify.image(stage.image) if stage.image else ""
        unknown = [stage.image] if stage.image and not image else []
        unknown += [service.image for service in stage.services if not services[service.image]]
        if unknown:
            return StageKey(why=f"decided after the image {unknown[0]} is known")
        source = kind.reuse is Reuse.SOURCE
        sees = any(key.sees_source for key in before.values())
        inputs = {
            "kind": f"{kind.name}@{kind.version}",
            "commands": self._digest(stage.commands, stage.after, stage.shell, stage.workdir, stage.emits),
            "user": stage.user or "",
            "platform": platform,
            IMAGE: image,
            "services": _digest([stage.services, services]) if stage.services else "",
            "variables": self._variables(stage),
            "matrix": repr([sorted(stage.cell.items()), stage.split]) if stage.cell or stage.split else "",
            "secrets": ", ".join(sorted(stage.secrets)),
            "rights": self._digest(stage.resources, stage.network, stage.hardened, stage.privileged, stage.devices),
            "reports": self._reports(stage),
            "options": _digest(stage.options) if stage.options else "",
            FILES: self._files(stage, sees=sees or source),
            **{f"{NEED}{name}": key.carried or "" for name, key in before.items()},
        }
        digest = digest_of(inputs)
        # What a checkout hands on is the files, and those count in each stage by itself: as far as it sees them.
        carried = digest_of({**inputs, FILES: self._history(stage)}) if source else digest
        why = wanted(stage, kind)
        return StageKey(
            digest=digest, inputs=inputs, why=why, serves=not why, sees_source=sees or source, carried=carried
        )

    def _variables(self, stage: StageDefinition) -> str:
        """The stage is told the pipeline's name and its own."""
        return f"{self._pipeline} {stage.name} {self._digest(*sorted(stage.env.items()), self._surroundings)}"

    def _reports(self, stage: StageDefinition) -> str:
        if not stage.reports and not stage.artifacts and not stage.outputs:
            return ""
        return _digest([stage.reports, [[rule.name, rule.paths] for rule in stage.artifacts], stage.outputs])

    def _digest(self, *things: object) -> str:
        """A digest of hashable things, which most cells of a matrix have in common."""
        known = self._digests.get(things)
        if known is None:
            known = self._digests[things] = _digest(things)
        return known

    def _files(self, stage: StageDefinition, *, sees: bool) -> str:
        if not sees:
            return ""
        if stage.inputs:
            return "globs:" + self._tree.digest(stage.inputs)
        return self._commit.tree or self._commit.sha

    def _history(self, stage: StageDefinition) -> str:
        """A checkout with `depth` hands out the history: then the commit counts. And the files of a commit are not in
        all repositories those of a working tree (line ends, Git LFS)."""
        taken = "commit" if self._revision else "working tree"
        return f"{taken} {self._commit.sha}" if "depth" in stage.options else taken

    def _service_images(self, services: Iterable[ServiceDefinition]) -> Mapping[str, str]:
        return {service.image: self._identify.image(service.image) for service in services}


def may_serve(plan: Plan, kinds: Mapping[str, StageKind]) -> frozenset[str]:
    """The stages whose keys are worth computing: those that may be reused, and all that they need. Empty where only
    checkouts could be."""
    needed: set[str] = set()
    for planned in reversed(plan.stages):
        stage, kind = planned.stage, kinds[planned.stage.kind]
        if stage.name in needed or (kind.reuse is not Reuse.SOURCE and not wanted(stage, kind)):
            needed.add(stage.name)
            needed.update(need.stage for need in stage.needs)
    return frozenset(needed)


def keyed(plan: Plan, keys: Keys, *, only: frozenset[str]) -> Plan:
    """The plan with the keys of some of its stages, as far as they can be known before it runs."""
    return replace(
        plan,
        stages=tuple(
            _with_key(planned, keys.take(planned)) if planned.stage.name in only else planned for planned in plan.stages
        ),
    )


def wanted(stage: StageDefinition, kind: StageKind) -> str:
    """Why earlier results of a stage never serve, for people; "" where they may."""
    match kind.reuse:
        case Reuse.NEVER:
            return f"a {kind.name} is never reused"
        case Reuse.ON_REQUEST if not stage.reuse and not stage.inputs:
            return f"a {kind.name} is reused where it says `reuse: true` or gives `inputs`"
    return "it emits stages" if stage.emits else ""


def reused(plan: Plan, kept: Mapping[str, bool], *, sources: frozenset[str] = frozenset()) -> frozenset[str]:
    """Of the stages with an earlier result those whose result will serve.

    `kept` says of each whether its layer was kept. One whose layer was not, and which a stage that runs would see,
    has to run too. `sources` hand out the source: without an earlier result too they need not run where all that
    needs them is served.
    """
    serving: set[str] = set()
    seen: set[str] = set()
    served: set[str] = set()
    for planned in reversed(plan.stages):
        name = planned.stage.name
        serves = name in kept and (kept[name] or name not in seen)
        serves = serves or (name in sources and name in served and name not in seen)
        if serves:
            serving.add(name)
            served.update(need.stage for need in planned.stage.needs)
        if name in seen or not (serves or planned.skip):
            seen.update(need.stage for need in planned.stage.needs)
    return frozenset(serving)


def differing(
    inputs: Mapping[str, str], earlier: Mapping[str, str], files: Callable[[str, str], tuple[str, ...]]
) -> tuple[str, ...]:
    """Names of the inputs that differ from an earlier result's; of the files, by `files(earlier, now)`, their paths.

    Needed stages are named only where no file differs: they see the same files.
    """
    names: list[str] = []
    same_files = inputs.get(FILES, "") == earlier.get(FILES, "")
    for name in dict.fromkeys((*inputs, *earlier)):
        now, then = inputs.get(name, ""), earlier.get(name, "")
        if now == then:
            continue
        if name == FILES:
            names.extend(files(then, now) or (FILES,))
        elif same_files or not name.startswith(NEED):
            names.append(name)
    return tuple(names)


def _with_key(planned: PlannedStage, key: StageKey) -> PlannedStage:
    return replace(planned, reuse_key=key.digest, reuse_inputs=key.inputs)


def _awaited(stage: StageDefinition) -> str:
    """The stages whose outputs a deferred stage waits for."""
    names = dict.fromkeys(_OUTPUTS.findall(canonical(to_value(stage)).decode()))
    names |= dict.fromkeys(re.findall(r"\bstages\.([a-z][a-z0-9_]*)", stage.when.expression))
    return ", ".join(names) or "the run has begun"


def _digest(thing: object) -> str:
    return digest_of(to_value(thing))
