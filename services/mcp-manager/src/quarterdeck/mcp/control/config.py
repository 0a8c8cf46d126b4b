"""The controller's own settings: environment variables `QD_MCP_CONTROLLER_…`."""

from __future__ import annotations

import os

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from quarterdeck.mcp.pods.settings import PodSettings, Proxy


class ControllerSettings(BaseSettings):
    """What tool pods are given, and how the controller works."""

    model_config = SettingsConfigDict(
        env_prefix="QD_MCP_CONTROLLER_", env_file=os.environ.get("QD_ENV_FILE"), extra="ignore"
    )

    bridge_image: str = Field(
        default="quarterdeck/bridge:dev", description="The image whose program the bridge is."
    )
    manager_namespace: str = Field(
        default="quarterdeck", description="Where the manager's pods are: they alone may call tool pods."
    )
    manager_labels: dict[str, str] = Field(
        default={"app.kubernetes.io/name": "mcp-manager"}, description="Labels of the manager's pods."
    )
    proxy_service: str = Field(
        default="egress-proxy",
        description="The Service of the egress proxy, beside the manager. While there is none, servers that "
        "name hosts are not started.",
    )
    proxy_port: int = Field(default=3128, description="The port that the proxy listens on in its pods.")
    proxy_labels: dict[str, str] = Field(
        default={"app.kubernetes.io/name": "egress-proxy"}, description="Labels of the egress proxy's pods."
    )
    lease_namespace: str = Field(
        default="default", description="Namespace of the Lease by which the controller's replicas take turns."
    )
    secret_period: float = Field(
        default=60.0, gt=0, description="Seconds between two looks at the Secrets of a server that has some."
    )
    workers: int = Field(default=4, ge=1, description="Servers reconciled at a time.")

    def pods(self, proxy_address: str) -> PodSettings:
        """Returns what the rendering is told of these.

        Args:
            proxy_address: of the proxy's Service; empty: there is none.
        """
        url = f"http://{proxy_address}:{self.proxy_port}"
        proxy = Proxy(url, self.proxy_port, self.manager_namespace, self.proxy_labels)
        return PodSettings(
            self.bridge_image, self.manager_namespace, self.manager_labels, proxy if proxy_address else None
        )
