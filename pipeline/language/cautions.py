"""What is allowed and still worth a word: secrets in clear, images that move, deployments nobody checks."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from pipeline.diagnostic import Severity
from pipeline.language.problems import Problems
from pipeline.language.tree import LINE_BREAK, Node, Source, Span, key_span_at
from pipeline.language.values import Found
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.quantity import image_parts
from pipeline.model.template import OPEN, Expr, parts

TOKENS: Final = {
    "an AWS access key": r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
    "a GitLab token": r"gl(?:pat|ptt|dt|rt|cbt)-[A-Za-z0-9_-]{20,}",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Stripe key": r"[rs]k_live_[A-Za-z0-9]{16,}",
    "a Google API key": r"AIza[0-9A-Za-z_-]{35}",
    "an npm token": r"npm_[A-Za-z0-9]{36}",
    "a PyPI token": r"pypi-[A-Za-z0-9_-]{50,}",
    "a Docker Hub token": r"dckr_pat_[A-Za-z0-9_-]{20,}",
    "a SendGrid key": r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "a JSON Web Token": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
"""What a secret looks like, by the publishers' own prefixes."""

_SPLIT: Final = "ECLUSE_SPLIT_"
_MARKS: Final = re.compile(
    "A[KS]IA|gh[pousr]_|github_pat_|gl[a-z]+-|xox|k_live_|AIza|npm_|pypi-|dckr_|SG\\.|hf_|eyJ|-BEGIN"
)
"""What every one of them holds; a file without any is not looked at twice."""


def check_secrets(problems: Problems) -> None:
    """Warn about every text of the files, comments too, that looks like a token."""
    for source in (problems.source, *problems.source.others.values()):
        if _MARKS.search(source.text):
            _warn_of_tokens(source, problems)


def _warn_of_tokens(source: Source, problems: Problems) -> None:
    starts = [0, *(match.end() for match in LINE_BREAK.finditer(source.text))]
    for kind, pattern in TOKENS.items():
        for match in re.finditer(pattern, source.text):
            line = bisect_right(starts, match.start()) - 1
            start = match.start() - starts[line]
            end = match.end() - starts[line]
            problems.warn(
                "secret-in-clear",
                f"{kind} is written in clear",
                Span(line, start, match.start(), line, end, match.end(), source.file),
                note="name it under 'secrets', and replace it: it is in the history",
            )


def check_images(images: Iterable[Found], problems: Problems) -> None:
    """Warn about images that mean something else tomorrow."""
    for found in images:
        text = _without_expressions(found.node.text)
        if text is None:
            continue
        try:
            name, tag, digest = image_parts(text)
        except ValueError:
            continue
        if digest or tag not in ("", "latest"):
            continue
        words = "has no tag" if not tag else "has the tag 'latest'"
        problems.warn(
            "moving-image",
            f"image '{found.node.text}' {words}: it means something else tomorrow",
            found.node.span,
            note=f"write {name.rsplit('/', 1)[-1]}:<version>, or pin it with @sha256:…",
        )


def check_deployments(definition: Definition, problems: Problems) -> None:
    """Hint at deployments that neither a smoke stage nor the environment's own verification checks."""
    smoked = {stage.options.get("environment") for stage in definition.stages if stage.kind == "smoke"}
    known = {item.name for item in definition.environments}
    verified = {item.name for item in definition.environments if item.verification}
    for stage in definition.stages:
        environment = stage.options.get("environment")
        if stage.kind == "deploy" and environment in known and environment not in smoked | verified:
            problems.add(
                "deploy-without-smoke",
                f"nothing checks what stage '{stage.name}' deploys",
                stage.position,
                severity=Severity.HINT,
                note=f"add a stage of kind 'smoke' for environment '{environment}'",
            )


def check_splits(stages: Iterable[StageDefinition], root: Node, problems: Problems) -> None:
    """Warn about parts that would all do the same."""
    for stage in stages:
        if stage.split is not None and not any(_SPLIT in command for command in stage.commands):
            problems.warn(
                "split-unused",
                f"the {stage.split.into} parts of stage '{stage.name}' do the same: no command mentions {_SPLIT}…",
                key_span_at(root, ("stages", stage.name, "split")),
                note=f"give ${_SPLIT}FILES to the test runner, or {_SPLIT}INDEX and {_SPLIT}TOTAL",
            )


def _without_expressions(text: str) -> str | None:
    if OPEN not in text:
        return text
    try:
        pieces = parts(text)
    except ValueError:
        return None
    if isinstance(pieces[0], Expr):
        return None
    return "".join(piece if isinstance(piece, str) else "1" for piece in pieces)
