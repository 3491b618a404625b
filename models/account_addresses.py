"""One account an address, where accounts are partitioned: a table beside them, which the database keeps itself.

A key of a partitioned table has to include the account, so none forbids an address in two partitions. The key of this
table does. It is not partitioned itself: each statement of the trigger would cost twice as much. Nobody but its owner
has any right on it: the trigger on `accounts` calls the owner's function.
"""

from sqlalchemy import literal_column
from sqlalchemy.dialects import postgresql

from models.address import address_key

__all__ = ["ADDRESSES", "FILL_ADDRESSES", "KEEP_ADDRESS", "MAKE_ADDRESSES", "OF_ITS_OWNER"]

ADDRESSES, KEEP_ADDRESS = "account_addresses", "keep_address"


def _key_of(column: str) -> str:
    return str(address_key(literal_column(column)).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


MAKE_ADDRESSES = f"""
CREATE TABLE {ADDRESSES} (
    address text CONSTRAINT pk_{ADDRESSES} PRIMARY KEY,
    account_id bigint NOT NULL
)
"""
FILL_ADDRESSES = f"INSERT INTO {ADDRESSES} SELECT {_key_of('email')}, id FROM accounts WHERE email IS NOT NULL"  # noqa: S608 - names of ours

# Who registers the same address at the same moment waits here for the other, and then is told what the unique index
# of accounts that are not partitioned would tell.
OF_ITS_OWNER = f"""
CREATE FUNCTION {KEEP_ADDRESS}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE {ADDRESSES};
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.email IS NOT NULL THEN
        DELETE FROM {ADDRESSES} WHERE address = {_key_of("OLD.email")} AND account_id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.email IS NOT NULL THEN
        INSERT INTO {ADDRESSES} VALUES ({_key_of("NEW.email")}, NEW.id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE unique_violation USING MESSAGE = 'another account has this address',
                TABLE = 'accounts', CONSTRAINT = 'uq_accounts_address';
        END IF;
    END IF;
    RETURN NULL;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION {KEEP_ADDRESS}() SET search_path = %I, pg_temp', current_schema);
END $$;
REVOKE ALL ON FUNCTION {KEEP_ADDRESS}() FROM PUBLIC;
CREATE TRIGGER {KEEP_ADDRESS} AFTER INSERT OR DELETE OR UPDATE OF id, email ON accounts
FOR EACH ROW EXECUTE FUNCTION {KEEP_ADDRESS}();
CREATE TRIGGER {KEEP_ADDRESS}_of_none AFTER TRUNCATE ON accounts
FOR EACH STATEMENT EXECUTE FUNCTION {KEEP_ADDRESS}()
"""  # noqa: S608 - names of ours
