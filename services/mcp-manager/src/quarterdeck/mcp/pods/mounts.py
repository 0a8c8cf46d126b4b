"""The volumes of a tool pod: the platform's, secrets as files, and its author's."""

from __future__ import annotations

from quarterdeck.mcp.pods.names import BRIDGE_FOLDER, HOME, TEMPORARY
from quarterdeck.mcp.pods.settings import Manifest
from quarterdeck.resources.mcpserver import ContainerServer
from quarterdeck.resources.mounts import SecretFile, Volume

BRIDGE_MOUNT: Manifest = {"name": "bridge", "mountPath": BRIDGE_FOLDER}
# For the server's user, by the pod's group, and for nobody else.
_SECRET_MODE = 0o440


def volumes(container: ContainerServer) -> list[Manifest]:
    """Returns the pod's volumes, in the order of what is mounted."""
    return [
        *({"name": name, "emptyDir": {}} for name in ("bridge", "home", "tmp")),
        *(_of_secret(index, file) for index, file in enumerate(container.secret_files)),
        *({"name": _volume(index), **_source(one)} for index, one in enumerate(container.volumes)),
    ]


def mounts(container: ContainerServer) -> list[Manifest]:
    """Returns what the server's container mounts."""
    return [
        {**BRIDGE_MOUNT, "readOnly": True},
        {"name": "home", "mountPath": HOME},
        {"name": "tmp", "mountPath": TEMPORARY},
        *(_file(index, file) for index, file in enumerate(container.secret_files)),
        *(_folder(index, one) for index, one in enumerate(container.volumes)),
    ]


def _of_secret(index: int, file: SecretFile) -> Manifest:
    items = [{"key": file.secret.key, "path": _base(file)}]
    source = {"secretName": file.secret.name, "items": items, "defaultMode": _SECRET_MODE}
    return {"name": _secret(index), "secret": source}


def _file(index: int, file: SecretFile) -> Manifest:
    """One file, beside whatever the image has in that folder. It follows no change: the pods roll."""
    return {"name": _secret(index), "mountPath": file.path, "subPath": _base(file), "readOnly": True}


def _folder(index: int, volume: Volume) -> Manifest:
    read_only = volume.read_only or volume.config_map is not None
    return {
        "name": _volume(index),
        "mountPath": volume.path,
        **({"readOnly": True} if read_only else {}),
    }


def _source(volume: Volume) -> Manifest:
    if volume.empty_dir is not None:
        return {"emptyDir": {"sizeLimit": volume.empty_dir.size_limit}}
    if volume.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {"claimName": volume.persistent_volume_claim.claim_name}}
    assert volume.config_map is not None, "the schema wants one of three"
    return {"configMap": {"name": volume.config_map.name}}


def _base(file: SecretFile) -> str:
    return file.path.rpartition("/")[2]


# Numbers: a name of the author's could be one of ours.
def _secret(index: int) -> str:
    return f"secret-{index}"


def _volume(index: int) -> str:
    return f"volume-{index}"
