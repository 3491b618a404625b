"""`retention approve`, `reject`, `pause`, `resume`: what a person decides."""

from collections.abc import Mapping
from typing import Any

import click

from models import PolicyName
from worker.acts import Acts
from worker.app import create_client
from worker.cli.options import NUMBER, actor_and_reason, as_json
from worker.cli.output import error_console, print_json, show
from worker.deployment import deployment

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
    acts = _acts(actor)
    approved = acts.approve(sweep_id, reason)
    _say_unsaid(acts)
    many = f"{approved['planned']:,} accounts of its plan, {(approved['planned_digest'] or '')[:16]}…"
    _answer(approved, f"Sweep {sweep_id} is approved; it acts on the {many}", as_json=as_json)


@click.command(epilog='Example: retention reject 12 --actor sato --reason "these dates are a mistake"')
@SWEEP
@actor_and_reason
@as_json
def reject(*, sweep_id: int, actor: str, reason: str, as_json: bool) -> None:
    """End held sweep ID; nothing more is touched by it. The next tick judges anew what is due."""
    rejected = _acts(actor).reject(sweep_id, reason)
    _answer(rejected, f"Sweep {sweep_id} is rejected.", as_json=as_json)


@click.command(epilog='Example: retention pause purge --actor sato --reason "are these dates right?"')
@POLICY
@actor_and_reason
@as_json
def pause(*, policy: str, actor: str, reason: str, as_json: bool) -> None:
    """Stop POLICY at once: when this has returned, no batch of it commits until it is resumed."""
    _acts(actor).pause(PolicyName(policy), reason)
    _answer(
        {"policy": policy, "paused": True}, f"{policy} is paused; resume it with `retention resume`.", as_json=as_json
    )


@click.command(epilog='Example: retention resume purge --actor sato --reason "they are right"')
@POLICY
@actor_and_reason
@as_json
def resume(*, policy: str, actor: str, reason: str, as_json: bool) -> None:
    """End the pause of POLICY; its sweeps pass their gates again and go on."""
    acts = _acts(actor)
    acts.resume(PolicyName(policy), reason)
    _say_unsaid(acts)
    _answer({"policy": policy, "paused": False}, f"{policy} is resumed.", as_json=as_json)


def _acts(actor: str) -> Acts:
    here = deployment()
    return Acts(here, create_client(here.settings, here.addresses), actor)


def _say_unsaid(acts: Acts) -> None:
    if acts.unsaid:
        error_console().print(f"retention: decided and recorded; {acts.unsaid}")


def _answer(document: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        show(sentence)
