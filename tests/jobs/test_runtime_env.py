import os

import pytest

from jobs.runtime_env import environment_with_server, hides_secret, read_runtime_env, secret_words
from revsearch.errors import InvalidSpec
from tests.servers.server import Server

SECRETS = {
    "AWS_ACCESS_KEY_ID": "canary-1",
    "AWS_SECRET_ACCESS_KEY": "canary-2",
    "AWS_SESSION_TOKEN": "canary-3",
    "RAY_AUTH_TOKEN": "canary-4",
    "AWS_PROFILE": "canary-5",
}
STOP = {"RAY_JOB_STOP_WAIT_TIME_S": "30"}
SETTINGS = {"AWS_ENDPOINT_URL": "http://s3.here:9000", "AWS_REGION": "eu-west-1", "REVSEARCH_WEIGHTS": "s3://b/weights"}


@pytest.fixture
def yaml_file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "env.yaml"
        path.write_text(text)
        return str(path)

    return write


def problems(path: str | None, environment: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        read_runtime_env(path, environment)
    return list(caught.value.problems)


def test_settings_travel_and_secrets_do_not():
    found = read_runtime_env(None, SECRETS | SETTINGS | {"AWS_DEFAULT_REGION": "", "PATH": "/bin"})
    assert found == {"env_vars": STOP | SETTINGS}


@pytest.mark.parametrize(
    ("variables", "added"),
    [
        ({}, {"AWS_REGION": "eu-north-1"}),
        ({"AWS_PROFILE": "ours"}, {"AWS_ENDPOINT_URL_S3": "http://minio.example:9000", "AWS_REGION": "eu-west-1"}),
        ({"AWS_PROFILE": "ours", "AWS_DEFAULT_REGION": "x-1"}, {"AWS_ENDPOINT_URL_S3": "http://minio.example:9000"}),
        ({"AWS_PROFILE": "ours", "AWS_ENDPOINT_URL": "http://a.example"}, {"AWS_REGION": "eu-west-1"}),
    ],
)
def test_what_the_files_of_aws_say_travels_too(in_environment_of, tmp_path, variables, added):
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-north-1\n[profile ours]\nregion = eu-west-1\nendpoint_url = http://minio.example:9000\n"
    )
    start = {"AWS_ENDPOINT_URL": None, "AWS_REGION": None, "AWS_CONFIG_FILE": str(tmp_path / "config")}
    in_environment_of(Server("http://127.0.0.1:1"), **start | variables)
    assert environment_with_server() == dict(os.environ) | added


def test_without_files_of_aws_the_environment_says_all(in_environment_of, tmp_path):
    in_environment_of(Server("http://127.0.0.1:1"), AWS_CONFIG_FILE=str(tmp_path / "none"))
    assert environment_with_server() == dict(os.environ)


def test_of_two_variables_that_say_the_same_the_declared_one_counts(yaml_file):
    path = yaml_file("env_vars: {AWS_ENDPOINT_URL: 'http://there', AWS_DEFAULT_REGION: x-1}")
    here = {"AWS_ENDPOINT_URL_S3": "http://here", "AWS_REGION": "y-1", "REVSEARCH_WEIGHTS": "s3://b/w"}
    found = read_runtime_env(path, here)["env_vars"]
    assert found == STOP | {
        "AWS_ENDPOINT_URL": "http://there",
        "AWS_DEFAULT_REGION": "x-1",
        "REVSEARCH_WEIGHTS": "s3://b/w",
    }


def test_what_the_file_declares_goes_before_settings(yaml_file):
    path = yaml_file("pip: [x]\nenv_vars: {AWS_REGION: there, MINE: '1'}\n")
    found = read_runtime_env(path, SETTINGS)
    assert found == {"pip": ["x"], "env_vars": STOP | SETTINGS | {"AWS_REGION": "there", "MINE": "1"}}


@pytest.mark.parametrize("text", ["env_vars:\n", "pip: []\n", "excludes:\nworking_dir:\npy_modules:\n"])
def test_a_file_without_variables(yaml_file, text):
    found = read_runtime_env(yaml_file(text), {})
    assert found.pop("env_vars") == STOP
    assert found.keys() <= {"pip"}


