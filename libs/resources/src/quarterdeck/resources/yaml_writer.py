"""Writes YAML that `manifests` reads back as it was."""

from typing import Any

from quarterdeck.resources.yaml_scalars import resolve


def to_yaml(document: Any) -> str:
    """Return YAML in the order of the document, long text as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Says of a text that it is one, where the core schema of YAML 1.2 would read something else."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = "|" if "\n" in value else None if _reads_as_text(value) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return written


def _reads_as_text(value: str) -> bool:
    try:
        return isinstance(resolve(value, None), str)
    except ValueError:
        return False
