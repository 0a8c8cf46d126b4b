"""Every expression compiles, with the types that are known, and reads only what is there."""

from collections.abc import Iterator, Mapping

from quarterdeck.resources import known_schemas as schemas
from quarterdeck.resources.cel_environment import DYN, LIST
from quarterdeck.resources.cel_paths import Path
from quarterdeck.resources.errors import ExpressionError, FieldError, join_path, shorten
from quarterdeck.resources.expressions import Expression
from quarterdeck.resources.field_errors import closest
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.sites import Site, sites
from quarterdeck.resources.templates import Located, compile_condition, compile_template
from quarterdeck.resources.validation.graph import reachable, successors
from quarterdeck.resources.workflow import Workflow

NODE_FIELDS = ("output", "error", "visits")
"""What `nodes.<name>` has: its last output, its last error, how often it was visited."""


def expressions(resource: Resource, find: schemas.Find = schemas.nothing) -> Iterator[FieldError]:
    """Check every expression of an object; `find` gives what is known of the objects that it names."""
    known = schemas.known_schemas(resource, find)
    typed = schemas.variables(known)
    for site in sites(resource):
        seen = schemas.at_site(resource, site, known)
        try:
            found = _compile_site(site, typed | schemas.variables(seen))
        except ExpressionError as error:
            yield _error(resource, site, error)
            continue
        for located in found:
            yield from _reads(resource, site, located, {**known, **seen})


def untyped(resource: Resource, find: schemas.Find = schemas.nothing) -> list[str]:
    """Return the paths of expressions whose type is only known at run time; they must compile."""
    known = schemas.known_schemas(resource, find)
    typed = schemas.variables(known)
    return [
        join_path(site.path, located.path)
        for site in sites(resource)
        for located in _compile_site(site, typed | schemas.variables(schemas.at_site(resource, site, known)))
        if located.expression.result_type == DYN
    ]


def _compile_site(site: Site, typed: Mapping[str, str]) -> tuple[Located, ...]:
    """Compile a site's expressions, type-checked. Raises `ExpressionError`."""
    variables = {**site.variables, **typed} if "input" in site.variables else site.variables
    if site.kind == "condition":
        return (Located("", compile_condition(site.value, variables)),)
    found = compile_template(site.value, variables).expressions
    if site.path.endswith(".map.items"):
        _check_list(site.value, found)
    return found


def _check_list(text: str, found: tuple[Located, ...]) -> None:
    kinds = [located.expression.result_type for located in found]
    if len(kinds) != 1 or text != f"${{{found[0].expression.text}}}":
        raise ExpressionError("the items are exactly one '${…}' that gives a list", text)
    if not kinds[0].startswith(("list", DYN)):
        raise ExpressionError(f"the items are a {LIST.split('<')[0]}, not {kinds[0]}", text)


def _error(resource: Resource, site: Site, error: ExpressionError) -> FieldError:
    at = "" if error.position is None else f" at character {error.position + 1}"
    hint = _dash_hint(resource, error.expression) or f"in {shorten(error.expression, 80)}"
    return FieldError(join_path(site.path, error.path), f"{error.message}{at}", hint)


def _dash_hint(resource: Resource, text: str) -> str:
    """Return a hint when a node's name with `-` was written as if it were one word (CEL subtracts)."""
    names = [node.name for node in resource.spec.nodes] if isinstance(resource, Workflow) else []
    dashed = next((name for name in names if "-" in name and f"nodes.{name}" in text), None)
    return f"a name with '-' is written nodes['{dashed}']" if dashed else ""


def _reads(resource: Resource, site: Site, located: Located, known: schemas.Schemas) -> Iterator[FieldError]:
    where = join_path(site.path, located.path)
    for path in located.expression.paths:
        if problem := schemas.unknown_read(path, known):
            yield FieldError(where, *problem)
        if path[0] == "nodes" and isinstance(resource, Workflow):
            yield from _reads_node(resource, site, where, path, located.expression)


def _reads_node(
    workflow: Workflow, site: Site, where: str, path: Path, expression: Expression
) -> Iterator[FieldError]:
    names = [node.name for node in workflow.spec.nodes]
    if len(path) == 1:
        return
    if path[1] not in names:
        hint = closest(path[1], names) or f"nodes: {', '.join(names[:20])}"
        yield FieldError(
            where, f"there is no node {path[1]!r}", _dash_hint(workflow, expression.text) or hint
        )
    elif len(path) > 2 and path[2] not in NODE_FIELDS:
        yield FieldError(where, f"a node has no {path[2]!r}", f"write nodes.{path[1]}.output.{path[2]}")
    elif not _may_precede(workflow, path[1], site):
        yield FieldError(where, f"node {path[1]!r} never runs before this", "add a way from it to this node")


def _may_precede(workflow: Workflow, earlier: str, site: Site) -> bool:
    """Tell whether a node can have run when the site is evaluated."""
    spec = workflow.spec
    if site.node is None:
        return True
    name, graph = spec.nodes[site.node].name, successors(spec)
    if site.after and earlier == name:
        return True
    if spec.finally_ and name in reachable(graph, spec.finally_):
        return earlier not in reachable(graph, spec.finally_) or name in reachable(graph, *graph[earlier])
    return name in reachable(graph, *graph[earlier])
