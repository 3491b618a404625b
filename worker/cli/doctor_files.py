"""What `retention doctor` says about files: can they be erased, and is any left that should be gone?"""

from models.errors import InvalidConfiguration, Unverified
from tasks.files import files_left
from tasks.rights import kind_of
from tasks.rules.storage_key import fault_of, path_under
from tasks.statements.files import select_keys
from tasks.statements.rights import Kind
from tasks.store import Store
from tasks.transaction import transaction
from worker.deployment import Deployment

__all__ = ["examine_files"]

SAMPLE = 20
PATIENCE_SECONDS = 10.0
WAY_OUT = "set RETENTION_DOCUMENTS_URL to the URL under which they lie"


def examine_files(here: Deployment) -> str:
    """Return what is well with files.

    Raises:
        InvalidConfiguration: files wait and no URL is set, or nothing is found at the URL.
        Unverified: the URL is not where documents lie, or files are left that should be gone.
    """
    with transaction(here.engine) as connection:
        if kind_of(connection) is Kind.WEB_SERVER:
            return "the web server reads no file's name; look as a worker"
        left = files_left(connection)
        keys = list(connection.scalars(select_keys(limit=SAMPLE)))
    url = here.settings.documents_url
    if url is None:
        if left.waiting:
            raise InvalidConfiguration(f"{left.waiting:,} files of purged accounts wait to be erased; {WAY_OUT}")
        return f"none waits; before documents' files are to be erased, {WAY_OUT}"
    said = _look_for(url, [path_under(key, url) for key in keys if fault_of(key, url) is None], asked=len(keys))
    if left.refused or left.overdue:
        raise Unverified(
            f"{left.refused:,} refused and {left.overdue:,} overdue files are left; see `retention files list`"
        )
    return said


def _look_for(url: str, paths: list[str], *, asked: int) -> str:
    """Look for files of living accounts: a wrong URL would make every file look as if it were gone already."""
    try:
        present = Store(url).count_present(paths, patience_seconds=PATIENCE_SECONDS)
    except Exception as error:  # noqa: BLE001 - drivers raise what they like, and may quote keys and credentials
        raise InvalidConfiguration(
            f"nothing can be looked for at RETENTION_DOCUMENTS_URL ({type(error).__name__}): correct it, "
            "or let the worker list and delete there"
        ) from None
    if asked and not present:
        raise Unverified(
            f"of the {asked} newest documents none has its file under RETENTION_DOCUMENTS_URL: is it the right place?"
        )
    return f"{present} of the {asked} newest documents' files are found, and none is left that should be gone"
