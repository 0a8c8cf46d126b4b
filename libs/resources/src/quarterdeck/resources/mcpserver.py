"""Kind `MCPServer`: a tool server, how it runs, and what its author says about its tools."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.agent import ToolNames
from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.mounts import SecretFile, Volume
from quarterdeck.resources.rules import Rule, Unique, exactly_one
from quarterdeck.resources.scalars import (
    Condition,
    Duration,
    Host,
    JsonObject,
    Label,
    Name,
    NonEmpty,
    RoutePath,
    StringMap,
    TemplateText,
    Text,
    ToolName,
    Url,
)
from quarterdeck.resources.secret_sources import NamedSecret

Argument = Annotated[str, StringConstraints(max_length=4_096)]
Command = Annotated[list[Argument], Field(max_length=64)]


class LocalServer(Model):
    """A child process that speaks MCP on stdin and stdout; embedded platform only."""

    command: Command = Field(min_length=1, description="Program and arguments.")
    env: StringMap = Field(default={}, description="Environment variables.")
    working_directory: NonEmpty | None = Field(
        None, description="Where it runs, relative to the manifest; absent: the manifest's directory."
    )


class RemoteServer(Model):
    """A server that is reached over Streamable HTTP."""

    url: Url = Field(description="The MCP endpoint.")
    headers: StringMap = Field(default={}, description="Headers of every request.")
    secret_headers: Annotated[list[NamedSecret], Field(max_length=32), Unique("name")] = Field(
        default=[], description="Headers whose values are secret."
    )


class ResourceAmounts(Model):
    """CPU and memory in Kubernetes' notation."""

    requests: StringMap = Field(default={}, description="What is reserved.")
    limits: StringMap = Field(default={}, description="What is the most.")


