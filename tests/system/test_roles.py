"""The database's roles: what each may do is tried, not read off a list."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest
from administration import Administration
from builders import an_account, dependents
from processes import Stack
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from models import Base
from models.errors import RetentionError
from tasks.roles import Login, add_member, give_rights, groups_of
from tasks.statements.rights import Kind, readable_columns
from worker.cli.doctor_rights import examine_rights
from worker.database import connect, migrate, verifier
from worker.exits import exit_code

BY = ("--actor", "mori", "--reason", "test")
PASSWORDS = {
    "owner": "the owner's own 1",
    "worker": "the worker's own 2",
    "web_server": "the web server's own 3",
    "reader": "the reader's own 4",
}
YEAR = datetime.now(UTC).year
IN_ORDER = "role {0} may do all that the worker does, and nothing else; it cannot change the log"
SERVES = (
    "role {0} may do all that the web server does, and nothing else; "
    "it cannot change the log, write an action, delete an account, or read an address"
)
SECRETS = {"email", "password_hash"}


class Roles:
    """The roles of one database, made by the command."""

    def __init__(self, stack, database_url, directory):
        self.stack, self.url, self.directory = stack, make_url(database_url), directory
        self.database = self.url.database
        for role, password in PASSWORDS.items():
            file = directory / role
            file.write_text(f"{password}\n")
            file.chmod(0o600)

    def named(self, role):
        return f"{self.database}_{role}"

    def files(self, *roles):
        options = {role: f"--{role.replace('_', '-')}-password-file" for role in roles}
        return [part for role, option in options.items() for part in (option, str(self.directory / role))]

    def create(self, *arguments, **changes):
        return self.stack.retention("roles", "create", *self.files(*Kind), *arguments, **changes)

    def url_of(self, role):
        return self.url.set(username=role).render_as_string(hide_password=False)

    def doctor(self, role):
        found = self.stack.retention("doctor", "--json", RETENTION_DATABASE_URL=self.url_of(self.named(role)))
        rights = next(each for each in found.json["checks"] if each["check"] == "rights")
        return found.code, rights["ok"], rights["detail"]

    def rights(self, role):
        """Return what doctor's part for rights says: whether it is in order, and the sentence."""
        engine = connect(self.url_of(self.named(role)), pooled=False)
        try:
            return 0, examine_rights(engine)
        except RetentionError as error:
            return exit_code(error), str(error)

    def run(self, statement, role=None):
        engine = connect(self.url_of(self.named(role)) if role else self.url.render_as_string(False), pooled=False)
        with engine.begin() as connection:
            found = connection.execute(text(statement))
            return found.all() if found.returns_rows else found.rowcount


@pytest.fixture(autouse=True)
def roles_go(servers):
    """Roles belong to the whole server: those of a test's database go after it."""
    databases = []
    yield databases
    with Administration(servers.database_url) as administration:
        for database in databases:
            for role in (*(f"{kind}s" for kind in Kind), *Kind, "owner", "admin", "second"):
                administration(f"DROP ROLE IF EXISTS {database}_{role}")


@pytest.fixture
def roles(roles_go, stack, database_url, tmp_path):
    made = Roles(stack, database_url, tmp_path)
    roles_go.append(made.database)
    return made


@pytest.fixture
def separated(roles):
    engine = connect(roles.url_of(roles.url.username), pooled=False)
    with engine.begin() as connection:
        for kind, group in groups_of(connection).items():
            name = roles.named(kind)
            add_member(connection, Login(name, verifier(connection, name, PASSWORDS[kind])), group)
        give_rights(connection)
    return roles


def refused_right(roles, statement, role):
    with pytest.raises(ProgrammingError) as refusal:
        roles.run(statement, role)
    assert refusal.value.orig.sqlstate == "42501", statement