def test_how_long_a_job_has_to_end_is_for_the_file_to_say(yaml_file):
    path = yaml_file("env_vars: {RAY_JOB_STOP_WAIT_TIME_S: '99'}\n")
    assert read_runtime_env(path, {})["env_vars"] == {"RAY_JOB_STOP_WAIT_TIME_S": "99"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("excludes: store\n", "excludes: expected a list of patterns"),
        ("excludes: [1]\n", "excludes: expected a list of patterns"),
        ("working_dir: [a]\n", "working_dir: expected the path of a folder, or a URI"),
        ("py_modules: x\n", "py_modules: expected a list"),
        ("env_vars: {A: 1}\n", "env_vars: expected names and values, each a text"),
        ("env_vars: {1: a}\n", "env_vars: expected names and values, each a text"),
        ("env_vars: []\n", "env_vars: expected names and values, each a text"),
    ],
)
def test_what_is_of_another_kind(yaml_file, text, said):
    (told,) = problems(yaml_file(text), {})
    assert said in told


def test_what_is_of_another_kind_is_told_at_once(yaml_file):
    assert len(problems(yaml_file("excludes: store\nworking_dir: 3\n"), {})) == 2


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN", "DB_PASSWORD"),
        *("SSH_PRIVATE_KEY_PEM", "MYSQL_PWD", "DB_PASS", "GITHUB_PAT"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(yaml_file, name):
    (told,) = problems(yaml_file(f"env_vars: {{{name}: hunter2}}\n"), {})
    assert name in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "text",
    [
        "env_vars: {DB: 'postgres://user:hunter2@host/db'}",
        "env_vars: {DB: 'https://host/x?X-Amz-Signature=hunter2'}",
        "pip: ['--extra-index-url=https://user:hunter2@host/simple', x]",
        "pip: {packages: ['git+https://hunter2@github.com/me/mine.git']}",
        "conda: {dependencies: [pip, {pip: ['git+https://hunter2@host/x']}]}",
        "working_dir: 'https://host/x.zip?token=hunter2'",
        "py_modules: ['https://user:hunter2@host/x.zip']",
        "image_uri: 'https://user:hunter2@host/x'",
    ],
)
def test_a_secret_anywhere_in_the_file_is_refused_and_not_shown(yaml_file, text):
    (told,) = problems(yaml_file(text + "\n"), {})
    assert f": {text.partition(':')[0]}: expected no secret, found one in " in told
    assert "hunter2" not in told


@pytest.mark.parametrize("text", ["pip: {}", "pip: {{packages: {}}}", "uv: {}", "conda: {}"])
def test_a_secret_in_a_file_that_it_names_is_refused_and_not_shown(yaml_file, tmp_path, text):
    named = tmp_path / "named.yml"
    named.write_text("--extra-index-url https://user:hunter2@host/simple\nx\n")
    (told,) = problems(yaml_file(text.format(named) + "\n"), {})
    assert ": expected no secret, found one in '--extra-index-url https://***@host/simple'" in told


def test_what_only_looks_like_a_secret_is_none(yaml_file):
    path = yaml_file("pip: ['git+ssh://git@github.com/me/mine.git', 'x @ https://host/x.whl']\nconfig: {eager: 1}\n")
    assert read_runtime_env(path, {}).keys() == {"pip", "config", "env_vars"}


@pytest.mark.parametrize(
    "name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "TOKENIZERS_PARALLELISM", "KEYBOARD", "MY_PATH", "PASSES"]
)
def test_a_name_that_only_looks_like_one_is_not(yaml_file, name):
    assert name in read_runtime_env(yaml_file(f"env_vars: {{{name}: x}}\n"), {})["env_vars"]


@pytest.mark.parametrize("text", ["- a\n", "env_vars: [a]\n", "env_vars: {A: 'hunter2\n", ":\n:"])
def test_what_is_no_runtime_environment(yaml_file, text):
    (told,) = problems(yaml_file(text), {})
    assert "--runtime-env" in told
    assert "hunter2" not in told


def test_a_file_that_is_not_there(tmp_path):
    assert "nothing.yaml" in problems(str(tmp_path / "nothing.yaml"), {})[0]


def test_settings_that_hold_a_secret_or_lead_nowhere_are_refused():
    told = problems(None, {"AWS_ENDPOINT_URL": "http://user:hunter2@s3", "REVSEARCH_WEIGHTS": "weights"})
    assert [line.split(":")[0] for line in told] == ["AWS_ENDPOINT_URL", "REVSEARCH_WEIGHTS"]
    assert "hunter2" not in "".join(told)


@pytest.mark.parametrize("word", ["--root=https://u:hunter2@host/x", "https://host/x?X-Amz-Signature=hunter2"])
def test_a_command_may_hold_no_secret(word):
    assert hides_secret(word)
    (told,) = secret_words(["--k=3", word])
    assert "hunter2" not in told
