"""What a person decides, done and its sweeps woken: the same from the command line and from the web."""

from collections.abc import Collection

from models import PolicyName
from models.errors import Unavailable
from tasks import control, pauses
from tasks.base import MINUTELY, RetentionApp
from tasks.run import request_sweeps
from tasks.sweep import sweep
from worker.answers.sweeps import Sweep, read_sweeps
from worker.broker import check_broker, publishing
from worker.deployment import Deployment

__all__ = ["Acts"]


class Acts:
    """The acts of one person.

    After each, `unsaid` tells why the workers could not be woken, or is None: what was decided is recorded all the
    same, and the next minute's dispatch wakes them.
    """

    def __init__(self, here: Deployment, app: RetentionApp, actor: str) -> None:
        self._here = here
        self._app = app
        self._actor = actor
        self.unsaid: str | None = None

    def run(self, policy: str, reason: str) -> list[Sweep]:
        """Trigger a sweep of one policy, or of `all`; returns them.

        Raises:
            Refused: the policy is unknown, or actor or reason cannot be recorded.
            Unavailable: the broker does not answer, and nothing was triggered; or it went away since, and the sweep
                starts when it is back.
        """
        check_broker(self._app)
        here = self._here
        ids = request_sweeps(here.engine, here.policies, policy=policy, actor=self._actor, reason=reason)
        self._publish(ids)
        return read_sweeps(here, ids=ids)

    def approve(self, sweep_id: int, reason: str) -> Sweep:
        """Release a held sweep to act on its plan; raises as `tasks.control.approve` does."""
        control.approve(self._here.engine, sweep_id, actor=self._actor, reason=reason)
        self._wake([sweep_id])
        return self._read(sweep_id)

    def reject(self, sweep_id: int, reason: str) -> Sweep:
        """End a held sweep; raises as `tasks.control.reject` does."""
        control.reject(self._here.engine, sweep_id, actor=self._actor, reason=reason)
        return self._read(sweep_id)

    def pause(self, policy: PolicyName, reason: str) -> None:
        """Stop a policy at once; raises as `tasks.pauses.pause` does."""
        pauses.pause(self._here.engine, policy, actor=self._actor, reason=reason)

    def resume(self, policy: PolicyName, reason: str) -> None:
        """End a policy's pause and wake its sweeps; raises as `tasks.pauses.resume` does."""
        self._wake(pauses.resume(self._here.engine, policy, actor=self._actor, reason=reason))

    def _read(self, sweep_id: int) -> Sweep:
        (read,) = read_sweeps(self._here, ids=[sweep_id])
        return read

    def _wake(self, ids: Collection[int]) -> None:
        try:
            self._publish(ids)
        except Unavailable as error:
            self.unsaid = str(error)

    def _publish(self, ids: Collection[int]) -> None:
        if not ids:
            return
        # By the application's own registry: a shared task finds its application by the thread it is called in.
        waking = self._app.tasks[sweep.name]
        with publishing(self._app):
            for sweep_id in ids:
                waking.apply_async((sweep_id,), **MINUTELY)