def test_a_worker_that_cannot_change_the_log_does_all_that_a_worker_does(separated, stack, broker_url, tmp_path):
    stack.retention("seed", "--accounts", "400", check=True)
    documents = tmp_path / "documents"
    documents.mkdir()
    urls = {"RETENTION_DOCUMENTS_URL": f"file://{documents}", "RETENTION_EXPORT_URL": str(tmp_path / "export")}
    as_worker = Stack(separated.url_of(separated.named("worker")), broker_url, tmp_path, **urls)
    try:
        as_worker.worker("as_worker", RETENTION_CEILING_SHARE="1")
        (first, second) = as_worker.run("all")
        assert {first["status"], second["status"]} == {"done"}
        assert first["accounts"] > 0
        assert second["accounts"] > 0
        tasks = ("dispatch", "measure", "recover", "export", "erase_files")
        calls = [as_worker.start("celery", "-A", "worker", "call", f"retention.{task}", log="call") for task in tasks]
        assert [call.wait() for call in calls] == [0] * len(tasks)
        register = ("account", "register", "--email", "taro@example.jp", "--json")
        account = str(as_worker.retention(*register, given="a long password\n", check=True).json["account_id"])
        hold = as_worker.retention("hold", "place", account, *BY, "--json", check=True).json["id"]
        for command in (
            ("hold", "release", str(hold), *BY),
            ("account", "withdraw", account),
            ("pause", "purge", *BY),
            ("resume", "purge", *BY),
            ("quarantine", "retry", "--all", *BY),
            ("files", "retry", "--all", *BY),
            ("explain", account),
            ("forecast",),
            ("status",),
            ("plan", "purge"),
            ("log", "export"),
            ("log", "verify", "--against", urls["RETENTION_EXPORT_URL"]),
            ("log", "certificate", "1"),
        ):
            as_worker.retention(*command, check=True)
        assert separated.doctor("worker")[1:] == (True, IN_ORDER.format(separated.named("worker")))
    finally:
        as_worker.stop()
    assert b"refused" not in (tmp_path / "as_worker.log").read_bytes()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {0} SET id = id",
        "DELETE FROM {0}",
        "TRUNCATE {0}",
        "ALTER TABLE {0} DISABLE TRIGGER append_only",
        "DROP TRIGGER append_only ON {0}",
        "ALTER TABLE {0} OWNER TO CURRENT_USER",
        "DROP TABLE {0}",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TABLE of_my_own ()",
    ],
)
def test_a_worker_cannot_change_the_log(separated, statement):
    for table in ("actions", "receipts", "decisions", f"actions_{YEAR}", "receipts_rest"):
        refused_right(separated, statement.format(table), "worker")


def test_a_worker_reaches_the_log_by_its_whole_alone(separated):
    for table in (f"actions_{YEAR}", f"receipts_{YEAR + 1}", "actions_rest"):
        refused_right(separated, f"SELECT FROM {table}", "worker")
        refused_right(separated, f"INSERT INTO {table} DEFAULT VALUES", "worker")


def test_a_worker_has_the_partitions_of_the_years_to_come_made_and_makes_nothing_else(separated):
    for table in ("actions", "receipts"):
        separated.run(f"DROP TABLE {table}_{YEAR + 2}")
    engine = connect(separated.url_of(separated.named("worker")), pooled=False)
    with engine.begin() as connection:
        connection.execute(text("CREATE TEMP TABLE receipts ()"))  # whatever is in front of the log for the caller
        assert connection.scalar(text("SELECT prepare_log()")) == 2
    refused_right(separated, "SELECT make_log_partition('actions', 'actions_1', 'DEFAULT')", "worker")
    refused_right(separated, "SELECT prepare_log()", "reader")
    refused_right(separated, f"DELETE FROM actions_{YEAR + 2}", "worker")
    assert separated.rights("worker")[0] == 0


def test_a_worker_is_not_given_what_only_the_application_writes(separated):
    refused_right(separated, "INSERT INTO messages (account_id) VALUES (1)", "worker")
    refused_right(separated, "UPDATE documents SET storage_key = 'another'", "worker")
    refused_right(separated, "DELETE FROM sweeps", "worker")


def test_a_reader_sees_what_dashboards_need_and_nobodys_address(separated, engine):
    with engine.begin() as connection:
        dependents(connection, an_account(connection))
    seen = {name: readable_columns(table) for name, table in Base.metadata.tables.items()}
    for name, table in Base.metadata.tables.items():
        for column in table.columns:
            if column.name in seen[name]:
                separated.run(f"SELECT {column.name} FROM {name}", "reader")
            else:
                refused_right(separated, f"SELECT {column.name} FROM {name}", "reader")
    assert separated.run("SELECT count(*), min(created_at) FROM accounts WHERE state = 'active'", "reader")[0][0] == 1
    assert not SECRETS & {*seen["accounts"]}
    assert {"state", "registration", "withdrawn_at"} < {*seen["accounts"]}
    hidden = {f"{name}.{each.name}" for name, table in Base.metadata.tables.items() for each in table.columns} - {
        f"{name}.{column}" for name, columns in seen.items() for column in columns
    }
    assert {"messages.body", "documents.storage_key", "doomed_files.storage_key", "guess_keys.key"} < hidden


