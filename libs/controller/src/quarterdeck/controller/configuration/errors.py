"""Why no API server could be found."""

from __future__ import annotations

HINT = "run it in a pod with a service account, or set KUBECONFIG"


class NoCluster(Exception):
    """There is no configuration of a cluster, or it cannot be used.

    Attributes:
        message: what is wrong, in one sentence with the file and the field.
        where: the file and the field alone, as `/home/me/.kube/config: users[dev].exec`.
        hint: what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = HINT) -> None:
        self.message = f"there is no cluster: {where}: {what}" if where else f"there is no cluster: {what}"
        self.where = where
        self.hint = hint
        super().__init__(self.message)
