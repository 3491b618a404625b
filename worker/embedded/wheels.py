"""Finding the servers' programs in their wheels, without importing these: their own life cycle is not ours."""

from importlib.util import find_spec
from pathlib import Path

from models.errors import InvalidConfiguration

__all__ = ["program"]


def program(package: str, pattern: str, *, server: str, variable: str) -> Path:
    """Return the program that `pattern` finds in an installed package.

    Raises:
        InvalidConfiguration: the wheel is not installed, or has no program for this machine.
    """
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        for found in sorted(Path(place).glob(pattern)):
            return found
    raise InvalidConfiguration(
        f"{variable} is not set and the embedded {server} is not installed: set the variable, "
        "or install the extra `embedded`"
    )
