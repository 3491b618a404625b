"""Signs of life of a worker or a beat: a file whose age a probe looks at, cheaper than asking over the broker."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.signals import beat_init, before_task_publish

from tasks.base import RetentionApp

__all__ = ["show_life"]

TOUCH_SECONDS = 10.0


def show_life(app: RetentionApp, file: Path) -> None:
    """Let a worker touch `file` every ten seconds while it takes messages, and a beat whenever it sends one.

    A worker that has lost its broker touches nothing until it is back; a beat that cannot send still tries each minute.
    """

    class Alive(bootsteps.StartStopStep):
        """In the consumer, whose timer stands still when the loop does."""

        requires = ("celery.worker.consumer:Tasks",)

        def start(self, parent: Any) -> None:
            _touch(file)
            parent.timer.call_repeatedly(TOUCH_SECONDS, _touch, (file,))

    app.steps["consumer"].add(Alive)
    beat_init.connect(lambda **_: _show_beat(file), weak=False)


def _show_beat(file: Path) -> None:
    _touch(file)
    before_task_publish.connect(lambda **_: _touch(file), weak=False)


def _touch(file: Path) -> None:
    # Where it cannot be written, no sign of life comes, which is what the probe then says.
    with suppress(OSError):
        file.touch()
