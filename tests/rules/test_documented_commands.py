"""Every `retention …` that a manual names is a command, with options that it has and arguments that it takes."""

import re
import shlex

import click
import pytest
from deploying import CHECKOUT

from worker.cli import cli

MANUALS = [*sorted(CHECKOUT.glob("README*.md")), *sorted((CHECKOUT / "docs").glob("*.md"))]
# In a block of code, after a prompt or a host's prefix; in a sentence, between backquotes, where a line may end within.
IN_BLOCKS = re.compile(r"^(?:\$ )?(?:docker compose exec worker )?retention ([a-z](?:\\\n|[^\n])*)", re.MULTILINE)
IN_SENTENCES = re.compile(r"`retention\s+([a-z][^`]*)`")
BLOCK = re.compile(r"```(?:sh|console)\n(.*?)```", re.DOTALL)
# Words that stand for what a reader puts there.
PLACEHOLDER = re.compile(r"[A-Z]+|…|\[.*\]?|.*…")


def commands(text):
    blocks = BLOCK.findall(text)
    found = [each for block in blocks for each in IN_BLOCKS.findall(block)]
    return found + IN_SENTENCES.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def words(line):
    """The words of a command; what comes after the command's end on its line is cut off."""
    line = re.split(r"\s[&|;]|\s>", line.replace("\\\n", " ").replace("\n", " "))[0]
    return [word.strip("[]") for word in shlex.split(line, comments=True)]


def fault(line):
    """What is wrong with a documented command; None if nothing is."""
    rest, command = words(line), cli
    while isinstance(command, click.Group):
        if not rest or rest[0].startswith("-") or PLACEHOLDER.fullmatch(rest[0]):
            return None  # a sentence about the group
        name = rest.pop(0)
        command = command.get_command(click.Context(command), name)
        if command is None:
            return f"{name} is no command"
    options = {name for each in command.params if isinstance(each, click.Option) for name in each.opts}
    given = {word.partition("=")[0] for word in rest if word.startswith("-")} - {"-h", "--help"}
    return f"no such option: {given - options}" if given - options else None


@pytest.mark.parametrize("manual", MANUALS, ids=lambda path: path.name)
def test_every_command_that_a_manual_names_exists(manual):
    named = commands(manual.read_text())
    assert {line: found for line in named if (found := fault(line))} == {}


def test_the_manual_for_operators_names_whole_commands_that_can_be_typed():
    whole = [line for line in commands((CHECKOUT / "docs" / "operations.md").read_text()) if "--actor" in line]
    assert len(whole) > 8
    for line in whole:
        given, command = words(line), cli
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), given.pop(0))
        command.make_context(command.name, given)


@pytest.mark.parametrize("line", ["stauts", "log verfy", "run purge --wiat", "quarantine retry --any"])
def test_a_command_that_does_not_exist_would_be_found(line):
    assert fault(line)


def test_every_link_of_the_manual_for_operators_leads_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", (CHECKOUT / "docs" / "operations.md").read_text()):
        file, _, anchor = target.partition("#")
        text = (CHECKOUT / "docs" / (file or "operations.md")).read_text()
        titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
        assert not anchor or anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
