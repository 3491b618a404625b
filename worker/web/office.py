"""What a request is answered with: the deployment, the broker, who may ask, who is at work."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from tasks.base import RetentionApp
from worker.acts import Acts
from worker.deployment import Deployment
from worker.web.at_work import AtWork
from worker.web.readiness import Readiness
from worker.web.sessions import Sessions
from worker.web.site import Site
from worker.web.tokens import Tokens
from worker.web.wrong_logins import WrongLogins

__all__ = ["Here", "Office"]


@dataclass(frozen=True, slots=True)
class Office:
    """One server's means.

    Attributes:
        deployment: settings and database.
        app: through which tasks are woken.
        site: where the server is reached, and so what may reach it.
        tokens: who may ask.
        sessions: browsers that are logged in.
        at_work: the workers that answer.
        readiness: whether all is there that the deployment needs.
        wrong_logins: how many there were of late.
    """

    deployment: Deployment
    app: RetentionApp
    site: Site
    tokens: Tokens
    sessions: Sessions
    at_work: AtWork
    readiness: Readiness
    wrong_logins: WrongLogins

    def acts(self, actor: str) -> Acts:
        """Return what a person can do."""
        return Acts(self.deployment, self.app, actor)


def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


Here = Annotated[Office, Depends(_office)]
