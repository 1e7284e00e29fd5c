import pytest

from jobs.runtime_env import hides_secret, read_runtime_env, secret_words
from revsearch.errors import InvalidSpec

SECRETS = {
    "AWS_ACCESS_KEY_ID": "canary-1",
    "AWS_SECRET_ACCESS_KEY": "canary-2",
    "AWS_SESSION_TOKEN": "canary-3",
    "RAY_AUTH_TOKEN": "canary-4",
    "AWS_PROFILE": "canary-5",
}
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
    assert found == {"env_vars": SETTINGS}


def test_what_the_file_declares_goes_before_settings(yaml_file):
    path = yaml_file("pip: [x]\nenv_vars: {AWS_REGION: there, MINE: '1'}\n")
    found = read_runtime_env(path, SETTINGS)
    assert found == {"pip": ["x"], "env_vars": SETTINGS | {"AWS_REGION": "there", "MINE": "1"}}


@pytest.mark.parametrize("text", ["env_vars:\n", "pip: []\n"])
def test_a_file_without_variables(yaml_file, text):
    assert read_runtime_env(yaml_file(text), {})["env_vars"] == {}


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN", "DB_PASSWORD"])
def test_a_secret_in_the_file_is_refused_and_not_shown(yaml_file, name):
    (told,) = problems(yaml_file(f"env_vars: {{{name}: hunter2}}\n"), {})
    assert name in told
    assert "hunter2" not in told


@pytest.mark.parametrize("name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "TOKENIZERS_PARALLELISM", "KEYBOARD"])
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
