import importlib

import pytest

from jobs import catalogue
from jobs.catalogue import command_names, commands, listing, module_name


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "build_index.py").write_text('"""Build.\n\nMore."""\nraise RuntimeError("imported")\nCOMMAND = 1\n')
    (tmp_path / "launch.py").write_text('"""No command."""\ndef f():\n    COMMAND = 1\n')
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    commands.cache_clear()
    yield tmp_path
    commands.cache_clear()


def test_commands_are_found_without_importing_them(folder):
    assert commands() == {"build-index": "Build."}


def test_a_name_leads_to_its_module():
    assert module_name("build-index") == "jobs.build_index"


def test_every_command_of_the_project_is_described_and_named_for_its_file():
    for name in command_names():
        assert commands()[name].endswith("."), name
        assert importlib.import_module(module_name(name)).COMMAND.name == name


def test_a_listing_is_in_columns():
    assert listing({"a": "One.", "a-longer": "Two."}) == ["  a         One.", "  a-longer  Two."]
    assert listing({}) == []
