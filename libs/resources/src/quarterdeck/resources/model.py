"""The base of everything that is written in a manifest."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

from quarterdeck.resources.rules import Rule


def field_alias(name: str) -> str:
    """Return the name in manifests of a Python attribute; a trailing underscore avoids a keyword."""
    return to_camel(name.rstrip("_"))


class Model(BaseModel):
    """A part of an object: camelCase outside, unknown fields refused, types not guessed, immutable.

    A null is the same as an absent field, as it is to the API server. `RULES` hold over several fields.
    """

    model_config = ConfigDict(
        alias_generator=field_alias,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        protected_namespaces=(),
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict) or None not in data.values():
            return data
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in data.items() if value is not None or key not in known}

    @model_validator(mode="after")
    def _rules(self) -> "Model":
        for rule in self.RULES:
            if not rule.holds(self):
                context = {
                    "text": rule.message,
                    "field": rule.field and field_alias(rule.field),
                    "hint": rule.hint,
                }
                raise PydanticCustomError("rule", "{text}", context)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        json_schema = handler(schema)
        target = handler.resolve_ref_schema(json_schema)
        if cls.RULES:
            target["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.message} for rule in cls.RULES
            ]
        return dict(json_schema)

    def to_json(self) -> dict[str, Any]:
        """Return the plain JSON form: camelCase, defaults included, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
