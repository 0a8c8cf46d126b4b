"""`kubectl quarterdeck`: `qd` under another name, in the place where kubectl is.

kubectl hands a plug-in its words and the environment, nothing else. What kubectl would do by its
configuration is done here: the namespace of the current context (or of `-n`, `--namespace`) gives the tenant,
and a context of qd that is called as kubectl's is taken. No credential of the API server is ever sent to the
gateway: it is made for another audience.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = "kubectl quarterdeck"
# Namespaces that a Tenant gets by its name.
NAMESPACE_PREFIX = "qd-"
_NAMESPACE = ("-n", "--namespace")
_KUBECONFIG = "--kubeconfig"


def tenant_of(namespace: str) -> str:
    """Returns the tenant of a namespace: by its name, as the registry gives namespaces."""
    return namespace.removeprefix(NAMESPACE_PREFIX)


def translated(words: Sequence[str]) -> tuple[list[str], str]:
    """Returns the words with kubectl's options as qd has them, and what `--kubeconfig` said."""
    found: list[str] = []
    named, rest = "", iter(words)
    for word in rest:
        option, given, value = word.partition("=")
        if option in (*_NAMESPACE, _KUBECONFIG):
            value = value if given else next(rest, "")
            if option == _KUBECONFIG:
                named = value
            else:
                found += ["--tenant", tenant_of(value)]
        elif word == "--":
            found += [word, *rest]
        else:
            found.append(word)
    return found, named


def merged(files: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the current context's name and namespace; the first file that says it counts, as in kubectl."""
    current = next((str(file["current-context"]) for file in files if file.get("current-context")), "")
    contexts = [each for file in files for each in file.get("contexts") or () if each.get("name") == current]
    context = (contexts[0].get("context") or {}) if contexts else {}
    return {"context": current, "namespace": str(context.get("namespace") or "")}


def defaults(
    kubeconfig: Mapping[str, str], known: Collection[str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Returns the variables of qd that follow from kubectl's configuration; those that are set stay.

    Args:
        known: the contexts that qd's own configuration has.
    """
    found = {}
    if kubeconfig["context"] in known and not {"QD_CONTEXT", "QD_SERVER"} & environment.keys():
        found["QD_CONTEXT"] = kubeconfig["context"]
    if kubeconfig["namespace"] and "QD_TENANT" not in environment:
        found["QD_TENANT"] = tenant_of(kubeconfig["namespace"])
    return found


def read(named: str) -> dict[str, str]:
    """Reads kubectl's configuration: of `--kubeconfig`, else $KUBECONFIG, else ~/.kube/config."""
    import yaml

    paths = [named] if named else os.environ.get("KUBECONFIG", "").split(os.pathsep)
    files = []
    for path in [Path(each) for each in paths if each] or [Path("~/.kube/config").expanduser()]:
        try:
            found = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError):
            continue  # as kubectl does with files that are not there
        files.append(found if isinstance(found, dict) else {})
    return merged(files)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the plug-in and returns its exit code."""
    import sys

    from quarterdeck.cli import main as qd
    from quarterdeck.cli.contexts import load_configuration
    from quarterdeck.cli.errors import CliError

    words, named = translated(sys.argv[1:] if arguments is None else arguments)
    try:
        known = {context.name for context in load_configuration().contexts}
    except CliError:  # said by whatever needs it
        known = set()
    os.environ.update(defaults(read(named), known, os.environ))
    return qd.main(words, program=PROGRAM)


if __name__ == "__main__":
    raise SystemExit(main())
