import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.columns import find_columns


def test_known_names_are_found_and_the_others_kept_in_order() -> None:
    found = find_columns(["camera", "label", "uri", "id", "box", "split", "group", "is_query"], "list.csv")
    assert (found.uri, found.id, found.label, found.group) == ("uri", "id", "label", "group")
    assert found.roles == ("split", "is_query")
    assert found.extra == ("camera", "box")


def test_a_role_column_makes_split_and_flags_extra() -> None:
    found = find_columns(["uri", "split", "role", "is_gallery"], "list.csv")
    assert found.roles == ("role",)
    assert found.extra == ("split", "is_gallery")


@pytest.mark.parametrize(
    ("names", "near"),
    [
        (["urls"], "did you mean urls?"),
        (["URI"], "did you mean uri?"),
        (["filename", "x"], "did you mean filename?"),
        (["label"], "found columns: 'label'"),
        ([], "found columns: none"),
    ],
)
def test_no_uri_column_names_what_is_there(names: list[str], near: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        find_columns(names, "list.csv")
    assert str(caught.value).startswith("list.csv: expected a column uri or url or path or file_name; ")
    assert str(caught.value).endswith(near)
