from pathlib import Path

from worker.settings import FROM_FILES, Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
# Unset by default, or with a default that depends on where the checkout is.
UNSET = {"database_url", "broker_url", "documents_url", "export_url", "var_directory", "alive_file"}
UNSET |= {"counter_only_quiet_hours", "purge_quiet_hours"}
UNSET |= {"web_url", "web_tokens_file", "web_tokens", "web_secret_file"}


def test_the_example_file_names_every_setting_with_its_default_and_meaning():
    lines = EXAMPLE.read_text().splitlines()
    shown = {}
    for line, above in zip(lines[1:], lines, strict=False):
        name, assigned, value = line.removeprefix("#").partition("=")
        if assigned and name.startswith("RETENTION_"):
            shown[name.removeprefix("RETENTION_").lower()] = (line.startswith("#"), value, above.removeprefix("# "))
    from_files = {name.removeprefix("RETENTION_").lower() for name in FROM_FILES}
    assert shown.keys() == Settings.model_fields.keys() | from_files
    assert all(shown[name][0] for name in from_files)
    for name, field in Settings.model_fields.items():
        commented_out, value, meaning = shown[name]
        assert meaning.startswith(field.description), name
        assert commented_out == (name in UNSET)
        assert commented_out or value == str(field.default), name
