"""The kinds as the command line knows them: names, scope, columns.

A small table of its own, because the models in quarterdeck.resources take longer to import
than `qd get` may take to answer; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.table import Column


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name in manifests, its REST plural, short names, columns beside NAME, READY and AGE."""

    name: str
    plural: str
    short: tuple[str, ...] = ()
    cluster_scoped: bool = False
    columns: tuple[Column, ...] = ()

    def called(self, word: str) -> bool:
        """True if a person means this kind by `word`."""
        return word.lower() in (self.name.lower(), self.plural, *self.short)


KINDS: tuple[Kind, ...] = (
    Kind(
        "Agent",
        "agents",
        ("qdagent", "qdag"),
        columns=(Column("ROUTE", "spec.model.route"), Column("TIER", "spec.model.tier")),
    ),
    Kind(
        "Workflow",
        "workflows",
        ("qdworkflow", "qdwf"),
        columns=(Column("REVISION", "status.revision", wide=True),),
    ),
    Kind(
        "Trigger",
        "triggers",
        ("qdtrigger", "qdtr"),
        columns=(
            Column("TARGET", "spec.target.name"),
            Column("SCHEDULE", "spec.cron.schedule"),
            Column("NEXT", "status.nextTime"),
            Column("LAST", "status.lastTime"),
            Column("PAUSED", "spec.paused"),
        ),
    ),
    Kind("MCPServer", "mcpservers", ("qdserver", "qdmcp"), columns=(Column("TOOLS", "status.toolCount"),)),
    Kind("ModelRoute", "modelroutes", ("qdroute", "qdmr")),
    Kind(
        "MemoryCollection",
        "memorycollections",
        ("qdmemory", "qdmc"),
        columns=(Column("EMBEDDING", "status.embedding"), Column("POINTS", "status.points")),
    ),
    Kind(
        "ApprovalPolicy",
        "approvalpolicies",
        ("qdapproval", "qdap"),
        columns=(Column("QUORUM", "spec.quorum"), Column("EXPIRES", "spec.expiresAfter")),
    ),
    Kind("Policy", "policies", ("qdpolicy", "qdpol"), columns=(Column("PRIORITY", "spec.priority"),)),
    Kind(
        "PlatformPolicy",
        "platformpolicies",
        ("qdplatformpolicy", "qdpp"),
        cluster_scoped=True,
        columns=(Column("PRIORITY", "spec.priority"),),
    ),
    Kind(
        "Tenant",
        "tenants",
        ("qdtenant", "qdtn"),
        cluster_scoped=True,
        columns=(
            Column("NAMESPACE", "status.namespace"),
            Column("PLANE", "spec.dataPlane", wide=True),
            Column("SUSPENDED", "spec.suspended"),
        ),
    ),
    Kind("AccessRole", "accessroles", ("qdrole",)),
    Kind("AccessBinding", "accessbindings", ("qdbinding",), columns=(Column("ROLE", "spec.role"),)),
)


def find_kind(word: str) -> Kind:
    """Returns the kind that `word` names in any of its forms. Raises CliError."""
    for kind in KINDS:
        if kind.called(word):
            return kind
    raise CliError(
        f"unknown kind {word!r}",
        hint="kinds are: " + ", ".join(kind.plural for kind in KINDS) + "; runs: `qd runs list`",
        code=EXIT_USAGE,
    )


def split_target(word: str, name: str = "") -> tuple[str, str]:
    """Returns (kind, name) of "KIND/NAME" or "KIND" and a separate name."""
    kind, slash, inline = word.partition("/")
    return (kind, inline) if slash else (word, name)
