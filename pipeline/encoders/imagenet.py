"""Image networks by timm's names, ImageNet's and those trained without labels (DINO's, say):
features of frames for neighbours (3.3), and object maps.

A file's own shapes decide how deep and wide a ResNet is built, so the toy's narrow file and the
real ones walk the same code; what no file tells (the strides) is the standard one. The price is
that a ResNet file of any size is accepted under any ResNet's name: only a layer that is missing or
does not fit is an error.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.common.contract import Encoder
from pipeline.encoders.common.plain_resnet import PLAIN, PlainResNet
from pipeline.encoders.common.resnet_files import stages_of, tell_unused
from pipeline.encoders.common.settings import Embed
from pipeline.errors import InputError
from pipeline.networks.weights import SUFFIXES, check_fit, load_into, read_state

_STAGES = 4  # of every ResNet; with fewer timm builds one, but without intermediate features


class ImageEncoder(Encoder):
    """A timm network on uint8 frames: resizing and normalisation included.

    `features` is D, the number of features of a frame."""

    modality = "image"
    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.features = int(network.head_hidden_size)  # type: ignore[arg-type]
        published: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
        mean, deviation = torch.tensor(published["mean"]), torch.tensor(published["std"])
        self.register_buffer("mean", mean.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", deviation.view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, height, width, 3) uint8 RGB to pooled features, (B, D) float32."""
        return self.network(self.normalised(frames)).float()

    def object_map(self, frames: Tensor) -> Tensor:
        """The object prior of OGL: (B, height, width, 3) uint8 RGB to (B, h, w) float32, the mean
        over the channels of the last feature map's absolute value."""
        maps = self.network.forward_intermediates(  # type: ignore[operator]
            self.normalised(frames), indices=1, intermediates_only=True, output_fmt="NCHW"
        )
        return maps[-1].float().abs().mean(dim=1)

    def normalised(self, frames: Tensor) -> Tensor:
        """The network's input, (B, 3, side, side) float32, channels last in memory."""
        pixels = frames.permute(0, 3, 1, 2).to(torch.float32) / 255
        if pixels.shape[2:] != (self.side, self.side):
            pixels = functional.interpolate(
                pixels, (self.side, self.side), mode="bilinear", antialias=True
            )
        pixels = (pixels - self.mean) / self.deviation
        return pixels.contiguous(memory_format=torch.channels_last)


def load_image_encoder(folder: Path, image_model: str, side: int) -> ImageEncoder:
    """The image encoder whose weights lie in `folder`, see `image_weights_file`; where they do not,
    timm fetches those of `image_model`.

    Raises `InputError` as `image_encoder` and `image_weights_file` do."""
    place = folder / f"{image_model}.safetensors"
    found = image_weights_file(folder, image_model)
    return image_encoder(image_model, found, side=side, place=place)


def image_weights_file(folder: Path, image_model: str) -> Path | None:
    """The file of an image model's weights in a folder, with any of the known endings: under the
    model's own name, else as `image.*`, which stands for every model; None where there is none.

    Raises `InputError` where the folder holds several of one name."""
    for name in (image_model, "image"):
        found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise InputError(f"{folder}: holds {names}, expected one file of image weights")
        if found:
            return found[0]
    return None


def image_network_state(folder: Path, image_model: str) -> dict[str, Tensor]:
    """The entries of an ImageNet network by torchvision's names, which timm shares, from the same
    places as `load_image_encoder`'s: what a method's image network may begin with. Of a file in the
    folder they are as they stand, so that a network that timm cannot build (a narrower stem) begins
    too. Raises as that does, and as `read_state`."""
    found = image_weights_file(folder, image_model)
    if found is not None:
        return read_state(found)
    encoder = load_image_encoder(folder, image_model, side=224)
    return dict(encoder.network.state_dict())


def image_encoder(
    model: str,
    weights: Path | None = None,
    *,
    side: int = 224,
    place: Path = Path("image.safetensors"),
) -> ImageEncoder:
    """The timm network `model` without its classifier, in evaluation mode on the CPU.

    With `weights` a ResNet's depth and widths are read from the file, and a `model` that timm does
    not know is taken for a ResNet. Without, the published weights are fetched once, by timm's own
    address for the model: any of them, those trained without labels too. `side` is the input's, in
    pixels; `place` is where the error says to put the file where fetching fails. Raises
    `InputError` for that, for an unknown model, for one that has no such side, and for a file that
    does not fit.
    """
    network: nn.Module
    state = None if weights is None else read_state(weights)
    if state is not None and model in PLAIN and _is_basic(state):
        assert weights is not None
        blocks, widths, _ = _stages(state, weights)
        network = _fitting(partial(PlainResNet, blocks, widths), state, weights)
    else:
        network, weights, state = _by_timm(model, weights, state, side, place)
    unused = load_into(network, state, str(weights))
    tell_unused(weights, [name for name in unused if not name.startswith(_classifier_of(network))])
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ImageEncoder(network, side).eval()


