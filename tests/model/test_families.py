import pytest
import torch

from revsearch.model.families import InceptionScale, build, build_empty, family_of
from revsearch.model.names import zoo_names

SIZES = {"vit_h_14": 518, "inception_v3": 299}


@pytest.mark.parametrize("architecture", zoo_names())
def test_every_model_is_built_without_values_nor_random_numbers(architecture: str) -> None:
    before = torch.random.get_rng_state()
    model = build_empty(architecture, SIZES.get(architecture, 224))
    assert all(value.is_meta for value in [*model.parameters(), *model.buffers()])
    # what a weights file does not hold would be left without a value
    assert {name for name, _ in model.named_buffers()} <= model.state_dict().keys()
    torch.testing.assert_close(torch.random.get_rng_state(), before)


def test_models_of_one_size_are_built_for_it() -> None:
    assert [name for name in zoo_names() if family_of(name).fixed_size] == [
        "maxvit_t", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32",
    ]  # fmt: skip
    assert build_empty("vit_b_16", 384).state_dict()["encoder.pos_embedding"].shape == (1, 24 * 24 + 1, 768)


def test_inception_rescales_as_torchvision_does() -> None:
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    model = build("googlenet", 224)
    model.transform_input = True
    torch.testing.assert_close(InceptionScale()(x), model._transform_input(x))
