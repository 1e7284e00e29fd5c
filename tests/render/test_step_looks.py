from revsearch.render.step_looks import look_of, said_of, stacked
from revsearch.timeline import WAIT


def test_wait_is_on_top_and_what_nobody_thought_of_below_it() -> None:
    assert stacked({"write", WAIT, "zigzag", "embed", "decode", "fetch"}) == [
        "embed",
        "decode",
        "fetch",
        "write",
        "zigzag",
        WAIT,
    ]


def test_steps_of_one_kind_look_alike() -> None:
    assert look_of("embed") == look_of("step") == look_of("rank")
    kinds = ["embed", "decode", "fetch", "start", "write", "merge", WAIT, "zigzag"]
    assert len({look_of(step).light for step in kinds}) == len({look_of(step).dark for step in kinds}) == len(kinds)


def test_every_step_is_said() -> None:
    assert said_of("embed") == "in the forward pass"
    assert said_of("zigzag") == "in zigzag"
