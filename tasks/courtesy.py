"""What a batch does for others at work in the database, beside being small and resting afterwards."""

from time import monotonic, sleep

from sqlalchemy import Connection

from tasks.statements.claim import take_turn

__all__ = ["Courtesy"]

BREATH_SECONDS = 0.02
# Whoever has the turn for longer is no small batch, but a giant account, or hangs; that one is not waited for.
TURN_SECONDS = 0.5


class Courtesy:
    """Waits for the batch's turn, and lets others go first between its statements.

    Two lanes at once leave others no core of two; and what takes a core for some milliseconds, several times, delays
    hardly anybody, where all of it at once does.

    Args:
        is_due: somebody is at work; otherwise nothing is waited for.

    Attributes:
        seconds: so much longer than it was at work the batch has lasted.
    """

    def __init__(self, *, is_due: bool) -> None:
        self._is_due = is_due
        self.seconds = 0.0

    def wait_for_turn(self, connection: Connection) -> None:
        """Wait, for a while at most, until no other courteous batch is under way; the turn ends with the transaction.

        To be asked before anything is locked.
        """
        if not self._is_due:
            return
        began = monotonic()
        while not connection.scalar(take_turn()) and monotonic() - began < TURN_SECONDS:
            sleep(BREATH_SECONDS)
        self.seconds += monotonic() - began

    def breathe(self) -> None:
        """Let others go first for a moment."""
        if self._is_due:
            began = monotonic()
            sleep(BREATH_SECONDS)
            self.seconds += monotonic() - began
