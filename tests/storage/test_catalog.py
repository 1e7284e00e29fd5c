from collections.abc import Callable

import pytest

from revsearch.errors import CorruptArtifact, IncompleteEmbeddings, InvalidSpec, MissingArtifact
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.catalog import list_artifacts, resolve
from revsearch.storage.local import LocalStore
from revsearch.storage.refs import move_ref

A, B, C = "aaaa00000000", "aaab00000000", "cccc00000000"


@pytest.fixture(autouse=True)
def committed(commit: Callable[..., Artifact]) -> list[Artifact]:
    return [commit("manifest", A), commit("manifest", B), commit("index", A), commit("embeddings", C)]


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        (f"manifest/{A}", None, f"manifest/{A}"),
        (f"manifest/{A}", "manifest", f"manifest/{A}"),
        ("manifest/aaab", None, f"manifest/{B}"),
        ("aaab", None, f"manifest/{B}"),
        ("aaaa", "manifest", f"manifest/{A}"),
        ("aaaa", "index", f"index/{A}"),
        ("c", None, f"embeddings/{C}"),
        (C, None, f"embeddings/{C}"),
        ("best", None, f"index/{A}"),
        ("best", "index", f"index/{A}"),
        ("nights/1", None, f"manifest/{B}"),
    ],
)
def test_an_id_a_unique_prefix_and_a_ref_lead_to_their_artifact(
    store: LocalStore, text: str, kind: None, found: str
) -> None:
    move_ref(store, "best", f"index/{A}")
    move_ref(store, "nights/1", f"manifest/{B}")
    assert str(resolve(store, text, kind)) == found


@pytest.mark.parametrize(("text", "kind", "n"), [("aaa", None, 3), ("aaa", "manifest", 2), ("manifest/aaa", None, 2)])
def test_a_prefix_of_several_ids_is_refused_with_what_it_may_mean(
    store: LocalStore, text: str, kind: None, n: int
) -> None:
    with pytest.raises(InvalidSpec, match=f"'{text}' is the beginning of {n} ids: .*manifest/{A}.*; give more digits"):
        resolve(store, text, kind)


def test_an_artifact_of_another_kind_is_refused(store: LocalStore) -> None:
    move_ref(store, "best", f"index/{A}")
    for text in ("best", f"index/{A}", "index/a"):
        with pytest.raises(InvalidSpec, match=f"expected an artifact of kind manifest, found index/{A} \\('{text}'\\)"):
            resolve(store, text, "manifest")
    with pytest.raises(InvalidSpec, match=f"expected an artifact of kind index, found embeddings/{C}"):
        resolve(store, "cccc", "index")


@pytest.mark.parametrize(("text", "kind"), [("dddd", "index"), ("dddd", None), ("bset", None), ("AAAB", None)])
def test_what_names_nothing_is_missing_and_the_refs_there_are_shown(store: LocalStore, text: str, kind: None) -> None:
    move_ref(store, "best", f"index/{A}")
    with pytest.raises(MissingArtifact, match=f"no {kind or 'artifact'} '{text}' in {store.uri}; refs there: best;"):
        resolve(store, text, kind)


@pytest.mark.parametrize("kind", [None, "index"])
def test_no_text_names_nothing_also_where_there_is_but_one(store: LocalStore, kind: None) -> None:
    with pytest.raises(InvalidSpec, match="expected the id of an artifact or a ref, found ''"):
        resolve(store, "", kind)


def test_a_ref_to_what_is_gone_is_missing(store: LocalStore) -> None:
    move_ref(store, "best", f"index/{C}")
    with pytest.raises(MissingArtifact, match=f"no index/{C}"):
        resolve(store, "best")


def test_what_is_unfinished_has_no_prefix_and_says_so_by_its_full_id(store: LocalStore) -> None:
    Draft(store, "rankings", "dddd00000000", {}, {}).put("part", ".parquet", b"1")
    with pytest.raises(MissingArtifact):
        resolve(store, "dddd")
    with pytest.raises(IncompleteEmbeddings, match="run the command again"):
        resolve(store, "rankings/dddd00000000")


def test_a_corrupt_card_is_not_passed_over(store: LocalStore) -> None:
    store.write(f"embeddings/{C}/card.json", b"{}")
    for text in ("cccc", f"embeddings/{C}"):
        with pytest.raises(CorruptArtifact):
            resolve(store, text)


def test_committed_artifacts_are_listed_by_kind(store: LocalStore) -> None:
    Draft(store, "rankings", "dddd00000000", {}, {}).put("part", ".parquet", b"1")
    assert list(list_artifacts(store)) == [f"manifest/{A}", f"manifest/{B}", f"embeddings/{C}", f"index/{A}"]
    assert list(list_artifacts(store, "index")) == [f"index/{A}"]
    assert list(list_artifacts(store, "evaluation")) == []
