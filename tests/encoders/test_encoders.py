"""The loaders of off-the-shelf encoders and the features of a corpus."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from made_corpus import make_corpus
from scipy import signal
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

import pipeline.encoders.embedding
from pipeline.base.files import read_parquet, write_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.encoders import imagenet as encoders
from pipeline.encoders.common.bottleneck import Bottleneck
from pipeline.encoders.common.plain_resnet import PLAIN, STEM, PlainResNet
from pipeline.encoders.common.sounds import standardised
from pipeline.encoders.embedding import embed_corpus
from pipeline.encoders.imagenet import ImageEncoder, image_encoder, load_image_encoder
from pipeline.encoders.vggsound import AUDIO_WEIGHTS, AudioEncoder, audio_encoder
from pipeline.errors import InputError
from pipeline.networks.weights import save_safetensors, save_torch

NARROW = {"layers": (1, 2, 1, 1), "channels": (8, 12, 16, 24)}


def pictures(count: int, side: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


def published_sound_network(classes: int = 309) -> nn.Module:
    """The published network's layers as torchvision builds them."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return network.eval()


def save_sound_network(path: Path, network: nn.Module) -> None:
    state = {f"audnet.{key}": tensor for key, tensor in network.state_dict().items()}
    save_torch(path, {"model_state_dict": state, "epoch": 7})


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("resnet18", {}),
        ("resnet18", NARROW),
        ("resnet50", {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 16)}),
        ("wide_resnet50_2", {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 16)}),
        ("vit_tiny_patch16_224", {"img_size": 224}),
        ("convnext_atto", {}),
    ],
)
def test_image_features_are_timms(tmp_path: Path, model: str, arguments: dict) -> None:
    side = 224 if "vit" in model else 64
    network = timm.create_model(model, num_classes=5, **arguments).eval()
    save_safetensors(tmp_path / "image.safetensors", network.state_dict())
    encoder = image_encoder(model, tmp_path / "image.safetensors", side=side)
    frames = pictures(2, side)
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    if "vit" in model:
        mean = deviation = np.array([0.5, 0.5, 0.5])
    normal = ((frames.numpy() / 255 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.inference_mode():
        maps = network.forward_features(torch.from_numpy(normal))
        expected = network.forward_head(maps, pre_logits=True)
        found = encoder(frames)
        assert found.shape == (2, encoder.features) and found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
        objects = encoder.object_map(frames)
    if "vit" not in model:
        torch.testing.assert_close(objects, maps.abs().mean(dim=1), rtol=1e-3, atol=1e-4)
    assert objects.shape == ((2, 14, 14) if "vit" in model else (2, 2, 2))


def test_a_name_that_timm_does_not_know_is_a_resnet_file(tmp_path: Path) -> None:
    for model in ("resnet18", "resnet50"):
        network = timm.create_model(model, num_classes=3, **NARROW).eval()
        save_torch(tmp_path / "image.pth", network.state_dict())
        encoder = image_encoder("toy", tmp_path / "image.pth", side=64)
        torch.testing.assert_close(
            encoder(pictures(1)),
            network.forward_head(
                network.forward_features(encoder.normalised(pictures(1))), pre_logits=True
            ),
        )


def test_frames_of_another_side_are_resized(tmp_path: Path) -> None:
    save_torch(tmp_path / "image.pth", timm.create_model("resnet18", **NARROW).state_dict())
    encoder = image_encoder("resnet18", tmp_path / "image.pth", side=64)
    flat = torch.full((1, 70, 90, 3), 200, dtype=torch.uint8)
    torch.testing.assert_close(
        encoder.normalised(flat), encoder.normalised(flat[:, :64, :64]), rtol=0, atol=1e-5
    )


def test_weights_that_cannot_be_fetched_say_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(encoders, "urlopen", unreachable)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError) as caught:
        load_image_encoder(tmp_path, "resnet18.a1_in1k", 224)
    assert "https://huggingface.co/timm/resnet18.a1_in1k" in str(caught.value)
    assert "place model.safetensors of" in str(caught.value)
    assert str(tmp_path / "resnet18.a1_in1k.safetensors") in str(caught.value)
    with pytest.raises(InputError, match="'nonsense': unknown to timm"):
        image_encoder("nonsense")
    with pytest.raises(InputError, match="Invalid pretrained tag"):
        image_encoder("resnet18.nonsense")
    with pytest.raises(InputError, match=r"H\.pth\.tar: not found; .*hche11/VGGSound"):
        audio_encoder(tmp_path / "H.pth.tar")


def test_two_files_of_image_weights_are_refused(tmp_path: Path) -> None:
    for name in ("image.pth", "image.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"holds image\.pth, image\.safetensors"):
        load_image_encoder(tmp_path, "resnet18", 64)


def test_a_file_of_the_model_s_own_name_comes_before_the_one_for_every_model(
    tmp_path: Path,
) -> None:
    sizes = {"image": NARROW, "resnet18": {**NARROW, "channels": (4, 8, 8, 8)}}
    for name, shape in sizes.items():
        network = timm.create_model("resnet18", num_classes=0, **shape)
        save_torch(tmp_path / f"{name}.pth", network.state_dict())
    assert load_image_encoder(tmp_path, "resnet18", 64).features == 8
    assert load_image_encoder(tmp_path, "resnet34", 64).features == 24


def test_an_image_network_with_too_few_stages_is_refused(tmp_path: Path) -> None:
    sizes = {"layers": (1, 1, 1), "channels": (8, 8, 8)}
    network = timm.create_model("resnet18", num_classes=0, **sizes)
    save_torch(tmp_path / "image.pth", network.state_dict())
    with pytest.raises(InputError, match=r"image\.pth: holds 3 stages of a ResNet, expected 4"):
        image_encoder("toy", tmp_path / "image.pth")


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    save_sound_network(tmp_path / "H.pth.tar", published_sound_network(3))
    with pytest.raises(InputError, match=r"misses layer1\.0\.conv2\.weight"):
        image_encoder("resnet18", tmp_path / "H.pth.tar")
    save_torch(tmp_path / "vit.pth", timm.create_model("vit_tiny_patch16_224").state_dict())
    with pytest.raises(InputError, match=r"misses audnet\.layer1\.0\.conv2\.weight"):
        audio_encoder(tmp_path / "vit.pth")
    with pytest.raises(InputError, match=r"vit\.pth: misses stem_0|vit\.pth: misses"):
        image_encoder("convnext_atto", tmp_path / "vit.pth")
    state = published_sound_network(3).state_dict()
    del state["layer3.0.bn1.weight"]
    save_torch(tmp_path / "H.pth.tar", {f"audnet.{key}": value for key, value in state.items()})
    with pytest.raises(InputError, match=r"misses audnet\.layer3\.0\.bn1\.weight"):
        audio_encoder(tmp_path / "H.pth.tar")
    del state["fc.weight"]
    save_torch(tmp_path / "H.pth.tar", {f"audnet.{key}": value for key, value in state.items()})
    with pytest.raises(InputError, match=r"misses audnet\.fc\.weight"):
        audio_encoder(tmp_path / "H.pth.tar")


def test_sound_features_are_the_published_networks(tmp_path: Path) -> None:
    """Against torchvision's network on SciPy's spectrogram, standardised by NumPy."""
    network = published_sound_network()
    save_sound_network(tmp_path / "H.pth.tar", network)
    encoder = audio_encoder(tmp_path / "H.pth.tar")
    sound = np.random.default_rng(0).standard_normal(16000) * 0.1
    spectrogram = signal.spectrogram(sound, 16000, nperseg=512, noverlap=353)[2]
    logs = np.log(spectrogram + 1e-7)
    expected_input = (logs - logs.mean()) / (logs.std() + 1e-9)
    x = torch.from_numpy(expected_input.astype(np.float32))[None, None]
    pooled: list[Tensor] = []
    network.avgpool.register_forward_hook(lambda _, __, output: pooled.append(output.flatten(1)))
    with torch.inference_mode():
        scores = network(x)
        ours = torch.from_numpy(logs.T.astype(np.float32))[None]
        torch.testing.assert_close(standardised(ours), x, rtol=1e-4, atol=1e-5)
        assert encoder.features == 512
        torch.testing.assert_close(encoder(ours), pooled[0], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(encoder.classify(ours), scores, rtol=1e-3, atol=1e-4)
        assert scores.shape == (1, 309)


def test_a_sound_network_of_any_size_is_read(tmp_path: Path) -> None:
    for bottleneck in (False, True):
        network = AudioEncoder((1, 2), (8, 16), stem=6, classes=4, bottleneck=bottleneck).eval()
        save_torch(tmp_path / "H.pth.tar", {"model_state_dict": network.state_dict()})
        encoder = audio_encoder(tmp_path / "H.pth.tar")
        sound = torch.randn(2, 40, 16)
        torch.testing.assert_close(encoder.classify(sound), network.classify(sound))
    kinds = {type(m) for m in encoder.modules()}
    assert Bottleneck in kinds and encoder.features == 16


@torch.inference_mode()
def test_blocks_and_networks_give_the_bits_of_those_whose_files_they_read(tmp_path: Path) -> None:
    """torchvision's bottleneck, and timm's ResNet of basic blocks with its last map."""
    shortcut = nn.Sequential(nn.Conv2d(6, 16, 1, stride=2, bias=False), nn.BatchNorm2d(16))
    theirs = resnet.Bottleneck(6, 4, 2, shortcut).eval()
    ours = Bottleneck(6, 16, 2, shortcut).eval()
    ours.load_state_dict(theirs.state_dict())
    inputs = torch.randn(2, 6, 9, 9)
    assert torch.equal(ours(inputs), theirs(inputs))

    network = timm.create_model("resnet18", num_classes=5, **NARROW).eval()
    network.to(memory_format=torch.channels_last)
    save_safetensors(tmp_path / "toy.safetensors", network.state_dict())
    encoder = load_image_encoder(tmp_path, "toy", 64)
    assert isinstance(encoder.network, PlainResNet)
    seen = encoder.normalised(pictures(3))
    last = network.forward_intermediates(seen, indices=1, intermediates_only=True)[-1]
    assert torch.equal(encoder(pictures(3)), network.forward_head(last, pre_logits=True))
    assert torch.equal(encoder.object_map(pictures(3)), last.abs().mean(dim=1))


def test_only_files_that_timm_would_run_alike_are_run_without_it() -> None:
    known = [name for name in PLAIN if timm.is_model(name)]
    assert known == [name for name in PLAIN if name.startswith("resnet")]
    for name in known:
        network = timm.create_model(name)
        assert type(network.layer1[0]).__name__ == "BasicBlock"
        assert network.conv1.out_channels == STEM
        for key, value in PlainResNet.pretrained_cfg.items():
            assert network.pretrained_cfg[key] == value, (name, key)


def made_encoders(folder: Path) -> tuple[ImageEncoder, AudioEncoder]:
    torch.manual_seed(3)
    save_torch(folder / "image.pth", timm.create_model("resnet18", **NARROW).state_dict())
    sound = AudioEncoder((1, 1), (8, 16), stem=8, classes=4)
    save_torch(folder / "H.pth.tar", {"model_state_dict": sound.state_dict()})
    return (load_image_encoder(folder, "toy", 32), audio_encoder(folder / AUDIO_WEIGHTS))


def made_corpus(folder: Path) -> DecodedCorpus:
    """Twelve clips of three lengths of sound; clip03 has no picture and clip07 no sound."""
    rng = np.random.default_rng(4)
    sounds = [rng.standard_normal((20 + 4 * (n % 3), 16)) for n in range(12)]
    frames = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    heard = make_corpus(folder, frames, sounds).sounds_folder
    for path, column, row in (
        (folder / "clips.parquet", "frame_row", 3),
        (heard / "sounds.parquet", "start", 7),
    ):
        table = read_parquet(path)
        values = table[column].to_numpy().copy()
        values[row] = -1
        table = table.set_column(table.schema.get_field_index(column), column, [values])
        write_parquet(path, table)
    return DecodedCorpus(folder, heard)


def test_embedding_a_corpus(tmp_path: Path) -> None:
    image, audio = made_encoders(tmp_path)
    corpus = made_corpus(tmp_path / "corpus")
    features = {}
    for encoder in (image, audio):
        path = tmp_path / "out" / f"{encoder.modality}.npy"
        summary = embed_corpus(corpus, encoder, path, work=tmp_path / "w", batch=4)
        assert summary == {"clips": 12, "with features": 11}
        features[encoder.modality] = np.load(path)
    assert features["image"].shape == (12, 24) and features["audio"].shape == (12, 16)
    assert all(array.dtype == np.float32 for array in features.values())
    assert np.isnan(features["image"]).all(axis=1).nonzero()[0].tolist() == [3]
    assert np.isnan(features["audio"]).all(axis=1).nonzero()[0].tolist() == [7]
    with torch.inference_mode():
        for row in (0, 5, 11):
            one = image(torch.from_numpy(corpus.frame(row).copy())[None])[0].numpy()
            np.testing.assert_allclose(features["image"][row], one, rtol=1e-4, atol=1e-5)
            one = audio(torch.from_numpy(corpus.spectrogram(row).copy())[None])[0].numpy()
            np.testing.assert_allclose(features["audio"][row], one, rtol=1e-4, atol=1e-5)
    assert list((tmp_path / "w").iterdir()) == []


def test_features_in_bfloat16_are_stored_as_float32_and_near(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "corpus")
    for encoder in made_encoders(tmp_path):
        whole, half = tmp_path / "whole.npy", tmp_path / "half.npy"
        embed_corpus(corpus, encoder, whole, work=tmp_path / "w", batch=4)
        embed_corpus(corpus, encoder, half, work=tmp_path / "w", batch=4, half=True)
        found, right = (torch.from_numpy(np.load(path)).nan_to_num() for path in (half, whole))
        assert found.dtype == torch.float32 and not torch.equal(found, right)
        cosines = torch.nn.functional.cosine_similarity(found, right)
        assert (cosines[right.any(dim=1)] > 0.999).all()


def test_frames_with_their_aspect_kept_are_squashed_in_one_resize(tmp_path: Path) -> None:
    image, _ = made_encoders(tmp_path)
    generator = np.random.default_rng(2)
    shapes = [(70, 124), (124, 70), (70, 70), (70, 124), (70, 93)]
    frames = [generator.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes]
    sounds = [generator.normal(-9, 3, (20, 16)) for _ in shapes]
    corpus = make_corpus(tmp_path / "corpus", frames, sounds)
    path = tmp_path / "out/image.npy"
    embed_corpus(corpus, image, path, work=tmp_path / "w", batch=4)
    found = np.load(path)
    with torch.inference_mode():
        for row, frame in enumerate(frames):
            seen = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
            square = resize(seen, [32, 32], InterpolationMode.BILINEAR, antialias=True)
            normalised = (square / 255 - image.mean) / image.deviation
            expected = image.network(normalised)[0].numpy()
            np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)


def test_sounds_are_fitted_to_a_length(tmp_path: Path) -> None:
    _, audio = made_encoders(tmp_path)
    corpus = made_corpus(tmp_path / "corpus")
    path = tmp_path / "out/audio.npy"
    embed_corpus(corpus, audio, path, work=tmp_path / "w", batch=4, sound_steps=24)
    found = np.load(path)
    for row, expected in (
        (0, np.concatenate([corpus.spectrogram(0), corpus.spectrogram(0)])[:24]),
        (1, corpus.spectrogram(1)),
        (2, corpus.spectrogram(2)[2:26]),
    ):
        with torch.inference_mode():
            one = audio(torch.from_numpy(expected.copy())[None])[0].numpy()
        np.testing.assert_allclose(found[row], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_killed_embedding_goes_on_and_ends_in_the_same_bytes(
    modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.encoders.embedding, "_BLOCK", 4)
    encoder = dict(zip(("image", "audio"), made_encoders(tmp_path), strict=True))[modality]
    corpus = made_corpus(tmp_path / "corpus")
    embed_corpus(corpus, encoder, tmp_path / "whole.npy", work=tmp_path / "w", batch=4)
    calls: list[int] = []
    name = "embed_frames" if modality == "image" else "embed_sounds"
    original = getattr(pipeline.encoders.embedding, name)

    def counted(*arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(pipeline.encoders.embedding, name, counted)
    with pytest.raises(KeyboardInterrupt):
        embed_corpus(corpus, encoder, tmp_path / "out.npy", work=tmp_path / "w", batch=4)
    assert not (tmp_path / "out.npy").exists()
    embed_corpus(corpus, encoder, tmp_path / "out.npy", work=tmp_path / "w", batch=4)
    assert len(calls) == 4  # the first block was not computed again
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_other_weights_never_take_up_unfinished_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = made_corpus(tmp_path / "corpus")
    image, _ = made_encoders(tmp_path)
    monkeypatch.setattr(pipeline.encoders.embedding.Blocks, "discard", lambda self: None)
    embed_corpus(corpus, image, tmp_path / "one.npy", work=tmp_path / "w")
    with torch.no_grad():
        image.network.conv1.weight.mul_(2)
    embed_corpus(corpus, image, tmp_path / "two.npy", work=tmp_path / "w")
    assert len(list((tmp_path / "w").iterdir())) == 2
    one, two = (np.load(tmp_path / f"{name}.npy") for name in ("one", "two"))
    assert np.nanmax(np.abs(one - two)) > 0
