import re

from hypothesis import given, settings
from hypothesis import strategies as st

from revsearch.rejects import EXPECTED, Reason, Rejection, count_reasons


def test_the_reasons_that_may_pass_are_those_of_the_run_and_of_the_file_system() -> None:
    transient = {reason.value for reason in Reason if reason.transient}
    assert transient == {"permission", "missing", "timeout", "worker_crash", "store_error"}


def test_a_value_of_the_format_is_a_word_and_leads_back_to_its_reason() -> None:
    for reason in Reason:
        assert re.fullmatch("[a-z_]+", reason.value)
        assert Reason(str(reason)) is reason


def test_only_duplicates_of_the_gallery_are_expected() -> None:
    assert set(EXPECTED) == {Reason.DUPLICATE_OF_GALLERY}


def test_a_rejection_says_what_for() -> None:
    rejection = Rejection(Reason.EMPTY, "'a.jpg': no bytes")
    assert (rejection.reason, str(rejection)) == (Reason.EMPTY, "'a.jpg': no bytes")
    assert "CANARY" not in str(Rejection(Reason.OUTSIDE_ROOT, "'https://u:CANARY@h/x?X-Amz-Signature=CANARY'"))


@settings(max_examples=50)
@given(st.lists(st.sampled_from(list(Reason)), max_size=30))
def test_reasons_are_counted_most_frequent_first_and_ties_by_name(reasons: list[Reason]) -> None:
    counted = count_reasons(reasons)
    assert counted == {reason: reasons.count(reason) for reason in set(reasons)}
    order = [(-n, reason) for reason, n in counted.items()]
    assert order == sorted(order)
