"""What is said of the cluster files."""

import re
from pathlib import Path

import pytest

from tests.cluster.shipped import CLUSTER, ROOT

DOCUMENTS = [CLUSTER / "README.md", ROOT / "SECURITY.md"]


def test_every_shipped_file_is_described() -> None:
    told = (CLUSTER / "README.md").read_text()
    shipped = [path for path in CLUSTER.rglob("*") if path.is_file() and path.name != "README.md"]
    assert len(shipped) > 5
    assert [path.name for path in shipped if path.suffix != ".pyc" and path.name not in told] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", document.read_text())
    assert links
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("policy", ["s3-policy.json", "aws-head-policy.json"])
def test_policies_are_given_to_roles_by_their_files(policy: str) -> None:
    assert f"file://cluster/{policy}" in (CLUSTER / "README.md").read_text()


def test_the_table_of_actions_is_the_policy() -> None:
    told = set(re.findall(r"s3:[A-Z]\w+", (ROOT / "SECURITY.md").read_text()))
    assert told == set(re.findall(r"s3:[A-Z]\w+", (CLUSTER / "s3-policy.json").read_text()))
