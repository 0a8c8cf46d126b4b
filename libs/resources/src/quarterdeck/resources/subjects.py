"""Who is meant: one principal or a group."""

from typing import Annotated

from pydantic import Field, StringConstraints

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import exactly_one

SubjectName = Annotated[str, StringConstraints(min_length=1, max_length=316)]


class Subject(Model):
    """A principal or a group."""

    RULES = (exactly_one("principal", "group"),)

    principal: SubjectName | None = Field(None, description="One user or service account.")
    group: SubjectName | None = Field(None, description="Everyone in a group.")
