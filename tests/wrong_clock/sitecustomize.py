"""A Python whose clock is off; it is imported before all else where this folder is on the path.

By CLOCK_SHIFT_SECONDS, or by what the file CLOCK_SHIFT_FILE says at the moment, a C double: so a clock can be stepped.
It needs nothing installed, holds for each child that is forked, and leaves the monotonic clock, and with it every
timeout, alone. What is not written in Python keeps to the real clock: the servers, which are to disagree.
"""

import datetime as dt
import mmap
import os
import struct
import time

if name := os.environ.get("CLOCK_SHIFT_FILE"):
    with open(name, "rb") as file:  # noqa: PTH123 - before all else, so with little
        SAID = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
else:
    SAID = struct.pack("d", float(os.environ["CLOCK_SHIFT_SECONDS"]))
REAL = dt.datetime
_time, _time_ns = time.time, time.time_ns


def shift():
    return struct.unpack_from("d", SAID)[0]


class _AnyDatetime(type(REAL)):
    """Instants that the database's driver makes are instances, too."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, REAL)


class datetime(REAL, metaclass=_AnyDatetime):  # noqa: N801 - it takes the place of the real one
    """An instant; the present is off."""

    @classmethod
    def now(cls, tz=None):
        return REAL.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return REAL.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls):
        return cls.now()


time.time = lambda: _time() + shift()
time.time_ns = lambda: _time_ns() + int(shift() * 1_000_000_000)
dt.datetime = datetime
