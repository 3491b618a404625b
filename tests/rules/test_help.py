"""What each command says about itself."""

import re

import click
import pytest
from click.testing import CliRunner

from worker.cli import cli


def commands(group=cli, *above):
    """Yield the words of each command that does something."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield *above, name


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_an_example_in_its_help(words):
    told = CliRunner().invoke(cli, [*words, "--help"])
    assert told.exit_code == 0
    assert f"Example: retention {' '.join(words)}" in told.stdout


def test_no_command_takes_a_secret_as_a_word_that_a_process_list_would_show():
    told = [CliRunner().invoke(cli, [*words, "--help"]).stdout for words in commands()]
    options = set(re.findall(r"--[a-z-]*(?:password|secret|token)[a-z-]*", "".join(told)))
    assert options
    assert {option for option in options if not option.endswith("-file")} == set()
