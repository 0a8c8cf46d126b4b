"""From what a cluster says of pods to the conditions of an MCPServer: tables."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.controller.writing.conditions import Condition
from quarterdeck.mcp.control import claiming, secrets, statuses, troubles, verdict
from quarterdeck.mcp.control.awaited import awaited
from quarterdeck.mcp.pods import mounts
from quarterdeck.resources.mcpserver import MCPServerSpec


def deployment(wanted: int = 1, available: int = 0, **status: Any) -> dict[str, Any]:
    counts = {"replicas": wanted, "updatedReplicas": wanted, "availableReplicas": available}
    return {
        "kind": "Deployment",
        "metadata": {"name": "mcp-a", "namespace": "n", "generation": 2},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 2, **counts, **status},
    }


def pod(container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    said = {"name": "tool", "image": "ledger:1", "ready": False, "restartCount": 0, **(container or {})}
    return {"metadata": {"name": "p", "namespace": "n"}, "status": {"containerStatuses": [said], **status}}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(**how: Any) -> dict[str, Any]:
    return {"lastState": {"terminated": how}}


CRASHED = ended(exitCode=3, reason="Error", message="Traceback\nKeyError: 'LEDGER'")
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}
RUNS = {"state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}}, "started": True}
UNREADY = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "pull": (pod(waiting("ImagePullBackOff", "not found")), "ImagePullFailed", "'ledger:1': not found"),
    "name": (pod(waiting("InvalidImageName", "bad")), "ImagePullFailed", "bad"),
    "no secret": (
        pod(waiting("CreateContainerConfigError", 'secret "keys" not found')),
        "SecretMissing",
        'secret "keys" not found',
    ),
    "user": (
        pod(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
        "ConfigInvalid",
        "runAsNonRoot",
    ),
    "no such command": (pod(waiting("RunContainerError", "no such file")), "StartFailed", "no such file"),
    "loop": (pod({**waiting("CrashLoopBackOff"), **CRASHED, "restartCount": 4}), "CrashLooping", "KeyError"),
    "status": (pod({**waiting("CrashLoopBackOff"), **CRASHED}), "CrashLooping", "ended with status 3"),
    "between": (pod({"state": {"terminated": {"exitCode": 1}}}), "CrashLooping", "ended with status 1"),
    "restarted": (
        pod({"state": {"running": {}}, "restartCount": 2, **ended(exitCode=137, reason="OOMKilled")}),
        "OOMKilled",
        "resources.limits.memory",
    ),
    "silent": (
        pod(RUNS, conditions=[{**UNREADY, "lastTransitionTime": "2026-01-01T00:09:00Z"}]),
        "NotAnswering",
        "probe",
    ),
    "no node": (pod({}, conditions=[UNSCHEDULED]), "Unschedulable", "Insufficient memory"),
    "put out": (pod({}, reason="Evicted", message="disk"), "Evicted", "disk"),
}


VOLUMES = [
    {"name": "home", "emptyDir": {}},
    {"name": "secret-0", "secret": {"secretName": "keys"}},
    {"name": "volume-0", "emptyDir": {}},
    {"name": "volume-1", "configMap": {"name": "settings"}},
    {"name": "volume-2", "persistentVolumeClaim": {"claimName": "books"}},
]
NEEDED = (
    "ConfigMap 'settings' (spec.container.volumes[1]), "
    "PersistentVolumeClaim 'books' (spec.container.volumes[2])"
)


def test_what_a_pod_that_has_not_begun_needs_is_named() -> None:
    made = [{"name": "bridge", **waiting("PodInitializing")}]
    begins = pod(waiting("PodInitializing"), initContainerStatuses=made) | {"spec": {"volumes": VOLUMES}}
    ready = verdict.conditions(deployment(), [begins])[0]
    assert (ready.status, ready.reason) == (False, "Starting")
    assert ready.message == f"no pod answers yet; before its containers start, the node needs {NEEDED}"
    begun = [{"name": "bridge", "state": {"running": {}}}]
    for other in (
        pod(waiting("PodInitializing"), initContainerStatuses=begun) | {"spec": {"volumes": VOLUMES}},
        pod(waiting("PodInitializing"), initContainerStatuses=made) | {"spec": {"volumes": VOLUMES[:3]}},
        pod(RUNS, conditions=[UNREADY]) | {"spec": {"volumes": VOLUMES}},
        {**begins, "metadata": {**begins["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ):
        assert verdict.conditions(deployment(), [other])[0].message == "no pod answers yet"


def test_volumes_are_called_in_pods_as_they_are_looked_for() -> None:
    spec = MCPServerSpec.model_validate(
        {
            "container": {
                "image": "a",
                "command": ["a"],
                "volumes": [{"path": "/etc/a", "configMap": {"name": "settings"}}],
            }
        }
    )
    assert spec.container is not None
    rendered = {"spec": {"volumes": mounts.volumes(spec.container)}} | pod(waiting("ContainerCreating"))
    assert "ConfigMap 'settings' (spec.container.volumes[0])" in awaited([rendered])


@pytest.mark.parametrize("case", CASES)
def test_what_keeps_a_pod_from_serving_is_named(case: str) -> None:
    found, reason, words = CASES[case]
    ready, progressing = verdict.conditions(deployment(), [found])
    assert (ready.status, ready.reason) == (False, reason)
    assert words in ready.message
    assert (progressing.status, progressing.reason) == (False, reason)


def test_an_init_container_is_looked_at_too() -> None:
    of_bridge = {"name": "bridge", "image": "bridge:1", **waiting("ErrImagePull", "denied")}
    found = pod(waiting("PodInitializing"), initContainerStatuses=[of_bridge])
    assert verdict.conditions(deployment(), [found])[0].message == "image 'bridge:1': denied"


def test_what_the_author_can_mend_comes_first() -> None:
    pods = [CASES["silent"][0], CASES["no node"][0], CASES["pull"][0]]
    worst = troubles.worst(pods)
    assert worst is not None
    assert worst.reason == "ImagePullFailed"
    assert troubles.worst([{**pods[2], "metadata": {"deletionTimestamp": "now"}}]) is None


FAILED = {"type": "ReplicaFailure", "status": "True"}


@pytest.mark.parametrize(
    ("state", "pods", "ready", "progressing"),
    [
        (None, [], (False, "Starting"), (True, "RollingOut")),
        (deployment(), [pod(waiting("ContainerCreating"))], (False, "Starting"), (True, "RollingOut")),
        (deployment(), [pod(RUNS, conditions=[UNREADY])], (False, "Starting"), (True, "RollingOut")),
        (deployment(available=1), [], (True, "Available"), (False, "Complete")),
        (deployment(0), [], (True, "Asleep"), (False, "Complete")),
        # A new image that cannot be pulled while the old pod serves on.
        (
            deployment(available=1, replicas=2),
            [CASES["pull"][0]],
            (True, "Available"),
            (False, "ImagePullFailed"),
        ),
        # The Deployment's controller has not seen the newest spec.
        (
            deployment(available=1, observedGeneration=1),
            [],
            (True, "Available"),
            (True, "RollingOut"),
        ),
        (
            deployment(conditions=[{**FAILED, "message": 'pods "x" is forbidden: exceeded quota: tools'}]),
            [],
            (False, "QuotaExceeded"),
            (False, "QuotaExceeded"),
        ),
        (
            deployment(conditions=[{**FAILED, "message": "violates PodSecurity"}]),
            [],
            (False, "PodsRefused"),
            (False, "PodsRefused"),
        ),
    ],
)
def test_readiness_and_progress(state: Any, pods: Any, ready: Any, progressing: Any) -> None:
    found = verdict.conditions(state, pods)
    assert [(one.status, one.reason) for one in found] == [ready, progressing]


def test_what_was_wrong_with_an_earlier_spec_is_no_matter() -> None:
    def of(thing: dict[str, Any], template: str) -> dict[str, Any]:
        marks = {"annotations": {"quarterdeck.dev/template": template}}
        return {**thing, "metadata": {**thing["metadata"], **marks}}

    state = deployment()
    state["spec"]["template"] = {"metadata": {"annotations": {"quarterdeck.dev/template": "new"}}}
    old, new = of(CASES["pull"][0], "old"), of(CASES["no secret"][0], "new")
    assert verdict.conditions(state, [old])[0].reason == "Starting"
    assert verdict.conditions(state, [old, new])[0].reason == "SecretMissing"


def test_a_missing_secret_is_said_before_a_node_notices() -> None:
    assert verdict.conditions(deployment(), [], "no Secret 'x'")[0].reason == "SecretMissing"
    assert verdict.conditions(deployment(available=1), [], "no Secret 'x'")[0].reason == "Available"


def test_the_digest_of_the_newest_pod() -> None:
    def of(at: str, image: str) -> dict[str, Any]:
        made = pod({"imageID": image})
        made["metadata"]["creationTimestamp"] = at
        return made

    old, new = (
        of("2026-01-01", "registry.example/a@sha256:01"),
        of("2026-01-02", "registry.example/a@sha256:02"),
    )
    assert verdict.digest([old, new]) == "sha256:02"
    assert verdict.digest([old, of("2026-01-03", "")]) == "sha256:01"
    assert verdict.digest([]) == ""


REFERENCE = {"name": "KEY", "secretRef": {"secret": {"name": "s", "key": "k"}}}
SPEC = MCPServerSpec.model_validate({"container": {"image": "a", "command": ["b"]}, "secrets": [REFERENCE]})


def test_secrets_that_are_missing_and_values_that_change() -> None:
    assert "there is no Secret 's'" in secrets.judged(SPEC, {"s": None}).missing
    assert "spec.secrets[0].secretRef.secret" in secrets.judged(SPEC, {"s": {"data": {"o": "x"}}}).missing
    one, other = (secrets.judged(SPEC, {"s": {"data": {"k": value}}}) for value in ("eA==", "eQ=="))
    assert one.hash
    assert one.hash != other.hash
    assert secrets.judged(SPEC, {"s": {"data": {"k": "eA==", "o": "z"}}}) == one, "other keys are no matter"


def test_only_the_controllers_own_part_of_a_status_is_written() -> None:
    theirs = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    thing = {"metadata": {"generation": 3}, "status": {"conditions": [theirs], "toolCount": 2}}
    found = [Condition("Ready", True, "Available", "1 of 1 pods answer")]
    wanted = statuses.part(thing, found, {"imageDigest": "sha256:1"}, "2026-01-01T00:00:00Z")
    assert [item["type"] for item in wanted["conditions"]] == ["Ready"]
    assert not statuses.is_said(thing, wanted)
    said = {**thing, "status": {**thing["status"], **wanted, "conditions": [theirs, *wanted["conditions"]]}}
    assert statuses.is_said(said, wanted)
    later = statuses.part(said, found, {"imageDigest": "sha256:1"}, "2026-01-02T00:00:00Z")
    assert later == wanted, "the time of a condition changes with its status alone"


def of_pool(name: str, ready: bool, template: str = "t", **meta: Any) -> dict[str, Any]:
    marks = {
        "labels": {"pod-template-hash": f"hash-of-{name}"},
        "annotations": {"quarterdeck.dev/template": template},
    }
    condition = {"type": "Ready", "status": str(ready)}
    names = {"name": name, "resourceVersion": "7", "creationTimestamp": name, **marks, **meta}
    return {"metadata": names, "status": {"conditions": [condition]}}


PENDING, WAITS = of_pool("pending", ready=False), of_pool("waits", ready=True)


@pytest.mark.parametrize(
    ("wanted", "serving", "warm", "claimed"),
    [
        (1, [PENDING], [WAITS], "waits"),
        (1, [PENDING], [of_pool("b", ready=True), of_pool("a", ready=True)], "a"),
        (1, [], [WAITS], ""),  # no place to take yet
        (0, [PENDING], [WAITS], ""),
        (1, [PENDING, of_pool("serves", ready=True)], [WAITS], ""),
        (2, [PENDING, of_pool("serves", ready=True)], [WAITS], "waits"),
        (1, [PENDING], [of_pool("waits", ready=False)], ""),
        (1, [PENDING], [of_pool("waits", ready=True, deletionTimestamp="now")], ""),
        (1, [PENDING], [of_pool("waits", ready=True, template="older")], ""),
        (1, [of_pool("p", ready=False, deletionTimestamp="now")], [WAITS], ""),
    ],
)
def test_which_pod_that_waits_is_claimed(wanted: int, serving: Any, warm: Any, claimed: str) -> None:
    found = claiming.to_claim(deployment(wanted), serving, warm)
    assert (found[0]["metadata"]["name"] if found else "") == claimed


def test_a_claim_holds_only_for_the_pod_as_it_was_seen() -> None:
    change = claiming.claim(WAITS, PENDING)["metadata"]
    assert change["resourceVersion"] == "7"
    assert change["labels"] == {"quarterdeck.dev/pool": "serving", "pod-template-hash": "hash-of-pending"}