def test_a_reader_changes_nothing(separated):
    for name in Base.metadata.tables:
        refused_right(separated, f"DELETE FROM {name}", "reader")
    refused_right(separated, "INSERT INTO pauses VALUES ('purge', now(), 'a', 'r')", "reader")


def test_a_web_server_deletes_nobody_writes_no_proof_and_sees_no_address(separated):
    for statement in (
        "DELETE FROM accounts",
        "UPDATE accounts SET withdrawn_at = NULL",
        "UPDATE job_seekings SET status = 'valid'",
        "DELETE FROM holds",
        "INSERT INTO actions DEFAULT VALUES",
        "INSERT INTO receipts DEFAULT VALUES",
        "UPDATE chain_heads SET number = 0",
        "INSERT INTO planned_accounts VALUES (1, 1)",
        "DELETE FROM decisions",
        "UPDATE sweeps SET cutoff = now()",
        "UPDATE sweeps SET accounts = 0",
        "UPDATE holds SET account_id = 1",
        "UPDATE holds SET reason = 'another'",
        "INSERT INTO forecasts DEFAULT VALUES",
        "SELECT email FROM accounts",
        "SELECT password_hash FROM accounts",
        "SELECT self_introduction FROM job_seekings",
        "SELECT body FROM messages",
        "SELECT storage_key FROM documents",
        "SELECT storage_key FROM doomed_files",
        "SELECT key FROM guess_keys",
        "SELECT prepare_log()",
        f"SELECT FROM actions_{YEAR}",
        "CREATE TABLE of_my_own ()",
    ):
        refused_right(separated, statement, "web_server")
    # Whole, as what it asks for besides the rights must be its to ask for.
    found = separated.stack.retention("doctor", RETENTION_DATABASE_URL=separated.url_of(separated.named("web_server")))
    assert SERVES.format(separated.named("web_server")) in " ".join(found.out.split())
    assert "refused a right" not in found.out


OWNERS = """
SELECT relowner::regrole::text FROM pg_class WHERE relname ~ '^(actions|receipts)_' AND relkind = 'r'
UNION SELECT proowner::regrole::text FROM pg_proc WHERE proname IN ('prepare_log', 'make_log_partition')
"""


def rights(roles):
    return roles.run("SELECT relname, relacl::text FROM pg_class WHERE relkind IN ('r', 'p', 'S') ORDER BY relname")


def test_making_the_roles_again_changes_nothing_and_says_so(separated):
    before = rights(separated)
    again = separated.create("--json")
    worker = separated.named("worker")
    assert f"role is there already: {worker}, its password is set" in again.json["done"]
    assert rights(separated) == before
    unasked = separated.stack.retention("roles", "create", check=True).out
    assert f"role is there already: {worker}, its password stays" in unasked


def test_a_right_that_somebody_added_or_took_is_put_in_order(separated):
    before = rights(separated)
    group = separated.named("workers")
    separated.run(f"GRANT UPDATE ON receipts TO {group}")
    separated.run(f"REVOKE DELETE ON messages FROM {group}")
    assert rights(separated) != before
    separated.create()
    assert separated.rights("worker")[0] == 0
    assert rights(separated) == before


def test_a_table_that_a_migration_brings_has_its_rights_at_once(roles, another_database_url, roles_go):
    elsewhere = Roles(roles.stack, another_database_url, roles.directory)
    roles_go.append(elsewhere.database)
    engine = connect(another_database_url, pooled=False)
    migrate(engine, to="0004")
    assert elsewhere.create(RETENTION_DATABASE_URL=another_database_url).code == 0
    migrate(engine)
    assert elsewhere.rights("worker")[0] == 0
    elsewhere.run("SELECT count(*) FROM doomed_files", "reader")


def test_the_owner_migrates_and_only_the_owner(roles, another_database_url, roles_go):
    elsewhere = Roles(roles.stack, another_database_url, roles.directory)
    roles_go.append(elsewhere.database)
    owner = ("--owner", elsewhere.named("owner"), *elsewhere.files("owner"))
    assert elsewhere.create(*owner, RETENTION_DATABASE_URL=another_database_url).code == 0
    for role, code in (("worker", 4), ("owner", 0)):
        url = elsewhere.url_of(elsewhere.named(role))
        assert roles.stack.retention("migrate", RETENTION_DATABASE_URL=url).code == code, role
    assert elsewhere.rights("worker")[0] == 0
    code, _, detail = elsewhere.doctor("owner")
    assert code == 6
    assert "could change the log: it is for `retention migrate` alone" in detail


