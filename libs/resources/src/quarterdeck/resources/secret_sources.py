"""Where a secret value comes from; a manifest never holds the value itself."""

from pydantic import Field

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import exactly_one
from quarterdeck.resources.scalars import EnvName, Label, Name, NonEmpty


class SecretKey(Model):
    """One key of a Secret in the tenant's namespace."""

    name: Name = Field(description="The Secret.")
    key: NonEmpty = Field(description="The key in it.")


class SecretSource(Model):
    """A secret value: an environment variable of the platform, or a key of a Secret."""

    RULES = (exactly_one("env", "secret"),)

    env: EnvName | None = Field(None, description="Environment variable of the embedded platform.")
    secret: SecretKey | None = Field(None, description="Key of a Secret in the tenant's namespace.")


class NamedSecret(Model):
    """A secret value under a name: a header, or an environment variable of a tool server."""

    name: Label = Field(min_length=1, description="The header or environment variable.")
    secret_ref: SecretSource = Field(description="Where its value comes from.")
