"""One scan from its image to its verdict: two containers look, one cleans up, and everything is said out loud."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.errors import EcluseError, UsageError
from pipeline.model.container import ContainerSpec, Exit, Network, View
from pipeline.model.finding import Finding
from pipeline.model.outcome import Outcome, cancelled, timed_out
from pipeline.model.run import Artifact, BuiltImage, Products
from pipeline.ports.stage import StageContext, StageResult
from stages.scanning.answers import Answers
from stages.scanning.delivery import FOLDER, layer
from stages.scanning.inventory import Inventory, inventory_of, read_sbom, stable
from stages.scanning.licences import DENIED, LicenceRule, licences_report
from stages.scanning.lint import dockerfile_report, secrets_report
from stages.scanning.report import CheckReport, counted, printable
from stages.scanning.request import DOCKERFILE, LICENCES, SBOM, SECRETS, VULNERABILITIES, ScanRequest, dockerfile_of
from stages.scanning.sarif import sarif_document
from stages.scanning.scanners import CACHE, scanners_image, tools
from stages.scanning.verdict import verdict
from stages.scanning.vulnerabilities import Question, question, vulnerabilities_report
from stages.scanning.waivers import LIMIT as LIMIT_OF_WAIVERS
from stages.scanning.waivers import read_waivers, waive

RESULTS = f"{FOLDER}/results"
LIMIT = 128 * 1024 * 1024
"""Bytes of one result; more is not read."""

LISTED = 40
"""So many findings go to the log; the SARIF file has all."""


class Scanning:
    """Bound to one attempt; used once."""

    def __init__(self, context: StageContext, request: ScanRequest) -> None:
        self._context = context
        self._request = request
        self._tools = tools()
        self._scanners = ""

    def run(self) -> StageResult:
        """Look, judge, keep; artifacts are kept whatever the verdict is."""
        image = self._image() if self._request.of else None
        dockerfile = self._dockerfile()
        self._scanners = scanners_image(self._context)
        self._deliver(image)
        stopped = self._inspect(image, dockerfile)
        if stopped:
            return StageResult(outcome=stopped)
        results = self._results()
        status = _mapping(results, "status.json")
        reports: list[CheckReport] = []
        artifacts: list[Artifact] = []
        if self._request.wants_image:
            document = self._document(results, status)
            inventory = self._inventory(document) if document is not None else None
            if document is not None:
                sbom = io.BytesIO(stable(document))
                artifacts.append(self._context.keep("sbom", sbom, path="sbom.cdx.json", kind="sbom"))
            looked = self._vulnerabilities(inventory, status)
            if isinstance(looked, Outcome):
                return StageResult(outcome=looked, products=Products(artifacts=tuple(artifacts)))
            reports.extend(looked)
            reports.extend(self._licences(document, status))
        reports.extend(self._lints(results, status, dockerfile))
        reports = list(self._waived(reports))
        self._tidy()
        self._say(reports)
        sarif = sarif_document(reports, image=image.reference if image else "")
        artifacts.append(self._context.keep("findings", io.BytesIO(sarif), path="findings.sarif", kind="sarif"))
        findings = tuple(finding for report in reports for finding in report.findings)
        return StageResult(
            outcome=verdict(reports, self._request.threshold),
            products=Products(artifacts=tuple(artifacts), findings=findings),
        )

    def _image(self) -> BuiltImage:
        image = self._context.stage_run(self._request.of).products.image
        if image is None:
            raise UsageError(f"stage '{self._request.of}' made no image", hint="`of` must name a build stage")
        return image

    def _dockerfile(self) -> str:
        if DOCKERFILE not in self._request.checks or self._request.dockerfile:
            return self._request.dockerfile if DOCKERFILE in self._request.checks else ""
        return next(
            (dockerfile_of(stage) for stage in self._context.stages() if stage.name == self._request.of), "Dockerfile"
        )

    def _deliver(self, image: BuiltImage | None) -> None:
        context = self._context
        archive = None
        if image is not None and self._request.wants_image:
            context.log.note(f"handing {image.reference} to the scanners")
            archive = context.images.export(image)
        context.fill_workspace(layer(archive, scratch=context.cache_folder(CACHE), cancel=context.cancel))

    def _inspect(self, image: BuiltImage | None, dockerfile: str) -> Outcome | None:
        wants = image is not None and self._request.wants_image
        request = {
            "image": image.reference if image and wants else "",
            "image_id": image.id if image and wants else "",
            "secrets": SECRETS in self._request.checks,
            "dockerfile": dockerfile,
        }
        ended = self._execute("inspect", json.dumps(request, sort_keys=True))
        return self._stopped(ended, "inspect")

    def _document(self, results: Mapping[str, bytes], status: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not status.get("syft", {}).get("ok") or "sbom.json" not in results:
            return None
        return read_sbom(results["sbom.json"])

    def _inventory(self, document: Mapping[str, Any]) -> Inventory:
        inventory = inventory_of(document)
        system = f" on {inventory.distribution} {inventory.codename}".rstrip() if inventory.distribution else ""
        self._context.log.note(f"sbom: {counted(len(inventory.packages), 'package')}{system}")
        return inventory

    def _licences(self, document: Mapping[str, Any] | None, status: Mapping[str, Any]) -> Iterator[CheckReport]:
        if LICENCES not in self._request.checks:
            return
        if document is None:
            why = printable(status.get("syft", {}).get("error") or "syft left nothing")
            yield CheckReport(check=LICENCES, tools=(self._tools["syft"],), failure=why)
            return
        request = self._request
        deny = DENIED if request.deny is None else request.deny
        rule = LicenceRule(deny=deny, allow=request.allow, distribution=request.distribution)
        yield licences_report(document, rule, self._tools["syft"])

    def _waived(self, reports: Sequence[CheckReport]) -> Sequence[CheckReport]:
        name = self._request.waivers
        if not name:
            return reports
        text = next((file.content.read(LIMIT_OF_WAIVERS) for file in self._context.read_workspace([name])), None)
        if text is None:
            raise UsageError(f"there is no {name} in the source", hint="write it, or take `waivers` out of the stage")
        return waive(reports, read_waivers(text, file=name), today=self._context.clock.now().date())

    def _vulnerabilities(
        self, inventory: Inventory | None, status: Mapping[str, Any]
    ) -> Sequence[CheckReport] | Outcome:
        """The reports of the checks that look into the image, or an outcome when the scan was stopped."""
        wanted = [check for check in (SBOM, VULNERABILITIES) if check in self._request.checks]
        if inventory is None:
            why = printable(status.get("syft", {}).get("error") or "syft left nothing")
            return [CheckReport(check=check, tools=(self._tools["syft"],), failure=why) for check in wanted]
        reports = [CheckReport(check=SBOM, tools=(self._tools["syft"],))] if SBOM in wanted else []
        if VULNERABILITIES not in wanted:
            return reports
        cache, now = self._context.cache_folder(CACHE), self._context.clock.now()
        asked = question(inventory, cache, now=now)
        answers: Mapping[str, Mapping[str, Any]] = {}
        if not asked.empty:
            heard = Answers(self._context.log, limit=LIMIT)
            stopped = self._stopped(self._ask(asked, heard), "advisories")
            if stopped:
                return stopped
            answers = heard.read()
        return [*reports, vulnerabilities_report(inventory, answers, cache=cache, now=now, tools=self._tools)]

    def _lints(self, results: Mapping[str, bytes], status: Mapping[str, Any], dockerfile: str) -> Iterator[CheckReport]:
        for check, tool in ((SECRETS, "gitleaks"), (DOCKERFILE, "hadolint")):
            if check not in self._request.checks:
                continue
            told, content = status.get(tool, {}), results.get(f"{tool}.sarif")
            if not told.get("ok") or content is None:
                why = printable(told.get("error") or f"{tool} left nothing")
                yield CheckReport(check=check, tools=(self._tools[tool],), failure=why)
            elif check == SECRETS:
                yield secrets_report(content, told, self._tools[tool])
            else:
                yield dockerfile_report(content, told, self._tools[tool], path=dockerfile)

    def _ask(self, asked: Question, heard: Answers) -> Exit:
        """The one container with a network has no workspace, no rights and a file system that it cannot change."""
        spec = ContainerSpec(
            stage=self._context.stage.name,
            attempt=self._context.attempt,
            step="advisories",
            image=self._scanners,
            command=("advisories",),
            workdir="/",
            user="0",
            resources=self._context.stage.resources,
            hardened=True,
        )
        return self._context.execute(spec, stdin=asked.spell(), output=heard)

    def _execute(self, program: str, *arguments: str) -> Exit:
        """A container that sees image and source, and reaches nothing."""
        spec = ContainerSpec(
            stage=self._context.stage.name,
            attempt=self._context.attempt,
            step=program,
            image=self._scanners,
            command=(program, *arguments),
            view=View(layer=self._context.stage.name),
            workdir="/",
            user="0",
            network=Network.NONE,
            resources=self._context.stage.resources,
        )
        return self._context.execute(spec)

    def _stopped(self, ended: Exit, program: str) -> Outcome | None:
        if ended.cancelled:
            reason = self._context.cancel.reason
            return timed_out(reason) if self._context.cancel.timed_out else cancelled(reason)
        if ended.out_of_memory:
            raise EcluseError(
                f"the scanners ran out of memory ({program})", hint="raise the machine's setting `memory`"
            )
        if ended.code:
            raise EcluseError(
                f"the scanners ended with exit {ended.code} ({program})", hint="see the end of the stage's log"
            )
        return None

    def _results(self) -> Mapping[str, bytes]:
        results: dict[str, bytes] = {}
        for file in self._context.read_workspace((f"{RESULTS}/*",)):
            if file.size > LIMIT:
                raise EcluseError(f"{file.path} of the scanners is too large to read ({file.size} bytes)")
            results[file.path.rpartition("/")[2]] = file.content.read()
        return results

    def _tidy(self) -> None:
        """Later stages see this one's layer: leave it empty. What remains after a failure to do so harms nobody."""
        ended = self._execute("tidy")
        if ended.code:
            self._context.log.note(f"{FOLDER} could not be removed from the workspace (exit {ended.code})")

    def _say(self, reports: Sequence[CheckReport]) -> None:
        note = self._context.log.note
        findings = sorted(
            (item for report in reports for item in report.findings), key=lambda item: (-item.severity.rank, item.check)
        )
        for finding in findings[:LISTED]:
            note(_line(finding))
        if len(findings) > LISTED:
            note(f"… and {len(findings) - LISTED} more; the artifact 'findings' has all")
        for report in reports:
            for item in report.waived:
                note(f"waived: {_line(item.finding)}: {item.reason}")
            for text in report.notes:
                note(text)
            for gap in report.gaps:
                note(f"{report.check}: not scanned: {gap}")
            if report.failure:
                note(f"{report.check}: could not run: {report.failure}")


def _line(finding: Finding) -> str:
    place = f"{finding.file}:{finding.line}: " if finding.file and finding.file not in finding.message else ""
    fixed = f" (fixed in {finding.fixed_in})" if finding.fixed_in and finding.fixed_in not in finding.message else ""
    return f"{finding.severity.value:8} {finding.check:15} {place}{finding.rule}: {finding.message}{fixed}"


def _mapping(results: Mapping[str, bytes], name: str) -> Mapping[str, Any]:
    """A JSON object that the programs left, {} when it is not there."""
    try:
        value = json.loads(results.get(name, b"{}"))
    except ValueError as error:
        raise EcluseError(f"the scanners left a broken {name}: {error}", hint="run the stage again") from error
    return value if isinstance(value, dict) else {}
