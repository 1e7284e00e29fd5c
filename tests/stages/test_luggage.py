from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from revsearch.errors import InvalidSpec
from revsearch.stages import luggage
from revsearch.stages.luggage import Luggage

DATA = ("photos/a.jpg", "weights/w.pth", "store/embeddings/x/card.json", ".git/config", ".venv/bin/python", "x.npy")
CODE = ("mine.py", "package/store/a.py", "package/weights.py", "truth.csv", "logo.png")


@pytest.fixture
def folder(tmp_path: Path, write_files: Callable[[Path, Mapping[str, bytes]], Path]) -> Path:
    return write_files(tmp_path / "dir", dict.fromkeys((*DATA, *CODE), b"x" * 1000))


def names(sent: Luggage, folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in sent._files(folder)}


def test_code_travels_and_data_do_not(folder: Path) -> None:
    assert names(Luggage((), folder), folder) == {*CODE} - {"logo.png"}
    assert names(Luggage((), folder, ("!logo.png", "*.csv")), folder) == {*CODE} - {"truth.csv"}


@pytest.mark.parametrize(
    "name", [".env", "package/.env", ".env.local", "server.pem", "package/tls.key", ".aws/credentials", ".ssh/id"]
)
def test_secrets_stay_here_whatever_is_said(
    folder: Path, write_files: Callable[[Path, Mapping[str, bytes]], Path], name: str
) -> None:
    write_files(folder, {name: b"hunter2"})
    assert name not in names(Luggage((), folder), folder)
    assert name not in names(Luggage((), folder, (f"!{name}", f"!/{name}", "!*")), folder)


def test_what_git_ignores_stays_here(folder: Path) -> None:
    (folder / ".gitignore").write_text("truth.*\n.gitignore\n")
    assert names(Luggage((), folder), folder) == {"mine.py", "package/store/a.py", "package/weights.py"}


def test_too_much_is_refused_with_the_largest_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luggage, "MAX_BYTES", 5000)
    (folder / "big.bin").write_bytes(b"x" * 3000)
    with pytest.raises(InvalidSpec, match=r"in 5 files; the largest: big.bin .*--exclude"):
        Luggage((), folder).require_small()
    Luggage((), folder, ("big.*",)).require_small()


def test_no_folder_is_none_too_large_and_one_that_is_missing_is_refused(tmp_path: Path) -> None:
    Luggage(()).require_small()
    with pytest.raises(InvalidSpec, match=r"--working-dir .*nothing: expected a folder"):
        Luggage((), tmp_path / "nothing").require_small()


def test_our_own_code_is_sent_whole_whatever_stays_here(folder: Path) -> None:
    class Server:
        asked: list[dict[str, Any]] = []  # noqa: RUF012  # one server a test

        def uploaded(self, runtime_env: dict[str, Any]) -> dict[str, Any]:
            self.asked.append(dict(runtime_env))
            return {name: value for name, value in runtime_env.items() if name != "excludes"}

    sent = Luggage((Path("/ours"),), folder, runtime_env={"pip": ["x"], "py_modules": ["gcs://theirs.zip"]})
    found = sent.send(Server())  # type: ignore[arg-type]  # a counterpart
    assert found == {"pip": ["x"], "working_dir": str(folder), "py_modules": ["/ours", "gcs://theirs.zip"]}
    assert Server.asked[0] == {"py_modules": ["/ours"], "excludes": ["__pycache__"]}
    assert "*.jpg" in Server.asked[1]["excludes"]
