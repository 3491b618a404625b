"""What doctor asks of the whole, and how whoever owns the database gives rights to roles."""

from filled import Filled

from models.errors import Unavailable
from tasks import roles
from tasks.statements.rights import Kind
from tasks.transaction import transaction
from worker.cli.doctor import _examine

__all__ = ["SCENARIOS"]

MOST_ATTEMPTS = 5


def everything_is_examined(filled: Filled) -> None:
    """As `retention doctor` does; with a URL for documents' files."""
    here = filled.here
    found = {each.check: each.code for each in _examine(here)}
    assert {each for each, code in found.items() if code} <= {"files", "encryption"}, found


def roles_are_made(filled: Filled) -> None:
    """Make members of all groups, give them their rights, hand over the tables; and take all of it back.

    Whoever owns tables is asked to try again where somebody else looks at them in another order.
    """
    for attempt in range(MOST_ATTEMPTS):
        try:
            _make_roles(filled)
        except Unavailable:
            if attempt == MOST_ATTEMPTS - 1:
                raise
        else:
            return


def _make_roles(filled: Filled) -> None:
    with transaction(filled.here.engine) as connection:
        groups = roles.groups_of(connection)
        for group in groups.values():
            roles.add_member(connection, roles.Login(f"{group}_member", "a verifier"), group)
        assert len(roles.give_rights(connection)) == len(groups)
        roles.hand_over(connection, roles.Login(f"{groups[Kind.WORKER]}_owner", "a verifier"))
        connection.rollback()


SCENARIOS = (everything_is_examined, roles_are_made)
