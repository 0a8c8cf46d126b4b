"""kubectl on the cluster of $KUBECONFIG, and a way to what is inside."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

CLUSTER = Path(__file__).parents[3] / "hack" / "cluster"
NAMESPACE = "quarterdeck"
# Of the tenant `default`.
TENANT = "qd-default"


def program() -> str:
    """Returns the path of kubectl: the one installed, else the one that `make cluster-up` built."""
    found = shutil.which("kubectl")
    if found:
        return found
    answer = subprocess.run([CLUSTER / "bin"], capture_output=True, text=True, check=True)
    return f"{answer.stdout.strip()}/kubectl"


def kubectl(
    *words: str,
    namespace: str = NAMESPACE,
    check: bool = True,
    given: str | None = None,
    timeout: float = 60,
) -> str:
    """Runs kubectl and returns what it printed. Raises AssertionError.

    Args:
        namespace: empty where objects say theirs.
        check: False returns what was said of a failure, too.
    """
    command = [program(), *(("--namespace", namespace) if namespace else ()), *words]
    answer = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or answer.returncode == 0, f"kubectl {' '.join(words)}: {answer.stderr}"
    return answer.stdout if check else answer.stdout + answer.stderr


def get(*words: str, namespace: str = NAMESPACE) -> Any:
    """Returns the JSON of `kubectl get`."""
    return json.loads(kubectl("get", *words, "-o", "json", namespace=namespace))


def pods(service: str) -> list[dict[str, Any]]:
    """Returns the pods of a service that are not about to go."""
    found = get("pods", "-l", f"app.kubernetes.io/name={service}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def kill(pod: str) -> None:
    """Kills a pod as a crash does: no grace, nothing drained."""
    kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false", check=False)


def serving(service: str, timeout: float = 120) -> None:
    """Waits until every replica of a service is ready."""
    kubectl("rollout", "status", f"deployment/{service}", f"--timeout={timeout}s", timeout=timeout + 10)
