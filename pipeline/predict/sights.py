"""What a method is shown when it is asked: a frame, and its optical flow where the method wants it.

Whoever asks takes a sight from somewhere and has it encoded; whether flow belongs to it is the
method's affair (`Method.flow_form`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.contract import Features, Method


@dataclass(frozen=True)
class Sight:
    """A frame (height, width, 3) uint8 and, for a method that asks for it, its flow (height, width,
    2) in the method's form; without flow nothing is taken to move."""

    frame: np.ndarray
    flow: np.ndarray | None = None


def stored_sight(method: Method, corpus: DecodedCorpus, row: int) -> Sight:
    """The sight of a clip of a corpus. Raises `InputError` where the clip has no picture, and where
    the corpus lacks the flow that the method asks for."""
    if not corpus.has_frame(row):
        raise InputError(f"{corpus.folder}: clip {corpus.clip_ids[row]} has no picture")
    form = method.flow_form
    return Sight(corpus.square(row), None if form is None else corpus.square_flow(row, form))


def sight_features(
    method: Method, sights: Sequence[Sight], device: torch.device | None = None
) -> Features:
    """The method's features of some sights of one size, of which all or none have flow; copied to
    `device` first."""
    frames = torch.from_numpy(np.stack([sight.frame for sight in sights])).to(device)
    flows = [sight.flow for sight in sights if sight.flow is not None]
    if not flows:
        return method.frame_features(frames)
    return method.moving_features(frames, torch.from_numpy(np.stack(flows)).to(device))
