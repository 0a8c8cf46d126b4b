"""`make deploy` once more: what is as it was runs on, and an image that is another one is rolled out."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from cluster_kit.kubectl import CLUSTER, get, serving

IMAGE = "quarterdeck/egress-proxy:dev"
MOVED = "egress-proxy"


def deploy(**environment: str) -> None:
    command = [str(CLUSTER / "deploy")]
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=400, capture_output=True)


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


@pytest.mark.timeout(900)
def test_a_given_cluster_is_deployed_to(tmp_path: Path) -> None:
    """Our own one as if it were another's: what is in its nodes is not known there, so no pod says it."""
    given = str(shutil.copy(os.environ["KUBECONFIG"], tmp_path / "given.kubeconfig"))
    try:
        deploy(KUBECONFIG=given)
        assert images() == {""}
    finally:
        deploy()
    assert "" not in images()


def images() -> set[str]:
    """Returns what the pods of the Deployments say of their images."""
    templates = [one["spec"]["template"]["metadata"] for one in get("deployments")["items"]]
    return {str(one.get("annotations", {}).get("quarterdeck.dev/images", "")) for one in templates}
