import torch

from revsearch.model.running import prepare


def test_threads_are_as_asked_and_fp32_is_full() -> None:
    before = torch.get_num_threads()
    try:
        prepare(1, seed=3, rank=1)
        assert torch.get_num_threads() == 1
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
    finally:
        torch.set_num_threads(before)
