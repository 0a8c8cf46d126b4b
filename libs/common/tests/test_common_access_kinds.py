"""What an AccessRole may name is what the built-in roles are made of, and nothing else."""

from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.resources.kinds import KINDS
from quarterdeck.resources.validation.access import BESIDE_KINDS, is_known


def test_everything_that_roles_speak_of_can_be_written_and_nothing_else():
    spoken_of = {kind for rules in ROLES.values() for rule in rules for kind in rule.kinds}
    plurals = {info.plural for info in KINDS.values()}
    assert set(BESIDE_KINDS) == spoken_of - plurals
    assert all(is_known(kind) for kind in spoken_of | plurals)