def _by_timm(
    model: str, weights: Path | None, state: dict[str, Tensor] | None, side: int, place: Path
) -> tuple[nn.Module, Path, dict[str, Tensor]]:
    """timm's network of the shape that a file has, the file and its entries; they are fetched
    where they are not given."""
    # Two seconds, which the usual file does not need.
    import timm
    from timm.models.resnet import ResNet

    network: nn.Module | None = None
    if timm.is_model(model):
        try:
            network = timm.create_model(model, num_classes=0)
        except RuntimeError as error:  # a tag that the model does not have
            raise InputError(f"image model {model!r}: {error}") from error
        network = _of_side(network, model, side)
    if weights is None:
        if network is None:
            raise InputError(
                f"image model {model!r}: unknown to timm, expected a name it lists or {place}"
            )
        weights = _fetch(model, str(network.pretrained_cfg.get("hf_hub_id")), place)  # type: ignore[operator, union-attr]
    state = read_state(weights) if state is None else state
    if network is None or isinstance(network, ResNet):
        blocks, widths, bottleneck = _stages(state, weights)
        base = model if network is not None else "resnet50" if bottleneck else "resnet18"
        channels = tuple(width // 4 if bottleneck else width for width in widths)
        made = partial(timm.create_model, base, num_classes=0, layers=blocks, channels=channels)
        network = _fitting(made, state, weights)
    return network, weights, state


def _is_basic(state: Mapping[str, Tensor]) -> bool:
    return "layer1.0.conv2.weight" in state and "layer1.0.conv3.weight" not in state


def _stages(
    state: Mapping[str, Tensor], weights: Path
) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """As `stages_of`; raises `InputError` as well for another number of stages than four."""
    blocks, widths, bottleneck = stages_of(state, "", weights)
    if len(blocks) != _STAGES:
        raise InputError(
            f"{weights}: holds {len(blocks)} stages of a ResNet, expected {_STAGES}, "
            f"layer1 to layer{_STAGES}"
        )
    return tuple(blocks), tuple(widths), bottleneck


def _fitting(
    made: Callable[[], nn.Module], state: Mapping[str, Tensor], weights: Path
) -> nn.Module:
    """The network that `made` makes, once it is known to fit the entries of a file."""
    with torch.device("meta"):
        claimed = made()
    check_fit(claimed, state, str(weights))
    return made()


def _classifier_of(network: nn.Module) -> tuple[str, ...]:
    """What the names of a timm network's classifier begin with: every published file has it, and
    none of these networks does."""
    named: Any = network.pretrained_cfg.get("classifier")  # type: ignore[operator, union-attr]
    return tuple(f"{name}." for name in ([named] if isinstance(named, str) else named or ()))


def _of_side(network: nn.Module, model: str, side: int) -> nn.Module:
    """A timm network that takes frames of `side` pixels: most transformers are built for one side,
    and one of another is made where timm interpolates its places (DINO's and DINOv2's, MoCo v3's).

    Raises `InputError` where timm cannot, or where patches do not divide the side."""
    published: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    own = int(published["input_size"][-1])
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if patch is not None and side % patch[0]:
        raise InputError(
            f"image model {model!r}: has patches of {patch[0]} px, found a side of {side} px, "
            f"expected a multiple"
        )
    if not published.get("fixed_input_size") or side == own:
        return network
    import timm

    try:
        return timm.create_model(model, num_classes=0, dynamic_img_size=True)
    except TypeError as error:
        raise InputError(
            f"image model {model!r}: takes frames of {own} px alone, found a side of {side} px"
        ) from error


def _fetch(model: str, repository: str, place: Path) -> Path:
    """The published weights of a timm model: from the local cache, else from their address."""
    page = f"https://huggingface.co/{repository}"
    try:
        return Path(hf_hub_download(repository, "model.safetensors", local_files_only=True))
    except LocalEntryNotFoundError:
        pass  # not fetched yet
    try:
        # Without this question a machine off the network would retry for a minute.
        with urlopen(Request(f"{page}/resolve/main/model.safetensors", method="HEAD"), timeout=10):
            return Path(hf_hub_download(repository, "model.safetensors"))
    except OSError as error:
        raise InputError(
            f"image model {model!r}: its weights could not be fetched ({error}); place "
            f"model.safetensors of {page} as {place}"
        ) from error


def load(folder: Path, settings: Embed) -> ImageEncoder:
    """See `pipeline.encoders.common.contract`."""
    return load_image_encoder(folder, settings.image_model, settings.side)
