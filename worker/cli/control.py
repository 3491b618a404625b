"""`retention approve`, `reject`, `pause`, `resume`: what a person decides."""

from collections.abc import Mapping
from typing import Any

import click

from models import PolicyName
from models.errors import Unavailable
from tasks import control, pauses
from tasks.base import MINUTELY
from tasks.sweep import sweep
from worker.answers.sweeps import read_sweeps
from worker.app import create_app
from worker.broker import publishing
from worker.cli.options import NUMBER, actor_and_reason, as_json
from worker.cli.output import error_console, print_json, show
from worker.deployment import Deployment, deployment

__all__ = ["approve", "pause", "reject", "resume"]

SWEEP = click.argument("sweep_id", metavar="ID", type=NUMBER)
POLICY = click.argument("policy", metavar="POLICY", type=click.Choice([name.value for name in PolicyName]))


@click.command(epilog='Example: retention approve 12 --actor sato --reason "expected: the import of 1 May"')
@SWEEP
@actor_and_reason
@as_json
def approve(*, sweep_id: int, actor: str, reason: str, as_json: bool) -> None:
    """Release held sweep ID to act on its frozen plan, and on nothing that became due later.

    A sweep that was triggered by hand has to be approved by somebody else than who asked for it. After a deletion
    there is no undo.
    """
    here = deployment()
    control.approve(here.engine, sweep_id, actor=actor, reason=reason)
    _wake(here, [sweep_id])
    (approved,) = read_sweeps(here, ids=[sweep_id])
    many = f"{approved['planned']:,} accounts of its plan, {(approved['planned_digest'] or '')[:16]}…"
    _answer(approved, f"Sweep {sweep_id} is approved; it acts on the {many}", as_json=as_json)


@click.command(epilog='Example: retention reject 12 --actor sato --reason "these dates are a mistake"')
@SWEEP
@actor_and_reason
@as_json
def reject(*, sweep_id: int, actor: str, reason: str, as_json: bool) -> None:
    """End held sweep ID; nothing more is touched by it. The next tick judges anew what is due."""
    here = deployment()
    control.reject(here.engine, sweep_id, actor=actor, reason=reason)
    (rejected,) = read_sweeps(here, ids=[sweep_id])
    _answer(rejected, f"Sweep {sweep_id} is rejected.", as_json=as_json)


@click.command(epilog='Example: retention pause purge --actor sato --reason "are these dates right?"')
@POLICY
@actor_and_reason
@as_json
def pause(*, policy: str, actor: str, reason: str, as_json: bool) -> None:
    """Stop POLICY at once: when this has returned, no batch of it commits until it is resumed."""
    pauses.pause(deployment().engine, PolicyName(policy), actor=actor, reason=reason)
    _answer(
        {"policy": policy, "paused": True}, f"{policy} is paused; resume it with `retention resume`.", as_json=as_json
    )


@click.command(epilog='Example: retention resume purge --actor sato --reason "they are right"')
@POLICY
@actor_and_reason
@as_json
def resume(*, policy: str, actor: str, reason: str, as_json: bool) -> None:
    """End the pause of POLICY; its sweeps pass their gates again and go on."""
    here = deployment()
    _wake(here, pauses.resume(here.engine, PolicyName(policy), actor=actor, reason=reason))
    _answer({"policy": policy, "paused": False}, f"{policy} is resumed.", as_json=as_json)


def _wake(here: Deployment, sweeps: list[int]) -> None:
    """Send the sweeps' messages; without them, the next minute's dispatch does."""
    create_app(here.settings, here.addresses)
    try:
        with publishing():
            for sweep_id in sweeps:
                sweep.apply_async((sweep_id,), **MINUTELY)
    except Unavailable as error:
        error_console().print(f"retention: decided and recorded; {error}")


def _answer(document: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        show(sentence)
