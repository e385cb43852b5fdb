"""A turn, a change of scale and a mirroring, of pictures and of the maps that they give (SSL-TIE).

What SSL-TIE's `utils/tf_equivariance_loss.py` (jinxiang-liu/SSL-TIE @ c49e6a9) does: onto a square
canvas, warped about its middle, resized, mirrored. **The scale acts twice**, in the warp and in the
size of what comes out: at one half a frame of 224 px becomes 56 px in the middle of 112 px.

Pictures are sampled. A map's transform is linear and there are few of them (whole degrees), so it
is kept as a matrix, and its gradient is a matrix product: the gradients of sampling and of resizing
have no deterministic form on a GPU. Each matrix takes 0.15 MB for a map of 14 x 14.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Turn(NamedTuple):
    """`degrees` (B,) int64 counter-clockwise, each clip's own; the `scale` and whether it is
    `mirrored` are the batch's."""

    degrees: Tensor
    scale: float
    mirrored: bool


def turn_pictures(pictures: Tensor, turn: Turn, canvas: int, size: int) -> Tensor:
    """Pictures (B, C, h, w) on a canvas of `canvas` pixels a side, turned and scaled about its
    middle, zero outside, and resized to (B, C, size, size), all bilinearly; then mirrored."""
    if pictures.shape[-2:] != (canvas, canvas):
        pictures = _resized(pictures, canvas)
    angles = torch.deg2rad(turn.degrees.to(pictures))
    # Where each pixel comes from: the inverse of what OpenCV's getRotationMatrix2D gives about
    # (canvas / 2, canvas / 2), which lies half a pixel off the middle of the pixels' centres.
    cosine, sine = torch.cos(angles) / turn.scale, torch.sin(angles) / turn.scale
    places = torch.arange(canvas, device=pictures.device, dtype=pictures.dtype) - canvas / 2
    y, x = torch.meshgrid(places, places, indexing="ij")
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    source = torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1) + canvas / 2
    grid = 2 * source / (canvas - 1) - 1
    turned = functional.grid_sample(pictures, grid, padding_mode="zeros", align_corners=True)
    turned = _resized(turned, size)
    return turned.flip(3) if turn.mirrored else turned


def turn_maps(maps: Tensor, turn: Turn, canvas: int, size: int) -> Tensor:
    """The same of maps: (B, h, w) to (B, size, size) float32."""
    height, width = maps.shape[1:]
    matrices = torch.stack(
        [_matrix(height, width, int(d), turn.scale, canvas, size) for d in turn.degrees.tolist()]
    )
    flat = maps.float().flatten(1)[:, None]
    turned = torch.bmm(flat, matrices.to(flat))
    turned = turned.view(len(maps), size, size)
    return turned.flip(2) if turn.mirrored else turned


@lru_cache(maxsize=512)
def _matrix(height: int, width: int, degrees: int, scale: float, canvas: int, size: int) -> Tensor:
    """What each cell of a map gives each cell of the turned one, (h w, size^2) float32, CPU.

    It is made in float64: in float32 the places that are sampled are off by up to 2e-5 pixels,
    which at the canvas' edge is 6e-6 of a map's value."""
    cells = height * width
    rows = []
    with torch.no_grad():
        basis = torch.eye(cells, dtype=torch.float64).view(cells, 1, height, width)
        for part in basis.split(max(1, 2**22 // canvas**2)):
            turn = Turn(torch.full((len(part),), degrees), scale, mirrored=False)
            rows.append(turn_pictures(part, turn, canvas, size).flatten(1).to(torch.float32))
    return torch.cat(rows)


def _resized(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-2:] == (size, size):
        return pictures
    return functional.interpolate(pictures, (size, size), mode="bilinear", align_corners=False)
