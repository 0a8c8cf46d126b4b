"""`make deploy` once more: what is as it was runs on, and an image that is another one is rolled out."""

from __future__ import annotations

import subprocess
import uuid

import pytest
from cluster_kit.kubectl import CLUSTER, get, serving

IMAGE = "quarterdeck/egress-proxy:dev"
MOVED = "egress-proxy"


def deploy() -> None:
    subprocess.run([CLUSTER / "deploy"], check=True, timeout=300, capture_output=True)


def running() -> dict[str, set[str]]:
    """Returns the pods of each Deployment that are not about to go, by its name."""
    found: dict[str, set[str]] = {}
    for pod in get("pods")["items"]:
        if "deletionTimestamp" not in pod["metadata"]:
            name = pod["metadata"]["labels"]["app.kubernetes.io/name"]
            found.setdefault(name, set()).add(pod["metadata"]["uid"])
    return found


@pytest.mark.timeout(400)
def test_only_what_has_another_image_under_the_same_tag_gets_new_pods() -> None:
    deploy()
    before = running()
    deploy()
    assert running() == before, "nothing had changed"
    mark = f"suite.deploy={uuid.uuid4().hex[:6]}"
    command = [str(CLUSTER / "image"), "relabel", mark, "dev", IMAGE]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    deploy()
    serving(MOVED)
    after = running()
    assert not after.pop(MOVED) & before.pop(MOVED)
    assert after == before, "the others run on"
