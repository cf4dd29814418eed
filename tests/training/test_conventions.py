from __future__ import annotations

import pytest

from faststyle.errors import OptionError
from faststyle.training.config import TrainingConfig
from faststyle.training.conventions import CONVENTIONS, RELATIVE, find_convention
from faststyle.training.vgg import layer_names


@pytest.mark.parametrize("name", CONVENTIONS)
def test_layers_exist_in_the_bundled_loss_network(name: str) -> None:
    convention = find_convention(name)
    assert {*convention.content_layers, *convention.style_layers} <= {*layer_names("vgg19")}


def test_ours_is_that_of_training() -> None:
    assert RELATIVE.style_layers == TrainingConfig.style_layers
    assert RELATIVE.content_weight == TrainingConfig.content_weight
    assert RELATIVE.total_variation_weight == TrainingConfig.total_variation_weight


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(OptionError, match="'mine': choose from relative, gatys, johnson"):
        find_convention("mine")
