"""From stored frames and spectrograms to what the networks see, in whole batches on the device.

A view is a function of the stored frames and of uniform random numbers, `DRAWS` a clip, which are
drawn on the CPU from an explicit generator: the same seed gives the same views on any device, with
any number of loading processes and in any split of the batch over ranks. What it costs: the order
of the four colour operations, which torchvision draws for each picture, is drawn for each batch.

Frames of one size, (B, H, W, 3), are taken as squashed to a square; `Frames` have their aspect
kept, and a crop of one is square in the picture's own pixels, anywhere in its whole length.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.clips.colours import jitter, luminance
from pipeline.clips.frames import Frames, Stored

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

SOUND_DIVISOR = 12.0  # 4.1: log-spectrograms are divided by it
LIGHT_SCALE = 1.1  # 3.3: resized to 1.1 x the input before the random crop
DRAWS = 12  # uniform numbers that a view of one clip takes
RELEASED_DRAWS = 14  # ... that `released_view` takes

_LONGEST = math.log(4 / 3)  # of a random crop's aspect, in logarithms; its negative is the shortest
_ASPECTS = 129  # places of the distribution of a kept frame's crops' aspects


def draw(generator: torch.Generator, clips: int) -> Tensor:
    """Uniform numbers in [0, 1) for one view of `clips` clips: (clips, DRAWS) float32, CPU."""
    return torch.rand(clips, DRAWS, generator=generator)


def normalise(frames: Tensor) -> Tensor:
    """ImageNet mean and deviation taken off RGB in 0..1: (B, 3, H, W)."""
    mean = torch.tensor(IMAGENET_MEAN, device=frames.device)[:, None, None]
    return (frames - mean) / torch.tensor(IMAGENET_DEVIATION, device=frames.device)[:, None, None]


def spectrograms(stored: Tensor, divisor: float = SOUND_DIVISOR) -> Tensor:
    """Stored spectrograms (B, steps, bins), time first, to the network's input (B, 1, bins, steps)
    float32, divided by the form's divisor: 12 for the paper's (4.1)."""
    return (stored.transpose(1, 2).float() / divisor).unsqueeze(1)


def plain_view(frames: Stored, side: int) -> Tensor:
    """The frames at evaluation: (B, H, W, 3) uint8, or `Frames`, which are squashed, to normalised
    (B, 3, side, side) float32, resized bilinearly with antialiasing."""
    if isinstance(frames, Frames):
        return frames.each(lambda group, _: plain_view(group, side))
    return normalise(_resized(_unit(frames), side))


def light_view(frames: Stored, draws: Tensor, side: int) -> Tensor:
    """v of 3.3: resized to 1.1 x `side`, cropped to `side` at random, flipped at random.

    frames: (B, H, H, 3) uint8, or `Frames`, whose shorter edge is resized so; draws: (B, DRAWS)
    from `draw`; returns normalised (B, 3, side, side) float32. Bilinear without antialiasing:
    frames are stored at about 1.1 x the side, where resizing changes nothing.
    """
    return normalise(light_crop(frames, draws, side))


def light_crop(frames: Stored, draws: Tensor, side: int, scale: float = LIGHT_SCALE) -> Tensor:
    """The pictures of `light_view` before they are normalised, (B, 3, side, side) float32 in 0..1,
    of frames resized to `scale` x `side`. The first three of the draws are used."""

    def view(frames: Tensor, draws: Tensor, kept: bool) -> Tensor:
        draws = draws.to(frames.device)
        corner, extent = _light_area(draws[:, :2], frames, round(scale * side), side, kept)
        return _crop(_unit(frames), corner, extent, draws[:, 2] < 0.5, side)

    return _each_size(frames, draws, view)


def light_flow(flow: Stored, draws: Tensor, side: int) -> Tensor:
    """The flow of frames, cut and mirrored as `light_view` with the same draws cuts and mirrors
    those: (B, H, H, 2), or kept ones, to (B, 2, side, side) float32, of which 1 is a motion of 255
    pixels.

    Signed flow to the right is to the left in a mirrored frame; uint8 knows no left and keeps its
    values, as denfed/heartheflow @ 60ed54d has it (datasets_flow.py:100-103).
    """
    pictures = light_crop(flow, draws, side)
    signed = (flow if isinstance(flow, Tensor) else flow.groups[0]).is_floating_point()
    if not signed:
        return pictures
    mirrored = torch.where(draws[:, 2].to(flow.device) < 0.5, -1.0, 1.0)[:, None, None]
    return torch.stack([pictures[:, 0] * mirrored, pictures[:, 1]], dim=1)


def plain_flow(flow: Tensor, side: int) -> Tensor:
    """The flow of tested frames, resized as `plain_view` resizes those: (B, H, W, 2) to (B, 2,
    side, side) float32, of which 1 is a motion of 255 pixels."""
    return _resized(_unit(flow), side)


def simclr_view(
    frames: Stored,
    draws: Tensor,
    side: int,
    *,
    order: Sequence[int] = (0, 1, 2, 3),
    area: tuple[float, float] = (0.08, 1.0),
    strength: float = 1.0,
) -> Tensor:
    """v_aug of 3.3: SimCLR's augmentations (Chen et al. 2020, appendix A).

    A crop of a random share of the `area` with an aspect of 3/4 to 4/3, a flip, with probability
    0.8 brightness, contrast, saturation (each 1 +- 0.8 `strength`) and hue (+- 0.2 `strength` of
    the circle) in the given `order` of these four, with 0.2 greyscale, with 0.5 a Gaussian blur
    over a tenth of the side, of deviation 0.1 to 2 px at 224 px and in proportion elsewhere.

    frames: (B, H, H, 3) uint8, or `Frames`; draws: (B, DRAWS); returns normalised
    (B, 3, side, side) float32.
    """

    def cropped(frames: Tensor, draws: Tensor, kept: bool) -> Tensor:
        if kept:
            height, width = frames.shape[1:3]
            places = _fitting_area(draws[:, :4], area, width / height)
            corner, extent = (place.to(frames.device) for place in places)
        else:
            corner, extent = _random_area(draws[:, :4].to(frames.device), area)
        return _crop(_unit(frames), corner, extent, draws[:, 4].to(frames.device) < 0.5, side)

    pictures = _each_size(frames, draws, cropped)
    there = draws.to(frames.device)
    jittered = there[:, 5] < 0.8
    factors = 1 + (2 * there[:, 6:9] - 1) * 0.8 * strength
    factors = torch.where(jittered[:, None], factors.clamp_min(0), 1.0)
    shift = torch.where(jittered, (2 * there[:, 9] - 1) * 0.2 * strength, 0.0)
    pictures = jitter(pictures, factors, shift, order)
    grey = (there[:, 10] < 0.2)[:, None, None, None]
    pictures = torch.where(grey, luminance(pictures), pictures)
    # One number decides both: below a half no blur, above it the deviation.
    blurred = draws[:, 11] >= 0.5
    sigma = torch.where(blurred, 0.1 + (2 * draws[:, 11] - 1) * 1.9, 0.0) * side / 224
    return normalise(blur(pictures, sigma, side // 10 // 2 * 2 + 1))


def released_view(
    frames: Stored, draws: Tensor, side: int, *, order: Sequence[int] = (0, 1, 2, 3)
) -> Tensor:
    """v_aug as the authors' training code makes it (kaistmm/ssl_kccv @ 7e178e6, Alignment).

    In this order: a turn by 0, 90, 180 or 270 degrees on the frame's own canvas; with probability
    4/5 brightness, contrast and saturation by factors in (0, 0.4) and a hue shift in (0, 0.1), in
    the given `order`; with 1/2 a blur over 3 pixels of deviation 0.1 to 2; the light crop; flips
    of both axes; a shift of up to a fifth of the side, black behind it; with 1/5 greyscale.

    frames: (B, H, W, 3) uint8 or `Frames`, as stored (theirs are blurred at the file's own size,
    which is larger); draws: (B, RELEASED_DRAWS); returns normalised (B, 3, side, side) float32.
    """

    def cropped(frames: Tensor, draws: Tensor, kept: bool) -> Tensor:
        there = draws.to(frames.device)
        pictures = _turned(_unit(frames), (4 * draws[:, 0]).long().clamp_max(3))
        jittered = there[:, 1] < 0.8
        factors = torch.where(jittered[:, None], 0.4 * there[:, 2:5], 1.0)
        shift = torch.where(jittered, 0.1 * there[:, 5], 0.0)
        pictures = jitter(pictures, factors, shift, order)
        blurred = draws[:, 6] >= 0.5
        pictures = blur(pictures, torch.where(blurred, 0.1 + (2 * draws[:, 6] - 1) * 1.9, 0.0), 3)
        resized = round(LIGHT_SCALE * side)
        corner, extent = _light_area(there[:, 7:9], frames, resized, side, kept)
        return _crop(pictures, corner, extent, there[:, 9] < 0.5, side)

    pictures = _each_size(frames, draws, cropped)
    draws = draws.to(frames.device)
    pictures = torch.where((draws[:, 10] < 0.5)[:, None, None, None], pictures.flip(2), pictures)
    pictures = _shifted(pictures, ((2 * draws[:, 11:13] - 1) * 0.2 * side).round().long())
    grey = (draws[:, 13] < 0.2)[:, None, None, None]
    return normalise(torch.where(grey, luminance(pictures), pictures))


def blur(pictures: Tensor, sigmas: Tensor, size: int) -> Tensor:
    """Gaussian blur over `size` (odd) pixels with reflected edges; a deviation of 0 leaves the
    picture as it is. pictures: (B, 3, H, W); sigmas: (B,) pixels.

    Along each axis of a square it is one product with a band matrix of the picture's own, so that
    every picture of the batch can have its own deviation. Deviations on the CPU spare a GPU the
    wait for how many they are.
    """
    if size < 3:
        return pictures
    chosen = sigmas.nonzero().squeeze(1)
    offsets = torch.arange(size, device=sigmas.device) - size // 2
    weights = torch.exp(-0.5 * (offsets / sigmas[chosen, None]) ** 2)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(pictures.device)
    chosen = chosen.to(pictures.device)
    height, side = pictures.shape[2:]
    if height != side:
        return pictures.index_copy(0, chosen, _blurred(pictures[chosen], weights))
    taps = _taps(side, size, pictures.device)
    bands = torch.einsum("bk,ikj->bij", weights, taps).unsqueeze(1)
    return pictures.index_copy(0, chosen, bands @ pictures[chosen] @ bands.transpose(2, 3))


def _blurred(pictures: Tensor, weights: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) blurred by their own `weights` (B, size) tap by tap: slower than band
    matrices, which of a long edge are too large."""
    height, width = pictures.shape[2:]
    size = weights.shape[1]
    padded = functional.pad(pictures, [size // 2] * 4, mode="reflect")
    taps = weights.T[:, :, None, None, None]
    none = torch.zeros((), device=pictures.device)
    rows = sum((tap * padded[:, :, k : k + height] for k, tap in enumerate(taps)), none)
    return sum((tap * rows[:, :, :, k : k + width] for k, tap in enumerate(taps)), none)


@lru_cache(maxsize=4)
def _taps(side: int, size: int, device: torch.device) -> Tensor:
    """Which pixel each of `size` taps around each pixel of an axis falls on, the edges reflected:
    (side, size, side) of 0 and 1, float32. The same for every batch, and dearer than its use."""
    source = torch.arange(side, device=device)[:, None]
    source = (source + torch.arange(size, device=device) - size // 2).abs()
    source = torch.where(source >= side, 2 * (side - 1) - source, source)
    return functional.one_hot(source, side).float()


def _turned(pictures: Tensor, quarters: Tensor) -> Tensor:
    """Each picture turned by its number of quarter turns about the canvas' centre; what leaves the
    canvas is cut off, what enters it is black. pictures: (B, 3, H, W); quarters: (B,) int64."""
    height, width = pictures.shape[2:]
    turned = pictures.clone()
    for quarter in (1, 2, 3):
        chosen = (quarters == quarter).nonzero().squeeze(1).to(pictures.device)
        part = torch.rot90(pictures[chosen], quarter, (2, 3))
        # torch's pad with negative numbers cuts.
        across, down = width - part.shape[3], height - part.shape[2]
        edges = [across // 2, across - across // 2, down // 2, down - down // 2]
        turned = turned.index_copy(0, chosen, functional.pad(part, edges))
    return turned


def _shifted(pictures: Tensor, offsets: Tensor) -> Tensor:
    """Each picture moved by its whole pixels (x, y), black behind it. offsets: (B, 2) int64."""
    side = pictures.shape[-1]
    places = torch.arange(side, device=pictures.device)
    x, y = places - offsets[:, :1], places - offsets[:, 1:]
    inside = ((y >= 0) & (y < side))[:, :, None] & ((x >= 0) & (x < side))[:, None, :]
    batch = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    y, x = y.clamp(0, side - 1)[:, :, None], x.clamp(0, side - 1)[:, None, :]
    moved = pictures.permute(0, 2, 3, 1)[batch, y, x].permute(0, 3, 1, 2)
    return moved * inside[:, None]


def _resized(pictures: Tensor, side: int) -> Tensor:
    """(B, C, H, W) to (B, C, side, side), bilinearly with antialiasing."""
    if pictures.shape[-2:] == (side, side):
        return pictures
    # What torchvision's `resize` calls; importing that takes two seconds of every command.
    return functional.interpolate(
        pictures, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )


def _unit(frames: Tensor) -> Tensor:
    """(B, H, W, C) of bytes, or of as large numbers, to (B, C, H, W) float32, divided by 255."""
    return frames.permute(0, 3, 1, 2).contiguous().float().div_(255)


def _each_size(
    frames: Stored, draws: Tensor, view: Callable[[Tensor, Tensor, bool], Tensor]
) -> Tensor:
    """`view` of frames of one size, or of kept ones size by size; it is told their draws and
    whether their aspect is kept."""
    if isinstance(frames, Frames):
        return frames.each(lambda group, clips: view(group, draws[clips], True))
    return view(frames, draws, False)


def _light_area(
    draws: Tensor, frames: Tensor, resized: int, side: int, kept: bool
) -> tuple[Tensor, Tensor]:
    """Corner and extent (x, y), each (B, 2) as shares of the frame, of a crop of `side` pixels
    at a random whole pixel of the frame resized to `resized` pixels, kept ones by their shorter
    edge. draws: (B, 2); frames: (B, H, W, 3)."""
    height, width = frames.shape[1:3]
    shorter = min(height, width)
    # The longer edge is rounded down, as torchvision's Resize does.
    edges = [resized * edge // shorter for edge in (width, height)] if kept else [resized] * 2
    axes = list(zip(draws.unbind(1), edges, strict=True))
    corners = [(u * (edge - side + 1)).floor() / edge for u, edge in axes]
    extents = [torch.full_like(u, side / edge) for u, edge in axes]
    return torch.stack(corners, dim=1), torch.stack(extents, dim=1)


def _random_area(draws: Tensor, area: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Corner and extent (x, y), each (B, 2) as shares of the frame, of a random crop.

    The share of the area is uniform, the aspect log-uniform in 3/4 to 4/3. A crop that would leave
    the frame takes its whole side, which keeps the share of the area only nearly.
    """
    share = area[0] + draws[:, 0] * (area[1] - area[0])
    aspect = torch.exp((2 * draws[:, 1] - 1) * _LONGEST)
    extent = torch.stack([(share * aspect).sqrt(), (share / aspect).sqrt()], dim=1).clamp_max(1)
    return draws[:, 2:4] * (1 - extent), extent


def _fitting_area(draws: Tensor, area: tuple[float, float], aspect: float) -> tuple[Tensor, Tensor]:
    """`_random_area` of frames `aspect` times as wide as high, on the CPU.

    As torchvision's RandomResizedCrop: share and aspect are uniform and log-uniform *given that the
    crop fits*, which in a frame that is no square shuts out large ones. It draws again where one
    does not fit (and takes the middle after ten times: of 16:9 frames less than one in a thousand);
    here both are drawn from the distribution that this makes: the shares that fit a crop r times as
    wide as high are those up to min(1, aspect / r, r / aspect), so r is drawn in proportion to how
    many there are. Where none of the `area` fits, as in a strip, the crop is the largest that does.
    """

    def largest(ratio: np.ndarray) -> np.ndarray:
        return np.minimum(area[1], np.minimum(aspect / ratio, ratio / aspect))

    first, second = draws[:, :2].double().numpy().T
    places = np.linspace(-_LONGEST, _LONGEST, _ASPECTS)
    room = np.maximum(largest(np.exp(places)) - area[0], 0)
    likely = np.concatenate([[0], np.cumsum(room[1:] + room[:-1])])
    if likely[-1] == 0:
        likely = np.arange(_ASPECTS)
    ratio = np.exp(np.interp(second * likely[-1], likely, places))
    limit = largest(ratio)
    share = area[0] + first * np.maximum(limit - area[0], 0)
    share = np.minimum(share, limit)
    sides = np.stack([np.sqrt(share * ratio / aspect), np.sqrt(share / ratio * aspect)], axis=1)
    extent = torch.from_numpy(np.minimum(sides, 1)).float()
    return draws[:, 2:4] * (1 - extent), extent


def _crop(pictures: Tensor, corner: Tensor, extent: Tensor, flip: Tensor, side: int) -> Tensor:
    """Cut each picture's own area (shares of the frame, x before y) to (side, side), bilinearly,
    and mirror it where `flip` says so."""
    turn = torch.where(flip, -1.0, 1.0)
    centre = 2 * corner + extent - 1
    transform = torch.zeros(len(pictures), 2, 3, device=pictures.device)
    transform[:, 0, 0] = extent[:, 0] * turn
    transform[:, 1, 1] = extent[:, 1]
    transform[:, :, 2] = centre
    grid = functional.affine_grid(transform, [len(pictures), 3, side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
