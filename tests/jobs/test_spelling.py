"""A command line spelled out again gives the same values."""

import importlib

import pytest

from jobs.catalogue import module_name
from jobs.preset import choose_preset
from jobs.settings import read_settings
from jobs.spelling import spelled
from revsearch.errors import InvalidSpec


def both(name: str, *arguments: str, **environment: str):
    """Read a command line, spell it, read that without any environment."""
    command = importlib.import_module(module_name(name)).COMMAND
    chosen, left = choose_preset(command, arguments)
    first = read_settings(chosen, left, environment)
    words = spelled(chosen, first.given)
    again, left = choose_preset(command, words)
    return first, read_settings(again, left, {}), words


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("embed", ["--manifest", "m", "--image-size=32"]),
        ("embed", ["--manifest", "m", "--profile", "cluster", "--batch-size", "32"]),
        ("embed", ["--manifest=-m", "--gpus-per-worker", "0.5", "--dry-run"]),
        ("build-index", ["--embeddings", "a", "b", "--M", "4", "--ef-construction", "8"]),
        ("rank", ["a", "--index", "i", "b c"]),
        ("rank", ["--index", "i", "--", "-a", "--k"]),
        ("build-index", ["--embeddings=-a", "b", "--M", "4"]),
        ("train", ["triplet", "--manifest", "m", "-e", "3", "--loss", "arcface"]),
        ("ls", []),
    ],
)
def test_it_says_the_same(name, arguments):
    first, again, _ = both(name, *arguments)
    assert (again.spec, again.options, again.resources) == (first.spec, first.options, first.resources)


def test_environment_and_config_file_are_flags_then(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('batch_size = 7\n[embed]\nmanifest = "m"\nallow_truncated = true\ndebug = false\n')
    first, again, words = both("embed", "--config", str(config), REVSEARCH_STORE="/s", REVSEARCH_PROFILE="cluster")
    assert (again.spec, again.resources) == (first.spec, first.resources)
    assert words == ["--manifest=m", "--allow-truncated", "--store=/s", "--profile=cluster", "--batch-size=7"]


def test_a_list_that_no_words_give_is_refused(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[build-index]\nembeddings = ["a", "-b"]\n')
    with pytest.raises(InvalidSpec, match=r"--embeddings: expected at most its first .* found '-b'"):
        both("build-index", "--config", str(config))
