from __future__ import annotations

from dataclasses import asdict

import pytest

from faststyle.contract import CONTRACT_VERSION, NCHW_FLOAT, ModelCard
from tests.conftest import REPOSITORY

CARD = ModelCard(
    style="night",
    description="Swirls",
    author="A. Painter",
    license="CC0",
    source="The attic",
    preset="fast width 4",
    layout=NCHW_FLOAT,
    trained_steps=10,
    faststyle_version="0.1",
    contract_version=CONTRACT_VERSION - 1,
    multiple=4,
    halo=60,
    normalization="sampled",
    context="input",
    precision="int8",
    difference={"mean": 0.5, "largest": 9},
    training={"steps": 10, "style_layers": ["relu1_1"]},
)


def test_a_card_survives_metadata() -> None:
    usual = asdict(ModelCard(style=""))
    assert [name for name, value in asdict(CARD).items() if value == usual[name]] == []
    metadata = CARD.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert ModelCard.from_metadata({**metadata, "unknown": "key"}) == CARD


def test_every_key_is_documented() -> None:
    shown = (REPOSITORY / "docs" / "MODEL.md").read_text()
    assert [key for key in CARD.to_metadata() if f"`{key}`" not in shown] == []


@pytest.mark.parametrize(
    "damage",
    [
        *({"halo": "wide"}, {"multiple": "[4]"}, {"contract_version": '"1"'}),
        *({"training": "[1]"}, {"difference": '{"mean": "small"}'}, {"training": "[" * 100_000}),
        *({"contract_version": version} for version in ("0", "-5", "true", "2.5")),
        *({"multiple": "0"}, {"multiple": "100000000"}, {"halo": "-36"}, {"halo": "100000000"}),
    ],
)
def test_damaged_metadata_are_refused(damage: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ModelCard.from_metadata({**CARD.to_metadata(), **damage})


def test_missing_metadata_are_refused() -> None:
    with pytest.raises(KeyError):
        ModelCard.from_metadata({"contract_version": "1"})
