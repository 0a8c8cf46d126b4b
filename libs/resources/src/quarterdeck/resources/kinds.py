"""The registry of kinds, and reading an object of any of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from quarterdeck.resources.access import AccessBinding, AccessRole
from quarterdeck.resources.agent import Agent
from quarterdeck.resources.approvalpolicy import ApprovalPolicy
from quarterdeck.resources.constants import API_VERSION, CATEGORY, MAX_OBJECT_DEPTH
from quarterdeck.resources.errors import FieldError, ValidationFailed
from quarterdeck.resources.field_errors import closest, field_errors
from quarterdeck.resources.mcpserver import MCPServer
from quarterdeck.resources.memorycollection import MemoryCollection
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.modelroute import ModelRoute
from quarterdeck.resources.nesting import deeper_than
from quarterdeck.resources.policy import PlatformPolicy, Policy
from quarterdeck.resources.tenant import Tenant
from quarterdeck.resources.trigger import Trigger
from quarterdeck.resources.workflow import Workflow


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of `get`: its heading, the path of its value (`.spec.paused`), its type, wide output only."""

    name: str
    path: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class KindInfo:
    """How a kind is called and printed, and the model of its objects."""

    kind: str
    plural: str
    short_names: tuple[str, ...]
    model: type[Resource]
    columns: tuple[PrinterColumn, ...]
    cluster_scoped: bool = False
    pinned: bool = False
    """Whether a run keeps the revision it started with (else it reads the object at each use)."""
    categories: tuple[str, ...] = (CATEGORY,)

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def scope(self) -> Literal["Cluster", "Namespaced"]:
        """Scope as in a CRD."""
        return "Cluster" if self.cluster_scoped else "Namespaced"


def _condition(name: str) -> PrinterColumn:
    return PrinterColumn(name, f'.status.conditions[?(@.type=="{name}")].status')


_READY = _condition("Ready")
_REASON = PrinterColumn("Reason", '.status.conditions[?(@.type=="Ready")].reason', wide=True)
_AGE = PrinterColumn("Age", ".metadata.creationTimestamp", "date")


def _columns(*own: PrinterColumn) -> tuple[PrinterColumn, ...]:
    return (*own, _READY, _REASON, _AGE)


_ALL = (
    KindInfo(
        "Agent",
        "agents",
        ("qdagent", "qdag"),
        Agent,
        _columns(PrinterColumn("Route", ".spec.model.route"), PrinterColumn("Tier", ".spec.model.tier")),
        pinned=True,
    ),
    KindInfo(
        "Workflow",
        "workflows",
        ("qdworkflow", "qdwf"),
        Workflow,
        _columns(PrinterColumn("Revision", ".status.revision", wide=True)),
        pinned=True,
    ),
    KindInfo(
        "Trigger",
        "triggers",
        ("qdtrigger", "qdtr"),
        Trigger,
        _columns(
            PrinterColumn("Target", ".spec.target.name"),
            PrinterColumn("Schedule", ".spec.cron.schedule"),
            PrinterColumn("Next", ".status.nextTime"),
            PrinterColumn("Last", ".status.lastTime"),
            PrinterColumn("Paused", ".spec.paused", "boolean"),
        ),
    ),
    KindInfo(
        "MCPServer",
        "mcpservers",
        ("qdserver", "qdmcp"),
        MCPServer,
        _columns(PrinterColumn("Tools", ".status.toolCount", "integer")),
    ),
    KindInfo("ModelRoute", "modelroutes", ("qdroute", "qdmr"), ModelRoute, _columns()),
    KindInfo(
        "MemoryCollection",
        "memorycollections",
        ("qdmemory", "qdmc"),
        MemoryCollection,
        _columns(
            PrinterColumn("Embedding", ".status.embedding"),
            PrinterColumn("Points", ".status.points", "integer"),
        ),
    ),
    KindInfo(
        "ApprovalPolicy",
        "approvalpolicies",
        ("qdapproval", "qdap"),
        ApprovalPolicy,
        _columns(
            PrinterColumn("Quorum", ".spec.quorum", "integer"), PrinterColumn("Expires", ".spec.expiresAfter")
        ),
    ),
    KindInfo(
        "Policy",
        "policies",
        ("qdpolicy", "qdpol"),
        Policy,
        _columns(PrinterColumn("Priority", ".spec.priority", "integer")),
    ),
    KindInfo(
        "PlatformPolicy",
        "platformpolicies",
        ("qdplatformpolicy", "qdpp"),
        PlatformPolicy,
        _columns(PrinterColumn("Priority", ".spec.priority", "integer")),
        cluster_scoped=True,
    ),
    KindInfo(
        "Tenant",
        "tenants",
        ("qdtenant", "qdtn"),
        Tenant,
        _columns(
            PrinterColumn("Namespace", ".status.namespace"),
            PrinterColumn("Plane", ".spec.dataPlane", wide=True),
            PrinterColumn("Suspended", ".spec.suspended", "boolean"),
        ),
        cluster_scoped=True,
    ),
    KindInfo("AccessRole", "accessroles", ("qdrole",), AccessRole, _columns()),
    KindInfo(
        "AccessBinding",
        "accessbindings",
        ("qdbinding",),
        AccessBinding,
        _columns(PrinterColumn("Role", ".spec.role")),
    ),
)

KINDS: dict[str, KindInfo] = {info.kind: info for info in _ALL}
"""Every kind by its name."""

_BY_ANY_NAME = {name.lower(): info for info in _ALL for name in (info.kind, info.plural, *info.short_names)}


def find_kind(name: str) -> KindInfo | None:
    """Return the kind called `name`: kind, plural or short name, in any case; None when there is none."""
    return _BY_ANY_NAME.get(name.lower().removesuffix(f".{API_VERSION.split('/')[0]}"))


def parse_object(data: Mapping[str, Any]) -> Resource:
    """Read one object, defaults filled in. Raises `ValidationFailed` with every error found.

    This is the verdict of the schema: the same as the CRD's. `validation.validate` goes beyond it.
    """
    info = _kind_of(data)
    if deeper_than(data, MAX_OBJECT_DEPTH):
        raise ValidationFailed(
            [FieldError("", f"the object is nested deeper than {MAX_OBJECT_DEPTH} levels")]
        )
    try:
        return info.model.model_validate(dict(data), by_alias=True, by_name=False)
    except ValidationError as error:
        raise ValidationFailed(field_errors(error, info.model)) from None


def _kind_of(data: Mapping[str, Any]) -> KindInfo:
    if not isinstance(data, Mapping):
        raise ValidationFailed(
            [FieldError("", "an object is needed", "it has apiVersion, kind, metadata, spec")]
        )
    kind = data.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    if kind is None:
        raise ValidationFailed([FieldError("kind", "the field is missing", f"one of {', '.join(KINDS)}")])
    hint = closest(str(kind), list(KINDS)) or f"one of {', '.join(KINDS)}"
    raise ValidationFailed([FieldError("kind", f"there is no kind {kind!r}", hint)])
