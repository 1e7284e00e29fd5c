import shlex

import pytest

from jobs.remote_command import RemoteCommand
from revsearch.errors import InvalidSpec


def problems(*typed: str, **environment: str) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        RemoteCommand.of(typed, environment)
    return list(caught.value.problems)


def test_what_is_sent_is_all_that_was_given_here():
    found = RemoteCommand.of(["embed", "--manifest", "a b", "--debug"], {"REVSEARCH_STORE": "s3://b/p"})
    assert shlex.split(found.entrypoint) == [
        *("python", "-P", "-m", "jobs.embed"),
        *("--manifest=a b", "--store=s3://b/p", "--json", "--debug"),
    ]
    assert not found.as_json


def test_a_preset_and_words_without_a_flag():
    trained = RemoteCommand.of(["train", "triplet", "--manifest", "m", "--store", "/s", "--json"], {})
    assert trained.words == ("triplet", "--manifest=m", "--store=/s", "--json")
    assert trained.as_json
    ranked = RemoteCommand.of(["build-index", "--embeddings", "x", "y", "--store", "/s"], {})
    assert ranked.entrypoint == "python -P -m jobs.build_index --embeddings=x y --store=/s --json"


def test_everything_wrong_is_told_at_once():
    assert [line.split(":")[0] for line in problems("embed", "--manifst", "x", "--batch-size", "0")] == [
        "unknown option --manifst; did you mean --manifest?",
        "--manifest",
        "--store",
        "--batch-size",
    ]


@pytest.mark.parametrize("name", ["embd", "submit", "status", "stop"])
def test_what_cannot_be_sent(name):
    (told,) = problems(name)
    assert told.startswith("COMMAND: expected one of ")
    assert repr(name) in told


def test_a_preset_that_is_none():
    assert "expected a preset first" in problems("train", "triplt")[0]


def test_an_address_for_the_job_itself_is_refused():
    (told,) = problems("embed", "--manifest", "m", "--store", "/s", "--address", "head:6379")
    assert "before the `--`" in told


def test_a_secret_in_the_command_is_refused_and_not_shown():
    (told,) = problems("manifest", "https://user:hunter2@host/list.csv", "--store", "/s")
    assert "hunter2" not in told


def test_help_is_the_commands_own(capsys):
    with pytest.raises(SystemExit) as left:
        RemoteCommand.of(["embed", "--help"], {})
    assert (left.value.code, "--manifest" in capsys.readouterr().out) == (0, True)
