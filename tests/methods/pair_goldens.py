"""The reference pairs of the three methods that show a sound a right and a wrong frame, and what
their tests share."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from contract_checks import FORM, SMALL
from torch import Tensor

from pipeline.methods.common.pairs import PairedResNets
from pipeline.methods.contract import Dice, Moment
from pipeline.networks.weights import read_state

# Of the largest gradient. The files are of float32; DMC's are 1.2e-5 from what float64 gives.
_SHARE = 1.5e-5
NOW = Moment(0, 10, 0, 10)


class Pairs:
    """The reference file of a method: leaves `own` and `other` (6, C, h, w), frames' maps before
    anything, and `sounds` (6, C, h', w')."""

    def __init__(self, name: str) -> None:
        self.file = np.load(Path(__file__).parent / f"goldens/{name}.npz")
        self.own = self.array("v").requires_grad_()
        self.other = self.array("v")[self.file["other_frame"]].requires_grad_()
        self.sounds = self.array("a").requires_grad_()

    def array(self, name: str) -> Tensor:
        """An array of the file as a tensor."""
        return torch.from_numpy(self.file[name])

    def fill(self, method: PairedResNets) -> None:
        """Give a method the file's layers. Those that it has no name for are unused there too."""
        parameters = dict(method.named_parameters())
        names = [name for name in self.file.files if name.startswith("w_")]
        used = [name for name in names if name[2:] in parameters]
        assert used and all("fc_av" in name for name in set(names) - set(used))
        with torch.no_grad():
            for name in used:
                parameters[name[2:]].copy_(self.array(name))

    def arranged(self, own: Tensor, other: Tensor) -> Tensor:
        """Values of own and of other frames in the file's order of its twelve pairs."""
        return torch.stack([own, other], dim=1).flatten(0, 1)

    def assert_gradients(self, prefix: str = "") -> None:
        """That the leaves have the file's gradients, to 1.5e-5 of the largest."""
        v, a = (self.array(f"{prefix}grad_{name}_pairs") for name in ("v", "a"))
        assert self.own.grad is not None and self.other.grad is not None
        found = self.arranged(self.own.grad, self.other.grad)
        torch.testing.assert_close(found, v, atol=_SHARE * float(v.abs().max()), rtol=0)
        # A sound stands in two of the pairs.
        both = a[::2] + a[1::2]
        atol = _SHARE * float(both.abs().max())
        torch.testing.assert_close(self.sounds.grad, both, atol=atol, rtol=0)


def loss_of(method: PairedResNets, frames: Tensor, sounds: Tensor) -> Tensor:
    """The loss of a method that has one part."""
    (loss,) = method.loss({"frames": frames, "sounds": sounds}, Dice(0, 0), NOW).values()
    return loss


def check_file_of_the_code(make: Any, tmp_path: Path) -> None:
    """A file as the published code leaves it, with layers that nothing runs, is read whatever the
    widths in the settings, and gives the maps of the method that is in it."""
    settings = make().settings
    kind = type(make())
    fields = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    made = kind(kind.Settings(**{**fields, "channels": [4, 6]}), FORM, seed=4).eval()
    entries = {
        key.replace("imgnet.", "visual_net.")
        .replace("audnet.conv1.", "audio_net.conv1_a.")
        .replace("audnet.", "audio_net."): tensor
        for key, tensor in made.state_dict().items()
    }
    unused = {
        "visual_net.conv1_a.weight": torch.ones(4, 1, 7, 7),
        "audio_net.conv1.weight": torch.ones(4, 3, 7, 7),
        "visual_net.fc.weight": torch.ones(1000, 6),
        "fc_av.weight": torch.ones(2, 1),
    }
    path = tmp_path / "stage_one_006_0.680.pth"
    torch.save({**entries, **unused}, path)
    read, left = kind.read_published(read_state(path), settings, FORM, str(path))
    assert left == sorted(unused)
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8, generator=generator)
    sounds = torch.randn(2, made.steps, 16, generator=generator)
    with torch.no_grad():
        expected = made.maps(made.frame_features(frames), made.sound_features(sounds))
        found = read.maps(read.frame_features(frames), read.sound_features(sounds))
    assert torch.equal(found, expected)


GOLDEN_SETTINGS = {**SMALL, "channels": [8, 32]}
