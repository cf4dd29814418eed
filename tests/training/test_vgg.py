from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision

from faststyle.errors import OptionError, WeightsError
from faststyle.training.vgg import IMAGENET_MEAN, IMAGENET_STD, VggFeatures, layer_names, load_vgg


@pytest.mark.parametrize("loss_network", ["vgg16", "vgg19"])
def test_features_are_those_of_torchvision(loss_network: str) -> None:
    torch.manual_seed(0)
    reference = getattr(torchvision.models, loss_network)(weights=None).features.eval()
    for layer in reference:
        if isinstance(layer, torch.nn.Conv2d):
            layer.padding_mode = "reflect"
            layer._reversed_padding_repeated_twice = [1, 1, 1, 1]
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
    state = {f"features.{key}": value for key, value in reference.state_dict().items()}
    names = layer_names(loss_network)
    features = VggFeatures(state, loss_network=loss_network, layers=names)
    images = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    x, expected = (images - mean) / std, []
    for layer in reference:
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU):
            expected.append(x)
    computed = features(images)
    assert list(computed) == names
    for name, activation in zip(names, expected, strict=True):
        assert torch.allclose(computed[name], activation, atol=1e-5), name


def test_layer_names() -> None:
    assert layer_names("vgg16")[:5] == ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1"]
    assert len(layer_names("vgg19")) == 16
    with pytest.raises(OptionError, match="'vgg11': choose from lite, vgg16, vgg19"):
        layer_names("vgg11")


def test_network_is_frozen_and_only_as_deep_as_needed(vgg_weights: Path) -> None:
    features = load_vgg(loss_network="vgg19", layers=["relu2_1"], weights=vgg_weights)
    assert list(features.stages) == ["relu1_1", "relu1_2", "relu2_1"]
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_until_stops_early(vgg_weights: Path) -> None:
    features = load_vgg(loss_network="vgg19", layers=["relu1_1", "relu3_1"], weights=vgg_weights)
    images = torch.rand(1, 3, 16, 16)
    assert set(features(images, until="relu1_1")) == {"relu1_1"}
    assert set(features(images)) == {"relu1_1", "relu3_1"}


def test_weights_that_stop_early_are_named(vgg_weights: Path) -> None:
    load_vgg(loss_network="vgg19", layers=["relu5_1"], weights=vgg_weights)
    with pytest.raises(WeightsError, match=rf"^{vgg_weights}: .*stop before relu5_2.*shallower"):
        load_vgg(loss_network="vgg19", layers=["relu5_2"], weights=vgg_weights)


def test_an_unknown_layer_is_named(vgg_weights: Path) -> None:
    with pytest.raises(OptionError, match=r"vgg19 has no layer 'relu9_1': choose from relu1_1"):
        load_vgg(loss_network="vgg19", layers=["relu9_1"], weights=vgg_weights)


def test_weights_of_another_shape_are_refused(vgg_weights: Path, tmp_path: Path) -> None:
    state = torch.load(vgg_weights, weights_only=True)
    state["features.2.weight"] = torch.zeros(4, 9, 3, 3)
    path = tmp_path / "odd.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"odd\.pth: features\.2 has shape"):
        load_vgg(loss_network="vgg19", layers=["relu1_2"], weights=path)


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(
    value: float, part: str, vgg_weights: Path, tmp_path: Path
) -> None:
    state = torch.load(vgg_weights, weights_only=True)
    state[f"features.2.{part}"][0] = value
    path = tmp_path / "odd.pth"
    torch.save(state, path)
    load_vgg(loss_network="vgg19", layers=["relu1_1"], weights=path)
    with pytest.raises(WeightsError, match=r"odd\.pth: features\.2 holds numbers that are NaN"):
        load_vgg(loss_network="vgg19", layers=["relu1_2"], weights=path)


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("trapped"),))


def test_weights_are_never_unpickled_freely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": _Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match=r"trap\.pth: not a PyTorch state dict"):
        load_vgg(loss_network="vgg19", layers=["relu1_1"], weights=tmp_path / "trap.pth")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_file_that_is_no_state_dict_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^{path}: [^\n]*$"):
        load_vgg(loss_network="vgg19", layers=["relu1_1"], weights=path)


def test_a_failed_download_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.models.VGG19_Weights, "get_state_dict", fail)
    with pytest.raises(WeightsError, match=r"could not be downloaded .*--vgg-weights FILE$"):
        load_vgg(loss_network="vgg19", layers=["relu1_1"])


def test_a_download_is_announced_and_draws_nothing(
    monkeypatch: pytest.MonkeyPatch, vgg_weights: Path, tmp_path: Path
) -> None:
    asked: dict[str, bool] = {}

    def fetch(*_: object, **how: bool) -> dict[str, torch.Tensor]:
        asked.update(how)
        state: dict[str, torch.Tensor] = torch.load(vgg_weights)
        return state

    monkeypatch.setattr(torchvision.models.VGG19_Weights, "get_state_dict", fetch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    notices: list[str] = []
    load_vgg(loss_network="vgg19", layers=["relu1_1"], on_notice=notices.append)
    file = tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth"
    assert notices == [f"downloading the vgg19 weights, 548 MB, once, to {file}"]
    assert asked == {"progress": False, "check_hash": True}
    file.parent.mkdir()
    file.touch()
    load_vgg(loss_network="vgg19", layers=["relu1_1"], on_notice=notices.append)
    assert len(notices) == 1


def test_circular_padding_knows_no_border(vgg_weights: Path) -> None:
    features = load_vgg(
        loss_network="vgg19", layers=["relu3_2"], weights=vgg_weights, padding="circular"
    )
    images = torch.rand(1, 3, 32, 32)
    plain, moved = (features(each)["relu3_2"] for each in (images, images.roll((8, 12), (2, 3))))
    assert torch.allclose(plain.roll((2, 3), (2, 3)), moved, atol=1e-5)


def test_average_pooling_takes_means(vgg_weights: Path) -> None:
    shallow, pooled = (
        load_vgg(loss_network="vgg19", layers=layers, weights=vgg_weights, pooling="average")
        for layers in (["relu1_2"], ["relu1_2", "relu2_1"])
    )
    images = torch.rand(1, 3, 16, 16)
    means = torch.nn.functional.avg_pool2d(shallow(images)["relu1_2"], 2)
    convolution = pooled.convolution("relu2_1")
    assert torch.allclose(pooled(images)["relu2_1"], convolution(means).relu(), atol=1e-6)
