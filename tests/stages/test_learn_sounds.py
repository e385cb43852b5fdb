"""A sound encoder without labels, trained on a study's own clips by one command."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from data_project import avloc, project
from made_corpus import make_corpus

from pipeline.encoders.common.contract import load_encoder
from pipeline.encoders.common.settings import Embed
from pipeline.errors import InputError
from stages import learn_sounds


def test_it_learns_from_the_training_list_and_embed_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = project(tmp_path, "vggsound-journal")
    (tmp_path / "data/list.txt").write_text("".join(f"clip{n:02d}\n" for n in range(20)))
    content["active"]["train_on"]["list"] = "data/list.txt"
    content["active"]["encoders"]["sound_model"] = "mine"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    rng = np.random.default_rng(0)
    sounds = [rng.normal(-8, 1, (20 + n % 3, 16)) for n in range(24)]
    make_corpus(
        tmp_path / "data/decoded/vggsound",
        np.zeros((24, 2, 2, 3), np.uint8),
        sounds,
        spectrograms=tmp_path / "data/spectrograms/vggsound/sounds_alone",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learn_sounds, "BLOCKS", (1, 1))
    monkeypatch.setattr(learn_sounds, "WIDTHS", (4, 8))
    command = ("learn-sounds", "--epochs", "2", "--batch", "10", "--seconds", "0.15")
    written = []
    for _ in range(2):
        result = avloc(*command, "--threads", "1")
        assert result.exit_code == 0, result.output
        written.append((tmp_path / "data/encoders/published/mine.safetensors").read_bytes())
    assert written[0] == written[1]
    assert not (tmp_path / "data/work/learn-sounds/vggsound-journal").exists()
    settings = Embed("toy", 2, 1.0, 4, 1, sound_model="mine")
    encoder = load_encoder("sounds_alone", tmp_path / "data/encoders/published", settings)
    assert encoder.features == 8
    with torch.inference_mode():
        assert bool(torch.isfinite(encoder(torch.randn(2, 20, 16))).all())
    (tmp_path / "data/list.txt").write_text("clip00\nelsewhere\n")
    with pytest.raises(InputError, match="1 clips to learn from without labels"):
        raise avloc(*command).exception
