"""The log's partitions: a year each, made ahead by the database itself, and one for whatever no year takes.

A worker may not create tables. So a function that belongs to the owner makes them: it takes no arguments and does
nothing else. `retention.prepare_log` calls it each minute. No batch depends on it: a row without a year goes to
the rest.
"""

from sqlalchemy import DDL, event

from models.base import Base
from models.log import Action, Receipt

__all__ = ["MAKE_PARTITION", "PARTITIONED", "PREPARE_LOG"]

PARTITIONED = (Receipt.__tablename__, Action.__tablename__)
PREPARE_LOG, MAKE_PARTITION = "prepare_log", "make_log_partition"

# Each partition enforces by itself what a constraint of the whole cannot, as that would have to include `acted_at`: no
# id, and no receipt's number, twice in a year. What refuses changes has to stand on each as well: a trigger on the
# whole does not fire for a statement that names a partition.
CREATE_MAKE_PARTITION = """
CREATE OR REPLACE FUNCTION make_log_partition(log text, part text, bounds text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS)', part, log);
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (id)', part);
    IF log = 'receipts' THEN
        EXECUTE format('ALTER TABLE %I ADD UNIQUE (number)', part);
    END IF;
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I ', log, part) || bounds;
END $$
"""
# Years are UTC's. The first partition has all that came before, too. For a year that has rows in the rest already none
# is made: they would have to be moved. Who comes second while another is at it leaves it to him.
CREATE_PREPARE_LOG = """
CREATE OR REPLACE FUNCTION prepare_log() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    this_year CONSTANT integer := extract(year FROM now() AT TIME ZONE 'UTC');
    first_year integer;
    begins timestamptz;
    ends timestamptz;
    log text;
    late boolean;
    made integer := 0;
BEGIN
    FOREACH log IN ARRAY ARRAY['receipts', 'actions'] LOOP
        SELECT min(substring(relname FROM '_([0-9]+)$')::integer) INTO first_year
          FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = log::regclass;
        IF to_regclass(log || '_rest') IS NULL THEN
            PERFORM make_log_partition(log, log || '_rest', 'DEFAULT');
        END IF;
        FOR year IN this_year .. this_year + 2 LOOP
            CONTINUE WHEN to_regclass(log || '_' || year) IS NOT NULL OR year < first_year;
            IF NOT pg_try_advisory_xact_lock(7310597163945680743) THEN
                RETURN made;
            END IF;
            begins := make_timestamptz(year, 1, 1, 0, 0, 0, 'UTC');
            ends := make_timestamptz(year + 1, 1, 1, 0, 0, 0, 'UTC');
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE acted_at >= %L AND acted_at < %L)',
                           log || '_rest', begins, ends) INTO late;
            CONTINUE WHEN late;
            PERFORM make_log_partition(log, log || '_' || year, format('FOR VALUES FROM (%s) TO (%L)',
                CASE WHEN first_year IS NULL THEN 'MINVALUE' ELSE quote_literal(begins) END, ends));
            first_year := coalesce(first_year, year);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$
"""
# They find the log in its own schema, and nothing that a caller puts before it; they are its owner's alone.
OF_THE_OWNER = """
DO $$
DECLARE
    owner CONSTANT name := (SELECT rolname FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
                             WHERE pg_class.oid = 'actions'::regclass);
    home CONSTANT name := (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                            WHERE pg_class.oid = 'actions'::regclass);
BEGIN
    EXECUTE format('ALTER FUNCTION prepare_log() SET search_path = %I, pg_temp', home);
    EXECUTE format('ALTER FUNCTION prepare_log() OWNER TO %I', owner);
    EXECUTE format('ALTER FUNCTION make_log_partition(text, text, text) OWNER TO %I', owner);
    REVOKE ALL ON FUNCTION prepare_log(), make_log_partition(text, text, text) FROM PUBLIC;
END $$
"""

for _statement in (CREATE_MAKE_PARTITION, CREATE_PREPARE_LOG, OF_THE_OWNER, f"SELECT {PREPARE_LOG}()"):
    event.listen(Base.metadata, "after_create", DDL(_statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