def test_partitions_and_what_makes_them_go_over_to_the_owner_as_well(roles):
    assert roles.create("--owner", roles.named("owner"), *roles.files("owner")).code == 0
    assert roles.run(OWNERS) == [(roles.named("owner"),)]
    assert roles.run("SELECT prepare_log()", "worker") == [(0,)]


def test_an_administrator_who_is_no_superuser_can_do_it(roles, another_database_url, roles_go):
    elsewhere = Roles(roles.stack, another_database_url, roles.directory)
    roles_go.append(elsewhere.database)
    admin = elsewhere.named("admin")
    elsewhere.run(f"CREATE ROLE {admin} LOGIN CREATEROLE CREATEDB")
    elsewhere.run(f"ALTER DATABASE {elsewhere.database} OWNER TO {admin}")
    as_admin = {"RETENTION_DATABASE_URL": elsewhere.url_of(admin)}
    roles.stack.retention("migrate", check=True, **as_admin)
    made = elsewhere.create("--owner", elsewhere.named("owner"), *elsewhere.files("owner"), **as_admin)
    assert made.code == 0, made.err
    assert elsewhere.rights("worker")[0] == 0
    assert roles.stack.retention("migrate", RETENTION_DATABASE_URL=elsewhere.url_of(elsewhere.named("owner"))).code == 0


