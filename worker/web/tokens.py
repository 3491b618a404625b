"""Who may ask: tokens by their digests, each with a name, a role and perhaps an end."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated
from unicodedata import category

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from models.errors import InvalidConfiguration
from tasks.rules.named import LONGEST, OURS
from tasks.rules.records import without_doubles
from worker.secret_files import read_private

__all__ = ["Entry", "Role", "Tokens", "digest_of", "new_token"]

# Random bytes in a token: nobody guesses 256 bits, so a digest without salt or stretching keeps it.
RANDOM_BYTES = 32
PREFIX = "retention_"
FILE = "RETENTION_WEB_TOKENS_FILE"
LONGEST_FILE_BYTES = 1024 * 1024  # of thousands of tokens
LINE_ENDS = "\u2028\u2029"  # that are no control characters
TAKEN = (*OURS, "local")  # by what the worker does itself, and by whoever needs no token


class Role(IntEnum):
    """What a token may do; each role may do what the ones below it may."""

    VIEWER = 1
    OPERATOR = 2
    APPROVER = 3

    @property
    def label(self) -> str:
        """The role's name."""
        return self.name.lower()


def _name(text: str) -> str:
    if not text.strip() or text.strip() != text or any(category(sign)[0] == "C" or sign in LINE_ENDS for sign in text):
        raise ValueError("a name in one line, without spaces around it or control characters")
    if text.casefold() in TAKEN:
        raise ValueError(f"another name than {', '.join(TAKEN)}, which stand for the worker itself")
    return text


# Signs; ours are shorter, and so are their misspellings.
LONGEST_FIELD = 30


class Entry(BaseModel):
    """One token as it is kept: never the token itself.

    Attributes:
        name: whose it is; recorded as the actor of each act.
        role: what it may do.
        sha256: digest of the token, in hexadecimal.
        expires_at: from when on it is worth nothing; None: for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=LONGEST["actor"]), AfterValidator(_name)]
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    expires_at: AwareDatetime | None = None

    @field_validator("role", mode="before")
    @classmethod
    def _role(cls, given: object) -> object:
        if isinstance(given, Role):
            return given
        names = {role.label: role for role in Role}
        if not isinstance(given, str) or given not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return names[given]

    def is_over(self, now: datetime) -> bool:
        """Say whether it has expired."""
        return self.expires_at is not None and self.expires_at <= now

    def line(self) -> str:
        """Return it as a line of a tokens file."""
        written = {"name": self.name, "role": self.role.label, "sha256": self.sha256}
        if self.expires_at is not None:
            written["expires_at"] = self.expires_at.isoformat()
        return json.dumps(written, ensure_ascii=False)


class Tokens:
    """All tokens of a deployment: from a variable, and from a file that is read again when it has changed.

    So a token that is taken out of the file is worth nothing from the next request on.

    Attributes:
        are_set_up: whether there is a variable or a file, even with no token in it: to take the last one back must
            open nothing.
    """

    def __init__(self, given: str | None, file: Path | None) -> None:
        self.are_set_up = given is not None or file is not None
        self._given = _read("RETENTION_WEB_TOKENS", given or "")
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._from_file: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """Return all tokens.

        Raises:
            InvalidConfiguration: the file cannot be read, is open to others, or a line of it is no token.
        """
        if self._file is None:
            return self._given
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                content = read_private(self._file, FILE, longest_bytes=LONGEST_FILE_BYTES)
                self._from_file = _read(str(self._file), content.decode())
                self._seen = seen
        except OSError as error:
            raise InvalidConfiguration(f"{FILE}: {self._file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidConfiguration(f"{FILE}: {self._file} holds no text in UTF-8") from None
        return (*self._given, *self._from_file)

    def by_token(self, token: str) -> Entry | None:
        """Return the entry of a token that is still good; None where there is none."""
        return self.find(digest_of(token), str)

    def find(self, wanted: str, shown: Callable[[str], str]) -> Entry | None:
        """Return the entry whose digest is `wanted` once it is `shown`, and still good; None where there is none.

        Every entry is compared, in constant time: how long it takes tells nothing about any of them.
        """
        now = datetime.now(UTC)
        found = [each for each in self.entries() if compare_digest(shown(each.sha256), wanted)]
        return next((each for each in found if not each.is_over(now)), None)


def new_token(name: str, role: Role, expires_at: datetime | None) -> tuple[str, Entry]:
    """Make a token; returns it, and the entry under which it is kept.

    Raises:
        ValidationError: the name cannot be one.
    """
    token = PREFIX + token_urlsafe(RANDOM_BYTES)
    return token, Entry(name=name, role=role, sha256=digest_of(token), expires_at=expires_at)


def digest_of(token: str) -> str:
    """Return what is kept of a token: its SHA-256 in hexadecimal."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _read(where: str, text: str) -> tuple[Entry, ...]:
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return tuple(_entry(f"{where}, line {number}", line) for number, line in lines if line and line[0] != "#")


def _entry(where: str, line: str) -> Entry:
    try:
        entry = Entry.model_validate_json(line)
        json.loads(line, object_pairs_hook=without_doubles)
    except ValidationError as error:
        said: Iterable[str] = (f"{_named(each['loc'])}: {each['msg']}" for each in error.errors())
        way = 'a line holds {"name": …, "role": …, "sha256": …}, as `retention token new` prints it'
        raise InvalidConfiguration(f"{where}: {'; '.join(said)}; {way}") from None
    except ValueError as error:
        raise InvalidConfiguration(f"{where}: {error}") from None
    return entry


def _named(place: Iterable[int | str]) -> str:
    """Return which part of an entry is wrong; of a name that is none of ours, what could be meant as one of them."""
    return ".".join(part for part in map(str, place) if part.isidentifier() and len(part) <= LONGEST_FIELD) or "it"
