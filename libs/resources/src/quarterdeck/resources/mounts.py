"""What a tool server's pod finds in its file system beside its image: secrets as files, and volumes."""

import re
from typing import Annotated

from pydantic import Field, StringConstraints

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule, exactly_one
from quarterdeck.resources.scalars import Label
from quarterdeck.resources.secret_sources import SecretKey

# No segment is `.` or `..`.
ABSOLUTE_PATH_PATTERN = "^(/[.]?[-A-Za-z0-9_][-A-Za-z0-9_.]*)+$"
QUANTITY_PATTERN = "^[1-9][0-9]{0,8}(k|M|G|Ki|Mi|Gi)?$"

AbsolutePath = Annotated[str, StringConstraints(min_length=2, max_length=256, pattern=ABSOLUTE_PATH_PATTERN)]
"""An absolute path without `.` and `..`."""

Quantity = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=QUANTITY_PATTERN)]
"""An amount of bytes in Kubernetes' notation, like `64Mi`."""

# The platform's own folders, and with all that is below, the bridge's and the system's.
KEPT_PATHS = "^(/home/tool|/tmp|(/quarterdeck|/proc|/sys|/dev)(/.*)?)$"

FREE_PATH = Rule(
    "/home/tool, /tmp, /quarterdeck, /proc, /sys and /dev are not its author's",
    f"!self.path.matches('{KEPT_PATHS}')",
    lambda mount: re.match(KEPT_PATHS, mount.path) is None,
    field="path",
)


class SecretFile(Model):
    """A secret value as a file that only the server's user may read."""

    RULES = (FREE_PATH,)

    path: AbsolutePath = Field(description="The file.")
    secret: SecretKey = Field(description="What is in it.")


class EmptyVolume(Model):
    """A folder of the pod's own, empty at first, gone with the pod."""

    size_limit: Quantity = Field("256Mi", description="With more in it the pod is put out.")


class ClaimedVolume(Model):
    """What a PersistentVolumeClaim of the tenant's namespace holds."""

    claim_name: Label = Field(min_length=1, description="The PersistentVolumeClaim.")


class ConfigVolume(Model):
    """The keys of a ConfigMap of the tenant's namespace as files."""

    name: Label = Field(min_length=1, description="The ConfigMap.")


class Volume(Model):
    """A folder in the pod, and where it comes from."""

    RULES = (exactly_one("empty_dir", "persistent_volume_claim", "config_map"), FREE_PATH)

    path: AbsolutePath = Field(description="Where it is.")
    read_only: bool = Field(False, description="Nothing may be written there.")
    empty_dir: EmptyVolume | None = Field(None, description="A folder of the pod's own.")
    persistent_volume_claim: ClaimedVolume | None = Field(None, description="A claim.")
    config_map: ConfigVolume | None = Field(None, description="A ConfigMap; always read-only.")
