"""Embedding of a made corpus, from stored bytes to written features: ResNet-18s at the size of a
stored frame and of ten seconds of sound, on the GPU where there is one. Needs no PyAV and no FAISS.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import timm
import torch

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.encoders.common.contract import Encoder
from pipeline.encoders.embedding import embed_corpus
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.networks.device import best_device
from pipeline.speed import made
from pipeline.speed.device import wait_for
from pipeline.speed.harness import Fact, Row, Setup, compare, scaled

GPU_CLIPS, CPU_CLIPS = 2048, 32
SIDE, SECONDS, BATCH = 246, 10.0, 256


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """A row an encoder: bfloat16 beside float32. `size` scales clips, sides and sounds."""
    device = best_device()
    clips = scaled(GPU_CLIPS if device.type == "cuda" else CPU_CLIPS, setup.size, least=4)
    corpus = made.corpus(
        folder / "embedded",
        clips,
        side=scaled(SIDE, setup.size, least=32),
        form=SoundForm(),
        seconds=max(1.0, setup.size * SECONDS),
    )
    torch.manual_seed(0)
    image = ImageEncoder(timm.create_model("resnet18", num_classes=0), 32 * scaled(7, setup.size))
    audio = AudioEncoder((2, 2, 2, 2), (64, 128, 256, 512), stem=64, classes=309)
    for encoder in (image, audio):
        yield _row(corpus, encoder.eval().to(device), device, setup.repeats)


def _row(corpus: DecodedCorpus, encoder: Encoder, device: torch.device, repeats: int) -> Row:
    def embed(half: bool) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            embed_corpus(
                corpus,
                encoder,
                Path(scratch) / "features.npy",
                work=Path(scratch) / "work",
                batch=min(BATCH, len(corpus)),
                device=str(device),
                half=half,
            )
        wait_for(device)

    count = len(corpus)
    row = compare(
        f"{encoder.modality} features of {count} clips, ResNet-18 in bfloat16 on {device}",
        lambda: embed(True),
        lambda: embed(False),
        "in float32",
        repeats=repeats,
    )
    rates = (("", row.ours), (", float32", row.theirs))
    facts = [Fact(f"clips/s{name}", round(count / seconds, 1)) for name, seconds in rates]
    return replace(row, facts=tuple(facts))