def test_the_server_keeps_a_digest_that_fits_the_password_and_was_made_here(separated):
    ((kept,),) = separated.run(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{separated.named('worker')}'")
    kind, rounds_and_salt, keys = kept.split("$")
    rounds, salt = rounds_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORDS["worker"].encode(), b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    assert kind == "SCRAM-SHA-256"
    assert keys.split(":")[0] == b64encode(hashlib.sha256(client).digest()).decode()


@pytest.mark.parametrize(
    ("role", "planted", "code", "said"),
    [
        ("worker", "GRANT UPDATE ON receipts TO {role}", 6, "UPDATE on receipts"),
        ("worker", "GRANT DELETE ON actions TO PUBLIC", 6, "DELETE on actions"),
        ("worker", "GRANT TRIGGER ON actions TO {role}", 6, "TRIGGER on actions"),
        ("worker", "GRANT UPDATE (digest) ON actions TO {role}", 6, "UPDATE on actions"),
        ("worker", "GRANT SET ON PARAMETER session_replication_role TO {role}", 6, "SET session_replication_role"),
        ("worker", "GRANT CREATE ON SCHEMA public TO {role}", 6, "CREATE in the schema"),
        ("worker", "ALTER ROLE {role} CREATEROLE", 6, "a maker of roles"),
        ("worker", "GRANT pg_write_all_data TO {role}", 6, "all that pg_write_all_data may"),
        ("worker", "ALTER TABLE receipts OWNER TO {role}", 6, "could change the log"),
        ("worker", f"GRANT UPDATE (digest) ON actions_{YEAR} TO {{role}}", 6, f"UPDATE on actions_{YEAR}"),
        ("worker", "GRANT INSERT ON receipts_rest TO {role}", 6, "INSERT on receipts_rest"),
        ("worker", "REVOKE EXECUTE ON FUNCTION prepare_log() FROM {role}s", 4, "lacks EXECUTE on prepare_log"),
        ("worker", "REVOKE DELETE ON messages FROM {role}s", 4, "lacks DELETE on messages"),
        ("worker", "REVOKE USAGE ON SEQUENCE actions_id_seq FROM {role}s", 4, "lacks USAGE on actions_id_seq"),
        ("web_server", "GRANT DELETE ON accounts TO {role}", 6, "may do what no web server needs: DELETE on accounts"),
        (
            "web_server",
            "GRANT SELECT ON accounts TO PUBLIC",
            6,
            "SELECT on accounts.email, SELECT on accounts.password_hash",
        ),
        ("web_server", "GRANT SELECT (body) ON messages TO {role}", 6, "SELECT on messages.body"),
        (
            "web_server",
            "ALTER TABLE accounts ADD phone text; GRANT SELECT (phone) ON accounts TO {role}",
            6,
            "SELECT on accounts.phone",
        ),
        ("web_server", "GRANT UPDATE (cutoff) ON sweeps TO {role}", 6, "UPDATE on sweeps.cutoff"),
        ("web_server", "GRANT EXECUTE ON FUNCTION prepare_log() TO {role}", 6, "EXECUTE on prepare_log"),
        ("web_server", "GRANT USAGE ON SEQUENCE guesses TO {role}", 6, "USAGE on guesses"),
        (
            "web_server",
            "REVOKE INSERT ON decisions FROM {role}s",
            4,
            "is no web server yet: it lacks INSERT on decisions",
        ),
        ("web_server", "REVOKE SELECT (reason) ON holds FROM {role}s", 4, "lacks SELECT on holds.reason"),
    ],
)
def test_doctor_finds_each_right_that_is_too_much_or_missing(separated, role, planted, code, said):
    separated.run(planted.format(role=separated.named(role)))
    try:
        found, detail = separated.rights(role)
        assert found == code
        assert said in detail
    finally:
        if "PARAMETER" in planted:
            separated.run(f"REVOKE SET ON PARAMETER session_replication_role FROM {separated.named(role)}")


def test_doctor_tells_a_reader_that_it_is_one(separated):
    found = separated.stack.retention("doctor", RETENTION_DATABASE_URL=separated.url_of(separated.named("reader")))
    assert found.code == 4
    detail = found.out
    assert "is a reader, for dashboards and reports" in detail


def test_doctor_tells_the_only_role_of_a_database_how_to_have_more(stack):
    assert "`retention roles create` makes one that cannot" in stack.retention("doctor", check=True).out


def test_two_workers_serve_at_once_while_a_password_is_changed(separated):
    second = separated.named("second")
    made = separated.create("--worker", second)
    assert made.code == 0, made.err
    assert separated.rights("second")[0] == 0
    assert separated.rights("worker")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--worker", "same", "--reader", "same"), 4, "same cannot be two roles"),
        (("--worker", "{superuser}"), 4, "is a superuser and a maker of roles"),
        (("--worker", "x" * 64), 4, "is too long for the name of a role"),
        (("--worker", " "), 2, "is blank"),
        (("--owner", "{database}_owner"), 2, "is new: give --owner-password-file, or run this at a terminal"),
        (("--worker-password-file", "/nowhere"), 4, "--worker-password-file: /nowhere cannot be read: No such file"),
        (("--worker-password-file", "{short}"), 4, "is shorter than 12 signs"),
    ],
)
def test_what_cannot_be_a_role_is_refused_and_nothing_is_made(roles, arguments, code, said):
    short = roles.directory / "short"
    short.write_text("eleven sign")
    short.chmod(0o600)
    filled = {"superuser": roles.url.username, "database": roles.database, "short": short}
    refusal = roles.create(*(each.format(**filled) for each in arguments))
    assert (refusal.code, refusal.out) == (code, "")
    assert said in refusal.err
    assert not any(password in refusal.err for password in (*PASSWORDS.values(), "eleven sign"))
    assert roles.run(f"SELECT count(*) FROM pg_roles WHERE rolname LIKE '{roles.database}%'") == [(0,)]


def test_who_may_not_make_roles_is_told_so(separated):
    refusal = separated.create(RETENTION_DATABASE_URL=separated.url_of(separated.named("worker")))
    assert refusal.code == 4
    assert "the database refused a right" in refusal.err


def test_a_right_that_is_missing_fails_the_sweep_and_sets_nobody_aside(separated, stack, broker_url, tmp_path, engine):
    with engine.begin() as connection:
        an_account(connection, status="invalid", invalidated_at=datetime.now(UTC) - timedelta(days=3000))
    separated.run(f"REVOKE DELETE ON messages FROM {separated.named('workers')}")
    as_worker = Stack(separated.url_of(separated.named("worker")), broker_url, tmp_path)
    try:
        as_worker.worker("as_worker", RETENTION_CEILING_SHARE="1")
        failed = as_worker.retention("run", "purge", "--wait", *BY, "--json")
    finally:
        as_worker.stop()
    assert failed.code == 1
    assert "permission denied for table messages" in failed.json["sweeps"][0]["failure"]
    assert separated.run("SELECT count(*) FROM quarantine") == [(0,)]
