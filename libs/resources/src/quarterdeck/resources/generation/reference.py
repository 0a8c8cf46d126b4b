"""A reference page per kind, with the sample that is shipped for it."""

from collections.abc import Iterator

from quarterdeck.resources.explain import facts
from quarterdeck.resources.kinds import KindInfo
from quarterdeck.resources.schemas import Schema, children, full_schema, type_name


def page(info: KindInfo, sample: str) -> str:
    """Return the Markdown page of a kind; `sample` is the YAML of its example."""
    schema = full_schema(info.kind)
    return "\n".join(_lines(info, schema, sample)) + "\n"


def _lines(info: KindInfo, schema: Schema, sample: str) -> Iterator[str]:
    yield f"# {info.kind}"
    yield ""
    yield "<!-- Generated from the kinds by `python -m quarterdeck.resources.generate`; do not edit. -->"
    yield ""
    yield str(schema["description"])
    yield ""
    names = (info.plural, info.singular, *info.short_names)
    yield f"- Names: {', '.join(f'`{name}`' for name in names)}"
    yield f"- Scope: {'the whole platform' if info.cluster_scoped else 'a tenant'}"
    yield f"- A run {'keeps the revision it started with' if info.pinned else 'reads it at each use'}"
    yield ""
    yield "## Example"
    yield ""
    yield f"```yaml\n{sample.strip()}\n```"
    for name in ("spec", "status"):
        yield ""
        yield f"## {name.capitalize()}"
        yield ""
        yield from _tables(schema["properties"][name], name)


def _tables(schema: Schema, path: str) -> Iterator[str]:
    """Yield a table for an object, then one for each object inside it."""
    yield str(schema.get("description", ""))
    yield ""
    yield from (f"*{rule['message']}*\n" for rule in schema.get("x-kubernetes-validations", []))
    fields, wanted = children(schema), _inner(schema).get("required", [])
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for name, part in fields.items():
        mark = " (required)" if name in wanted else ""
        yield f"| `{name}`{mark} | {_escaped(type_name(part))} | {_meaning(part)} |"
    for name, part in fields.items():
        if children(part):
            yield ""
            yield f"### {path}.{name}"
            yield ""
            yield from _tables(_described(part), f"{path}.{name}")


def _inner(schema: Schema) -> Schema:
    found: Schema = schema.get("items", {}) if schema.get("type") == "array" else schema
    return found


def _described(schema: Schema) -> Schema:
    """Bring the rules of a list's items up, so that they are shown with the list."""
    inner = _inner(schema)
    return {**schema, "x-kubernetes-validations": inner.get("x-kubernetes-validations", [])}


def _meaning(schema: Schema) -> str:
    shown = [schema.get("description", "")]
    shown += [f"{name.capitalize()}: {text}." for name, text in facts(schema) if name in ("ENUM", "DEFAULT")]
    return _escaped(" ".join(shown))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
