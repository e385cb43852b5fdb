"""DMC: Hu et al., Deep Multimodal Clustering for Unsupervised Audiovisual Learning, CVPR 2019, in
its authors' simplified form (DTaoo/Simplified_DMC @ 312b252).

Each position of a frame and each of a sound goes through a linear layer of its sense, and the
positions of each are clustered: K centres begin at the positions 0, P // K, 2 (P // K), ...; in
four rounds the assignment is the softmax over centres of -30 distance, and a centre the mean of the
positions weighted by it, differentiated throughout. For each centre of the sound the distance to
the nearest one of the frame counts; d^2 is the sum of their squares, small for the sound's own
frame and at least 5^2 for another clip's (`margin_loss`). The map is the assignment to the frame's
centre that is nearest to the sound.

The first release (DTaoo/DMC @ 6f5b7cc, Keras) is another network, whose assignments cancel as
released; printed scores come from neither file as it stands. The simplified code stores all
assignments as its maps, and the index that it computes beside them is that of the second nearest
centre; the nearest is taken here, as its README's pictures have it.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.base.params import Count, Positive, settings
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.pairs import PairedNetworks, PairedResNets, halves, margin_loss
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Moment

SHARPNESS = 30.0
ROUNDS = 4
_NEAREST = 1e-5  # what distances are not below


@settings
class DMCSettings(PairedNetworks):
    """What the method learns by; the defaults are the simplified code's for one source.

    `frame_centres` and `sound_centres`: one for each source, and in a frame one for what is silent
    (the README's rule). `margin` is how far a frame of another clip has to be."""

    vision: Literal["scratch", "imagenet"] = "scratch"
    frame_centres: Count = 2
    sound_centres: Count = 1
    margin: Positive = 5.0


class DMC(PairedResNets):
    """The networks, and a layer behind each position, by the published names."""

    Settings = DMCSettings
    map_range = (0.0, 1.0)
    title = "DMC (CVPR 2019)"
    layers = frozenset({"fc_v_1", "fc_a_1"})
    settings: DMCSettings

    def __init__(
        self,
        settings: DMCSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        with torch.random.fork_rng(devices=[]):
            self.fc_v_1, self.fc_a_1 = (nn.Linear(self.width, self.width) for _ in range(2))
        self.begin(seed, start)

    def seen(self, frames: Tensor) -> Tensor:
        """(B, 3, side, side) to the frames' positions, (B, C, h, w)."""
        return _layer(self.fc_v_1, self.position_features(frames))

    def heard(self, sounds: Tensor) -> Tensor:
        """(B, 1, bins, steps) to the sounds' positions, (B, C, h', w')."""
        return _layer(self.fc_a_1, self.audnet(sounds))

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The margin loss of both frames' distances to the sound."""
        heard, _ = self.sound_centres(single(features["sounds"]))
        own, other = (
            centre_distances(self.frame_centres(frames)[0], heard).amin(dim=1).square().sum(dim=1)
            for frames in halves(features["frames"])
        )
        return {"contrastive": margin_loss(own, other, self.settings.margin)}

    def frame_centres(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """`soft_means` of frames' positions."""
        return soft_means(positions, self.settings.frame_centres)

    def sound_centres(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """`soft_means` of sounds' positions."""
        return soft_means(positions, self.settings.sound_centres)

    def frame_features(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Centres, (B, K, C), and assignments, (B, K, h, w), of tested frames."""
        return self.frame_centres(self.seen(self.plain_frames(frames)))

    def sound_features(self, sounds: Tensor) -> Tensor:
        """Centres, (B, K', C), of windows."""
        return self.sound_centres(self.heard(self.stored_sounds(sounds)))[0]

    def maps(self, v: Features, a: Features) -> Tensor:
        """The assignment to the centre that is nearest to any of the sound's."""
        centres, assignments = v
        nearest = centre_distances(centres, single(a)).amin(dim=2).argmin(dim=1)
        return assignments[torch.arange(len(nearest), device=nearest.device), nearest]

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_D`, minus the distance d that the training makes small for a pair."""
        seen, heard = v[0], single(a)
        distances = centre_distances(seen.flatten(0, 1)[None], heard.flatten(0, 1)[None])[0]
        distances = distances.view(*seen.shape[:2], *heard.shape[:2])
        return {"s_D": -distances.amin(dim=1).square().sum(dim=2).sqrt()}

    @classmethod
    def label(cls, settings: DMCSettings) -> str:
        """How many centres a frame and a sound have."""
        return f"{settings.frame_centres} and {settings.sound_centres} centres"


METHOD = DMC


def soft_means(positions: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Soft k-means of each clip's positions: (B, C, h, w) to centres (B, count, C) and assignments
    (B, count, h, w), which sum to 1 over the centres; float32, differentiated throughout.

    Raises ValueError for fewer positions than centres."""
    points = positions.float().flatten(2).transpose(1, 2)
    if points.shape[1] < count:
        raise ValueError(f"{points.shape[1]} positions are fewer than {count} centres")
    first = torch.arange(count, device=points.device) * (points.shape[1] // count)
    centres = points[:, first]
    assignments = centres.new_zeros(0)
    for _ in range(ROUNDS):
        logits = (-SHARPNESS * centre_distances(centres, points)).log_softmax(dim=1)
        assignments = logits.exp()
        # The weights of a mean, in logarithms: a centre that all positions are far from has a sum
        # of assignments that is 0 in float32.
        centres = logits.softmax(dim=2) @ points
    return centres, assignments.unflatten(2, positions.shape[2:])


def centre_distances(seen: Tensor, heard: Tensor) -> Tensor:
    """Distances of each clip's centres, not below 1e-5: (B, K, C), (B, L, C) to (B, K, L)."""
    # Not by a matrix product, whose rounding is no small part of a small distance.
    distances = torch.cdist(seen, heard, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.clamp_min(_NEAREST)


def _layer(layer: nn.Linear, positions: Tensor) -> Tensor:
    """A linear layer on every position of (B, C, h, w)."""
    return layer(positions.movedim(1, -1)).movedim(-1, 1)
