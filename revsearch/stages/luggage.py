"""What travels with a job: our own code as it runs here, and a folder of the user's without the data in it."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import _dir_travel, _get_excludes

from revsearch.errors import InvalidSpec
from revsearch.stages.job_server import JobServer

MAX_BYTES = 64 * 2**20
MIB = 2**20
# Every worker reads data from where they lie: store and sources. `--exclude '!x.png'` takes one along.
DATA = (
    *("*.jpg", "*.jpeg", "*.png", "*.webp", "*.gif", "*.bmp", "*.tif", "*.tiff", "*.tar"),
    *("*.pth", "*.pt", "*.ckpt", "*.safetensors", "*.npy", "*.npz", "graph*.bin"),
    *("/store/", "/demo/", "/weights/", "/artifacts/", "*_cache/", "*.egg-info/"),
)
# Whoever may use a cluster may read what is sent to it.
SECRETS = (".env", ".env.*", "*.pem", "*.key", ".aws/", ".ssh/", ".netrc")
_COMPILED = ["__pycache__"]  # another at each change of a file's time: the same code would be sent again
_N_SHOWN = 3


@dataclass(frozen=True)
class Luggage:
    """What is sent with a job.

    Attributes:
        code: folders of packages, importable by their names wherever the job runs.
        working_dir: the folder that the job runs in; None for an empty one.
        excludes: what of it stays here beside `DATA` and `SECRETS`, as in a .gitignore.
        runtime_env: the rest of Ray's runtime environment.
    """

    code: tuple[Path, ...]
    working_dir: Path | None = None
    excludes: tuple[str, ...] = ()
    runtime_env: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all_excludes(self) -> list[str]:
        """What of the folder stays here, secrets whatever is said."""
        return [*get_runtime_env_default_excludes(), *DATA, *self.excludes, *SECRETS]

    def require_small(self) -> None:
        """Refuse a folder that is not there, or has too much in it: what is meant to be code is most likely data.

        Raises:
            InvalidSpec: with the largest files.
        """
        if self.working_dir is None:
            return
        if not self.working_dir.is_dir():
            raise InvalidSpec(f"--working-dir {self.working_dir}: expected a folder, found none")
        sizes = [(path.stat().st_size, path) for path in self._files(self.working_dir)]
        total = sum(size for size, _ in sizes)
        if total > MAX_BYTES:
            largest = ", ".join(
                f"{path.relative_to(self.working_dir)} ({size / MIB:.1f} MiB)"
                for size, path in heapq.nlargest(_N_SHOWN, sizes)
            )
            raise InvalidSpec(
                f"--working-dir {self.working_dir}: expected at most {MAX_BYTES / MIB:.0f} MiB, found "
                f"{total / MIB:.1f} MiB in {len(sizes)} files; the largest: {largest}; leave them out with --exclude: "
                "images and artifacts are read from where they lie"
            )

    def send(self, server: JobServer) -> dict[str, Any]:
        """Upload what is not there yet, and return the runtime environment of the job.

        Raises:
            InvalidSpec: where a folder cannot be packed.
            ClusterUnavailable: where the server does not answer.
        """
        # Apart: what stays here of the user's folder must not be missing in our own code.
        code = server.uploaded({"py_modules": [str(folder) for folder in self.code], "excludes": _COMPILED})
        folder = {} if self.working_dir is None else {"working_dir": str(self.working_dir)}
        own = server.uploaded({**self.runtime_env, **folder, "excludes": self.all_excludes})
        return {**own, "py_modules": [*code["py_modules"], *own.get("py_modules", [])]}

    def _files(self, folder: Path) -> Iterator[Path]:
        """Return the files that Ray will pack."""
        found: list[Path] = []
        excluded = _get_excludes(folder, self.all_excludes)
        _dir_travel(folder, [excluded], found.append, include_gitignore=True)
        return (path for path in found if path.is_file())