class Toleration(Model):
    """A taint of nodes that does not keep the pod away, as Kubernetes writes it."""

    RULES = (
        Rule(
            "operator Exists takes no value",
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
            lambda toleration: toleration.operator != "Exists" or toleration.value is None,
            field="value",
        ),
        Rule(
            "operator Equal needs key",
            "(has(self.operator) && self.operator == 'Exists') || has(self.key)",
            lambda toleration: toleration.operator != "Equal" or toleration.key is not None,
            field="key",
        ),
    )

    key: NonEmpty | None = Field(None, description="The taint; absent with operator Exists: any.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="How value is compared.")
    value: Label | None = Field(None, description="The taint's value; absent: empty.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; absent: any."
    )


class ContainerServer(Model):
    """A pod that the platform runs; cluster only."""

    RULES = (
        Rule(
            "a stdio server needs command, because the image's own entry point is wrapped",
            "self.transport != 'stdio' || size(self.command) > 0",
            lambda server: server.transport != "stdio" or bool(server.command),
            field="command",
        ),
        Rule(
            "a file and a volume are at the same path",
            "self.secretFiles.filter(f, self.volumes.filter(v, v.path == f.path).size() > 0).size() == 0",
            lambda server: (
                not {one.path for one in server.secret_files} & {one.path for one in server.volumes}
            ),
            field="volumes",
        ),
    )

    image: NonEmpty = Field(description="The container image.")
    command: Command = Field(default=[], description="Program and arguments that replace the entry point.")
    args: Command = Field(default=[], description="Further arguments.")
    transport: Literal["stdio", "http"] = Field("stdio", description="How the server speaks.")
    port: int = Field(8080, ge=1, le=65_535, description="Port of an http server.")
    path: RoutePath = Field("/mcp", description="Path of an http server's endpoint.")
    env: StringMap = Field(default={}, description="Environment variables.")
    secret_files: Annotated[list[SecretFile], Field(max_length=16), Unique("path")] = Field(
        default=[], description="Secret values as files."
    )
    volumes: Annotated[list[Volume], Field(max_length=16), Unique("path")] = Field(
        default=[], description="Folders beside its image."
    )
    resources: ResourceAmounts = Field(ResourceAmounts(), description="CPU and memory.")
    image_pull_secrets: Annotated[list[Name], Field(max_length=16), Unique()] = Field(
        default=[], description="Secrets to pull the image with."
    )
    run_as_user: int = Field(65_532, ge=1, le=4_294_967_294, description="Numeric user id.")
    runtime_class_name: Name | None = Field(None, description="The RuntimeClass.")
    node_selector: StringMap = Field(default={}, description="Labels of nodes it may run on.")
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(
        default=[], description="Taints of nodes that do not keep it away."
    )


class UncertainCheck(Model):
    """How to find out whether a call whose outcome was lost took effect."""

    tool: ToolName = Field(description="A read-only tool of the same server.")
    arguments: JsonObject = Field(
        default={}, description="A template over `arguments`, those of the lost call."
    )
    done: Condition = Field(description="Over `result` and `arguments`: true if the call took effect.")
    not_done: Condition | None = Field(
        None, description="True if it certainly did not; absent: when `done` is false."
    )
    outcome: TemplateText | None = Field(
        None, description="A template over `result`: the outcome to record when done; absent: `result`."
    )


CallRate = Annotated[int, Field(ge=1, le=1_000_000)]


class ToolSetting(Model):
    """What the author says about one tool."""

    RULES = (
        Rule(
            "onUncertain: check needs check",
            "!has(self.onUncertain) || self.onUncertain != 'check' || has(self.check)",
            lambda tool: tool.on_uncertain != "check" or tool.check is not None,
            field="check",
        ),
        Rule(
            "cacheTtl needs effect readOnly",
            "!has(self.cacheTtl) || self.effect == 'readOnly'",
            lambda tool: tool.cache_ttl is None or tool.effect == "readOnly",
            field="cacheTtl",
        ),
    )

    name: ToolName = Field(description="The tool.")
    effect: Literal["write", "idempotent", "readOnly"] = Field(
        "write", description="What a call does; only idempotent and readOnly calls are repeated unasked."
    )
    on_uncertain: Literal["retry", "check", "ask", "fail"] | None = Field(
        None,
        description="When an outcome was lost; absent: check if there is one, retry if harmless, else ask.",
    )
    check: UncertainCheck | None = Field(None, description="How to find out.")
    timeout: Duration | None = Field(None, description="Longest call; absent: the server's callTimeout.")
    cache_ttl: Duration | None = Field(
        None, description="How long an equal call gets the same result; readOnly tools only; absent: never."
    )
    calls_per_minute: CallRate | None = Field(None, description="Most calls a minute; absent: any number.")


class Pinning(Model):
    """What happens when a tool changes its description or schema."""

    mode: Literal["off", "onFirstUse", "strict"] = Field(
        "off",
        description="off: accept; onFirstUse: hold a change until it is accepted; strict: refuse unknown.",
    )


class ServerLimits(Model):
    """Bounds of every call."""

    call_timeout: Duration = Field("60s", description="Longest call.")
    result_bytes: int = Field(1_048_576, ge=1_024, le=67_108_864, description="Largest result, in bytes.")
    message_bytes: int = Field(
        16_777_216, ge=65_536, le=268_435_456, description="Largest protocol message, in bytes."
    )
    concurrency: int = Field(8, ge=1, le=1_000, description="Most calls at a time.")
    calls_per_minute: CallRate | None = Field(
        None, description="Most calls a minute of all tools together; absent: any number."
    )


class Restart(Model):
    """How a process that ended is started again."""

    initial_delay: Duration = Field("1s", description="First pause.")
    max_delay: Duration = Field("1m", description="Longest pause.")
    crash_loop_after: int = Field(
        5, ge=1, le=1_000, description="After so many failures in a row the server is not ready."
    )


class Scaling(Model):
    """How many there are."""

    RULES = (
        Rule(
            "minReplicas is more than maxReplicas",
            "self.minReplicas <= self.maxReplicas",
            lambda scaling: scaling.min_replicas <= scaling.max_replicas,
            field="min_replicas",
        ),
    )

    min_replicas: int = Field(0, ge=0, le=1_000, description="Fewest; 0 lets it sleep.")
    max_replicas: int = Field(1, ge=1, le=1_000, description="Most.")
    idle_timeout: Duration = Field("10m", description="Stop one that has had no call for this long.")
    warm_pool: int = Field(0, ge=0, le=100, description="Started ahead of need.")


class MCPServerSpec(Model):
    """A tool server and its bounds."""

    RULES = (
        exactly_one("local", "remote", "container"),
        Rule(
            "trustAnnotations needs pinning, or a server could change its word",
            "!self.trustAnnotations || self.pinning.mode != 'off'",
            lambda spec: not spec.trust_annotations or spec.pinning.mode != "off",
            field="trust_annotations",
        ),
    )

    description: Text = Field("", description="What its tools are for.")
    local: LocalServer | None = Field(None, description="A child process (embedded).")
    remote: RemoteServer | None = Field(None, description="A server elsewhere.")
    container: ContainerServer | None = Field(None, description="A pod (cluster).")
    allowed_tools: ToolNames | None = Field(None, description="Tools that may be used; absent: all.")
    tools: Annotated[list[ToolSetting], Field(max_length=256), Unique("name")] = Field(
        default=[], description="What the author says about its tools."
    )
    isolation: Literal["session", "shared"] = Field(
        "session", description="Whether callers' sessions get processes of their own."
    )
    trust_annotations: bool = Field(
        False, description="Believe the server when it calls a tool read-only or idempotent; needs pinning."
    )
    pinning: Pinning = Field(Pinning(), description="What happens when a tool changes.")
    limits: ServerLimits = Field(ServerLimits(), description="Bounds of every call.")
    restart: Restart = Field(Restart(), description="How it is started again.")
    egress: Annotated[list[Host], Field(max_length=128), Unique()] = Field(
        default=[], description="Hosts it may reach (cluster)."
    )
    secrets: Annotated[list[NamedSecret], Field(max_length=64), Unique("name")] = Field(
        default=[], description="Environment variables whose values are secret."
    )
    scaling: Scaling = Field(Scaling(), description="How many there are.")


class ToolSummary(Model):
    """One tool as the server describes it."""

    name: Label = Field(description="Its name.")
    description: Text = Field("", description="The first words of its description.")
    schema_hash: Label = Field("", description="SHA-256 of its description and schemas.")


class MCPServerStatus(Status):
    """What the platform found about a tool server."""

    tools: list[ToolSummary] = Field(default=[], max_length=512, description="Tools it has.")
    tool_count: int | None = Field(None, description="How many tools may be used.")
    restarts: int | None = Field(None, description="Failed starts in a row.")
    image_digest: Label | None = Field(None, description="Digest of the image that its pods run (container).")


class MCPServer(Resource):
    """A tool server: a local command, a remote URL or a container."""

    kind: Literal["MCPServer"] = Field("MCPServer", description="MCPServer.")
    spec: MCPServerSpec = Field(description="What the server is.")
    status: MCPServerStatus | None = Field(None, description="What the platform found.")
