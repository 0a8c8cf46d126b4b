"""Credentials from a program that a kubeconfig names (`exec`), by client.authentication.k8s.io/v1."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from quarterdeck.controller.configuration.credentials import Credentials
from quarterdeck.controller.configuration.errors import NoCluster
from quarterdeck.controller.configuration.kubeconfig import Part

VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1"))
CONFIG = "client.authentication.k8s.io/exec"
# Less than a request has in all, so that whoever waits hears of the program and not of a time-out.
SECONDS = 25.0
# Credentials that end this soon are asked for again; longer than they are kept without a look.
MARGIN = 60.0
_PASSED_ON = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")


class Plugin:
    """See the module. What the program says is kept until it expires or the server does not trust it.

    Args:
        clock: seconds since 1970, for what expires.
    """

    def __init__(self, user: Part, cluster: Part, clock: Callable[[], float] = time.time) -> None:
        self._user = user
        self._clock = clock
        self._kept: tuple[Credentials, float] | None = None
        self._call = user.content["exec"] or {}
        self._command = _command(user, self._call)
        self._given = _given(user, self._call)
        self._information = json.dumps(_information(self._call, cluster))

    def read(self, *, anew: bool) -> Credentials:
        """Returns what is kept, else runs the program."""
        if anew or self._kept is None or self._kept[1] - MARGIN <= self._clock():
            self._kept = credentials_of(self._run(), self._call["apiVersion"], self._refused)
        return self._kept[0]

    def _run(self) -> bytes:
        environment = {**os.environ, **self._given, "KUBERNETES_EXEC_INFO": self._information}
        try:
            process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise self._refused(f"cannot be run: {error.strerror or error}") from None
        return self._answer(process)

    def _answer(self, process: subprocess.Popen[bytes]) -> bytes:
        with process:
            try:
                out, said = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                # What it has started may hold its output open.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise self._refused(f"did not answer within {SECONDS:g} s") from None
        if process.returncode:
            last = " ".join(said.decode(errors="replace").split())[-300:]
            raise self._refused(f"ended with {process.returncode}: {last}")
        return out

    def _refused(self, what: str) -> NoCluster:
        hint = " ".join(str(self._call.get("installHint") or "").split())
        return self._user.wrong("exec", f"{self._command[0]} {what}", hint or f"try it: {self._command[0]}")


def _command(user: Part, call: Any) -> list[str]:
    if not isinstance(call, dict) or not call.get("command"):
        raise user.wrong("exec.command", "is missing")
    if call.get("apiVersion") not in VERSIONS:
        raise user.wrong("exec.apiVersion", f"{call.get('apiVersion')!r} is none of {', '.join(VERSIONS)}")
    if call.get("interactiveMode") == "Always":
        raise user.wrong("exec.interactiveMode", "there is nobody to talk to the program")
    command = str(call["command"])
    if os.sep in command:  # else it is looked for in PATH
        command = str(user.file.parent / command)
    return [command, *(str(each) for each in call.get("args") or [])]


def _given(user: Part, call: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {str(each["name"]): str(each["value"]) for each in call.get("env") or []}
    except (TypeError, KeyError):
        raise user.wrong("exec.env", "must be a list of names and values") from None


def _information(call: Mapping[str, Any], cluster: Part) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": False}
    if call.get("provideClusterInfo"):
        told = {name: cluster.content[name] for name in _PASSED_ON if name in cluster.content}
        if (authority := cluster.bytes("certificate-authority")) is not None:
            told["certificate-authority-data"] = base64.b64encode(authority).decode()
        for extension in cluster.content.get("extensions") or []:
            if isinstance(extension, dict) and extension.get("name") == CONFIG:
                told["config"] = extension.get("extension")
        spec["cluster"] = told
    return {"apiVersion": call["apiVersion"], "kind": "ExecCredential", "spec": spec}


def credentials_of(
    answer: bytes, version: str, refused: Callable[[str], NoCluster]
) -> tuple[Credentials, float]:
    """Returns what a program's answer holds, and when it expires in seconds since 1970 (infinity: never).

    Args:
        version: in which it was asked.
        refused: makes the error of an answer that is none.
    """
    try:
        told = json.loads(answer)
        status = told["status"]
        token, certificate, key = (
            str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
        )
        expires = status.get("expirationTimestamp")
        until = datetime.fromisoformat(expires).timestamp() if expires else float("inf")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise refused(f"did not answer with an ExecCredential: {error!r}") from None
    if told.get("apiVersion") != version:
        raise refused(f"answered in {told.get('apiVersion')!r}, was asked in {version!r}")
    if bool(certificate) != bool(key) or not (token or certificate):
        raise refused("answered without a token, and without a certificate and its key")
    pair = (certificate.encode(), key.encode()) if certificate else None
    return Credentials(f"Bearer {token}" if token else "", pair), until
