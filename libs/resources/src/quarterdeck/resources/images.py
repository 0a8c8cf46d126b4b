"""Which container images a tenant may run.

`k8s/base/images.yaml` says the same in CEL, for the API server; a table of verdicts holds the two together.
"""

import re
from typing import Annotated

from pydantic import Field, StringConstraints

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Unique

ImagePlace = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern="^[a-z0-9][-a-z0-9._:/]*[a-z0-9]$")
]
_BY_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")


class ImageRules(Model):
    """Which container images a tenant may run."""

    places: Annotated[list[ImagePlace], Field(max_length=64), Unique()] = Field(
        default=[],
        description="Registries, or repositories with all below them (`registry.example.dev/team`), as "
        "images name them; an image that names no registry is in none. Empty: anywhere.",
    )
    by_digest: bool = Field(
        False,
        description="Whether an image must be named by its digest (`@sha256:…`), which no push changes.",
    )


def problem(image: str, rules: ImageRules) -> str:
    """Return why an image may not run, in words; empty when it may."""
    if rules.places and not any(is_within(image, place) for place in rules.places):
        listed = ", ".join(rules.places)
        return f"{image!r} is in none of the places that the tenant may have images from: {listed}"
    if rules.by_digest and not _BY_DIGEST.search(image):
        return f"{image!r} is not named by its digest, which the tenant's images must be"
    return ""


def is_within(image: str, place: str) -> bool:
    """Tell whether an image is `place`, or below it; a port is no tag."""
    rest = image.removeprefix(place)
    if not image.startswith(place):
        return False
    return rest == "" or rest[0] in "/@" or (rest[0] == ":" and "/" not in rest)
