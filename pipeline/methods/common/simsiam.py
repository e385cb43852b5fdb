"""SimSiam's head and loss (Chen and He, Exploring Simple Siamese Representation Learning, CVPR
2021): two views are brought together without negatives."""

from torch import Tensor, nn
from torch.nn import functional


class SimSiam(nn.Module):
    """A projector of three layers and a predictor of two, by the names of SSPL's weight file.

    Batch norms are of two dimensions so that ranks can synchronize them
    (`pipeline.networks.ranks`); the entries are those of one."""

    def __init__(self, inputs: int, width: int, bottleneck: int) -> None:
        """From `inputs` to `width` numbers; the predictor is `bottleneck` wide in between."""
        super().__init__()
        last = nn.Sequential(
            nn.Linear(width, width, bias=False), nn.BatchNorm2d(width, affine=False)
        )
        self.projector = nn.ModuleDict(
            {"layer1": _layer(inputs, width), "layer2": _layer(width, width), "layer3": last}
        )
        self.predictor = nn.ModuleDict(
            {"layer1": _layer(width, bottleneck), "layer2": nn.Linear(bottleneck, width)}
        )

    def project(self, features: Tensor) -> Tensor:
        """z, (B, inputs) to (B, width)."""
        hidden = _normed(self.projector["layer1"], features).relu()
        hidden = _normed(self.projector["layer2"], hidden).relu()
        return _normed(self.projector["layer3"], hidden)

    def predict(self, projected: Tensor) -> Tensor:
        """p, (B, width) to (B, width)."""
        hidden = _normed(self.predictor["layer1"], projected).relu()
        return self.predictor["layer2"](hidden)

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """-1/2 (cos(p1, z2) + cos(p2, z1)), the mean over the batch, z without a gradient; two
        views' features, (B, inputs) each."""
        z1, z2 = self.project(first), self.project(second)
        p1, p2 = self.predict(z1), self.predict(z2)
        cosines = [
            functional.cosine_similarity(p, z.detach(), dim=1).mean()
            for p, z in ((p1, z2), (p2, z1))
        ]
        return -(cosines[0] + cosines[1]) / 2


def _layer(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width, bias=False), nn.BatchNorm2d(width))


def _normed(layer: nn.Module, features: Tensor) -> Tensor:
    linear, norm = layer.children()
    return norm(linear(features)[:, :, None, None]).flatten(1)
