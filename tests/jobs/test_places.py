"""Relative places in a submitted job, by the settings of real commands."""

import importlib

import pytest

from jobs.catalogue import module_name
from jobs.places import MARK_OF_A_JOB, in_submitted_job
from jobs.settings import read_settings
from revsearch.errors import InvalidSpec

IN_A_JOB = {MARK_OF_A_JOB: "{}"}


def problems(name: str, *arguments: str, **environment: str) -> list[str]:
    command = importlib.import_module(module_name(name)).COMMAND
    try:
        read_settings(command, arguments, environment)
    except InvalidSpec as error:
        return list(error.problems)
    return []


def test_ray_marks_what_it_runs_as_a_job_with_this_variable():
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    assert MARK_OF_A_JOB == RAY_JOB_CONFIG_JSON_ENV_VAR
    assert in_submitted_job(IN_A_JOB)
    assert not in_submitted_job({})


@pytest.mark.parametrize(
    ("command", "arguments", "refused"),
    [
        ("embed", ["--manifest", "m"], ["--store"]),
        ("embed", ["--manifest", "m", "--store", "store"], ["--store"]),
        ("embed", ["--manifest", "m", "--store", "~/store"], ["--store"]),
        ("embed", ["--manifest", "m", "--store", "/shared/store"], []),
        ("embed", ["--manifest", "m", "--store", "s3://bucket/prefix"], []),
        ("manifest", ["photos", "query=q", "gallery=/g", "s3://b/p", "--store", "/s"], ["SOURCES", "SOURCES"]),
        ("manifest", ["/list.csv", "--root", "here", "--store", "/s"], ["--root"]),
        ("run", ["--gallery", "g", "--queries", "q", "--distractors", "/d"], ["--gallery", "--queries", "--store"]),
        ("rank", ["embeddings/0123456789ab", "--index", "i", "--store", "/s"], []),
        ("rank", ["today", "--index", "i", "--store", "/s"], []),
        ("rank", ["./a.jpg", "--index", "i", "--store", "/s"], ["QUERIES"]),
        ("export", ["today", "--out", "vectors", "--store", "/s"], ["--out"]),
        ("copy", ["today", "--to", "elsewhere", "--store", "/s"], ["--to"]),
        ("demo", [], ["--out"]),
    ],
)
def test_what_a_job_may_be_given(command, arguments, refused):
    found = problems(command, *arguments, **IN_A_JOB)
    assert sorted(problem.split(":")[0] for problem in found) == sorted(refused)
    assert all("s3://bucket/prefix" in problem for problem in found)
    assert problems(command, *arguments) == []


def test_a_query_that_is_a_file_here_is_one_whatever_it_looks_like(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "today").mkdir()
    (found,) = problems("rank", "today", "--index", "i", "--store", "/s", **IN_A_JOB)
    assert found.startswith("QUERIES: ")


def test_a_store_of_the_environment_is_held_to_it_too():
    assert problems("embed", "--manifest", "m", REVSEARCH_STORE="here", **IN_A_JOB)
    assert not problems("embed", "--manifest", "m", REVSEARCH_STORE="s3://bucket", **IN_A_JOB)


def test_a_place_that_could_not_be_read_is_told_once():
    assert problems("manifest", "--store=", "/p", **IN_A_JOB) == ["--store: expected a text, found ''"]
