"""Webhooks that forges have really sent, and what each of them says."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.bootstrap import Application
from pipeline.model.incoming import ForgeEvent, HookDelivery
from pipeline.model.repository import ForgeKind

TESTDATA = Path(os.environ.get("ECLUSE_TESTDATA", Path(__file__).resolve().parents[4] / "shared" / "testdata"))
WEBHOOKS = TESTDATA / "webhooks"
TOLD = ("kind", "sha", "branch", "tag", "before", "actor", "proposal", "target", "foreign", "clone_url")

HELLO = "https://gitlab.com/gitlab-org/hello-world.git"
SUBGROUP = "https://gitlab.com/group1/group2/group3/grp2repo.git"
CODERTOCAT = "https://github.com/Codertocat/Hello-World.git"
DRONE = "https://github.com/bradrydzewski/drone-test-go.git"
GOGITS = "http://try.gitea.io/gogits/hello-world.git"
JCITIZEN = "https://try.gitea.io/jcitizen/my-repo.git"
FOO = "https://bitbucket.org/brydzewski/foo.git"
A = "2adc9465c4edfc33834e173fe89436a7cb899a1d"
B = "c4c79227ed610f1151f05bbc5be33b4f340d39c8"
C = "d2b75aa7797ec26b088fa2dd527e9d2c052fcedd"
D = "141977fedf5cf35aa290ac87d4b5177ac4cd9de1"
E = "2eba238e33607c1fa49253182e9fff42baafa1eb"
PATCH = "bradrydzewski-patch-1"

# file, the forge's name of the event: kind, sha, branch, tag, before, actor, proposal, target, foreign, clone_url
READINGS: dict[tuple[str, str], tuple[object, ...]] = {
    ("bitbucket/pr_created.json", "pullrequest:created"): (
        "pull_request", "507a576e59b3", "develop", "", "", "brydzewski", "1", "master", False, FOO),
    ("bitbucket/pr_fulfilled.json", "pullrequest:fulfilled"): (
        "closed", "0704fc5beccc", "develop", "", "", "brydzewski", "1", "master", False, FOO),
    ("bitbucket/pr_updated.json", "pullrequest:updated"): (
        "pull_request", "0704fc5beccc", "develop", "", "", "brydzewski", "1", "master", False, FOO),
    ("bitbucket/push.json", "repo:push"): (
        "push", D, "master", "", "40e7580cf11311d84a6e5e97e2cbba6df1675750", "brydzewski", "", "", False, FOO),
    ("bitbucket/push_branch_create.json", "repo:push"): (
        "push", D, "develop", "", "", "brydzewski", "", "", False, FOO),
    ("bitbucket/push_branch_delete.json", "repo:push"): (
        "deleted", "", "develop", "", D, "brydzewski", "", "", False, FOO),
    ("bitbucket/push_tag_create.json", "repo:push"): (
        "tag", D, "", "feature/x", "", "brydzewski", "", "", False, FOO),
    ("gitea/branch_create.json", "create"): ("other", "", "feature", "", "", "unknwon", "", "", False, GOGITS),
    ("gitea/branch_delete.json", "delete"): ("deleted", "", "feature", "", "", "unknwon", "", "", False, GOGITS),
    ("gitea/pull_request_merged.json", "pull_request"): (
        "closed", E, "feature", "", "", "jcitizen", "1", "master", False, JCITIZEN),
    ("gitea/pull_request_opened.json", "pull_request"): (
        "pull_request", E, "feature", "", "", "jcitizen", "1", "master", False, JCITIZEN),
    ("gitea/pull_request_synchronized.json", "pull_request"): (
        "pull_request", E, "feature", "", "", "jcitizen", "1", "master", False, JCITIZEN),
    ("gitea/push.json", "push"): (
        "push", "4522cbcefc20728a5b72b3a86af35e608622c514", "master", "", "9836a96a253cce25d17988fcf41b8c4205cf779f",
        "unknwon", "", "", False, GOGITS),
    ("gitea/tag_create.json", "create"): (
        "other", "599d25c67b05717269f50ac082b34f176d085179", "", "v1.0.0", "", "unknwon", "", "", False, GOGITS),
    ("gitea/tag_delete.json", "delete"): ("deleted", "", "", "v1.0.0", "", "unknwon", "", "", False, GOGITS),
    ("github/merge_group_checks_requested.json", "merge_group"): (
        "other", "", "", "", "", "", "", "", False, ""),
    ("github/pr_closed.json", "pull_request"): (
        "closed", C, "master", "", "", "bradrydzewski", "1", PATCH, False, DRONE),
    ("github/pr_opened.json", "pull_request"): (
        "pull_request", C, "master", "", "", "bradrydzewski", "1", PATCH, False, DRONE),
    ("github/pr_sync.json", "pull_request"): (
        "pull_request", "8102e371cd01cf668893cb2d04a04d52331b1dc9", "master", "", "", "bradrydzewski", "1", PATCH,
        False, DRONE),
    ("github/push.json", "push"): (
        "push", "199eddf46df50de8d02e99bf1c5fdb4101338224", "master", "", "a10867b14bb761a232cd80139fbd4c0d33264240",
        "Codertocat", "", "", False, CODERTOCAT),
    ("github/push_branch_create.json", "push"): (
        "push", C, "feature-branch", "", "", "bradrydzewski", "", "", False, DRONE),
    ("github/push_branch_delete.json", "push"): (
        "deleted", "", "feature-branch", "", C, "bradrydzewski", "", "", False, DRONE),
    ("github/push_tag.json", "push"): ("tag", C, "", "v0.0.1", "", "bradrydzewski", "", "", False, DRONE),
    ("github/push_tag_delete.json", "push"): ("deleted", "", "", "v0.0.1", C, "bradrydzewski", "", "", False, DRONE),
    ("github/release_published.json", "release"): ("other", "", "", "", "", "", "", "", False, ""),
    ("gitlab/branch_create.json", "Push Hook"): ("push", B, "feature", "", "", "sytses", "", "", False, HELLO),
    ("gitlab/branch_delete.json", "Push Hook"): ("deleted", "", "feature", "", B, "sytses", "", "", False, HELLO),
    ("gitlab/pull_request_close.json", "Merge Request Hook"): (
        "closed", B, "feature", "", "", "sytses", "1", "master", False, HELLO),
    ("gitlab/pull_request_create.json", "Merge Request Hook"): (
        "pull_request", B, "feature", "", "", "sytses", "1", "master", False, HELLO),
    ("gitlab/pull_request_merge.json", "Merge Request Hook"): (
        "closed", B, "feature", "", "", "sytses", "1", "master", False, HELLO),
    ("gitlab/push.json", "Push Hook"): (
        "push", A, "master", "", "9217710ce8c7e1eae7a5d1c45f6e43e1c769f866", "sytses", "", "", False, HELLO),
    ("gitlab/push_merge.json", "Push Hook"): (
        "push", "78a76ee6b4992a6baf64c59fc4c44c7323d60438", "master", "", A, "sytses", "", "", False, HELLO),
    ("gitlab/push_subgroup.json", "Push Hook"): (
        "push", A, "master", "", "9217710ce8c7e1eae7a5d1c45f6e43e1c769f866", "sytses", "", "", False, SUBGROUP),
    ("gitlab/tag_create.json", "Tag Push Hook"): ("tag", A, "", "v1.0.0", "", "sytses", "", "", False, HELLO),
    ("gitlab/tag_delete.json", "Tag Push Hook"): ("deleted", "", "", "v1.0.0", A, "sytses", "", "", False, HELLO),
}  # fmt: skip

pytestmark = pytest.mark.skipif(
    not WEBHOOKS.is_dir(), reason="no testdata/webhooks here (ECLUSE_TESTDATA names its folder)"
)


def told(event: ForgeEvent) -> tuple[object, ...]:
    known = asdict(event)
    return tuple(known[name] for name in TOLD)


@pytest.mark.parametrize(("place", "reading"), READINGS.items(), ids=[file for file, _ in READINGS])
def test_a_real_webhook_is_read(place: tuple[str, str], reading: tuple[object, ...], tmp_path: Path) -> None:
    file, event = place
    forge = Application({"ECLUSE_HOME": str(tmp_path)}).forge(ForgeKind(file.split("/")[0]))
    body = (WEBHOOKS / file).read_bytes()
    delivery = HookDelivery(
        id="0" * 26, repository="a/b", key="k", event=event, headers={}, body=body, received=datetime.now(UTC)
    )
    assert [told(event) for event in forge.read(delivery)] == [reading]


def test_every_file_that_is_there_has_a_reading() -> None:
    assert {str(path.relative_to(WEBHOOKS)) for path in WEBHOOKS.glob("*/*.json")} == {file for file, _ in READINGS}
