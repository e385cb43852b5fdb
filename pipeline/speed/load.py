"""Loading a training sample, its six views, against the way of the published training codes: a JPEG
file and a WAV file opened for every view, PIL, SciPy's spectrogram, torchvision's SimCLR.

Both run on one core and from the page cache. With augmentation on the device a loading process
copies stored bytes and nothing else; with it on the CPU ours includes every view's arithmetic. A
corpus that is larger than the memory is the last row's: nothing of it is in memory, and the limit
is reading as many bytes from front to back.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import signal
from scipy.io import wavfile
from torch import Tensor
from torchvision import transforms

from pipeline.clips.sound_form import LOG_FLOOR
from pipeline.clips.views import IMAGENET_DEVIATION, IMAGENET_MEAN, SOUND_DIVISOR
from pipeline.media.writing import write_picture, write_wav
from pipeline.methods.contract import Dice, Method
from pipeline.speed import made
from pipeline.speed.decode import plain_decode
from pipeline.speed.harness import Fact, Row, Setup, compare, scaled, timed_row
from pipeline.speed.method import made_method, training_set
from pipeline.train.batches import TrainingSet

SIDE, STORED_SIDE = 224, 246
SECONDS, WINDOW_SECONDS = 10.0, 3.0
CLIPS, BATCH = 512, 32
UNCACHED_CLIPS, _READ_BATCHES = 6144, 16  # 4.3 GB, of which a turn reads a tenth


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Rows for pictures of 720p and of 256 px, of `media` or made; `size` scales how many clips the
    corpus has. All are per core."""
    size, repeats, media = setup.size, setup.repeats, setup.media
    if media is None:
        large, sound = made.picture(720, 1280), made.sound(SECONDS)
    else:
        frame, sound = plain_decode(media)
        large = frame.to_ndarray(format="rgb24")
    small = Image.fromarray(large).resize((round(256 * large.shape[1] / large.shape[0]), 256))
    write_wav(folder / "sound.wav", sound)
    peers = {}
    for name, pixels in ((f"{large.shape[0]} px", large), ("256 px", np.asarray(small))):
        path = folder / f"{name.split()[0]}.jpg"
        write_picture(path, pixels)
        peers[name] = PeersLoader(path, folder / "sound.wav")
    method = _method()
    clips = scaled(CLIPS, size, least=2 * BATCH)
    corpus = made.corpus(
        folder / "corpus", clips, side=STORED_SIDE, form=method.form, seconds=SECONDS
    )
    batches = training_set(corpus, method, batch=BATCH)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, peer in peers.items():
        for augmented, bar in ((False, 20.0), (True, 3.0)):
            yield compare(
                f"load a sample, augmentation on the {'CPU' if augmented else 'device'}",
                _loader(batches, method if augmented else None),
                peer.sample,
                f"JPEG {name} + WAV a view, PIL, SciPy, torchvision",
                repeats=repeats,
                units=BATCH,
                other_units=1,
                bar=bar,
            )
    torch.set_num_threads(before)
    yield from _row_from_disk(folder / "from-disk", scaled(UNCACHED_CLIPS, size, BATCH), repeats)


def _row_from_disk(folder: Path, clips: int, repeats: int) -> Iterator[Row]:
    """Samples of a corpus that is on the disk alone; no row where the file system is the memory."""
    method = _method()
    made.corpus(folder, clips, side=STORED_SIDE, form=method.form, seconds=SECONDS)
    os.sync()
    shards = sorted((folder / "shards").iterdir())
    first = training_set(made.open_corpus(folder), method, batch=BATCH)[0]
    sample = sum(part.nbytes for part in first.values()) / BATCH
    batches = max(1, min(clips // BATCH, _READ_BATCHES))

    def forget() -> None:
        for shard in shards:
            with shard.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    forget()
    if _in_memory(shards[0]):
        return

    def ours() -> float:
        forget()
        samples = training_set(made.open_corpus(folder), method, batch=BATCH)
        started = time.perf_counter()
        for step in range(batches):
            samples[step]
        return time.perf_counter() - started

    def in_order() -> float:
        forget()
        left = round(sample * BATCH * batches)
        started = time.perf_counter()
        for shard in shards:
            with shard.open("rb", buffering=0) as file:
                while left > 0 and (piece := file.read(min(left, 2**20))):
                    left -= len(piece)
        return time.perf_counter() - started

    turns = np.array([(ours(), in_order()) for _ in range(repeats)]) / (batches * BATCH)
    row = timed_row(
        f"load a sample, {clips} clips on the disk alone",
        "as many bytes from front to back",
        turns,
    )
    rate = Fact("MB/s", round(sample / row.ours / 1e6, 1))
    yield replace(row, facts=(Fact("MB a sample", round(sample / 1e6, 3)), rate))


def _in_memory(path: Path) -> bool:
    """Whether the middle of a file can be read without the disk."""
    with path.open("rb") as file:
        try:
            place = path.stat().st_size // 2
            return os.preadv(file.fileno(), [bytearray(1)], place, os.RWF_NOWAIT) == 1
        except BlockingIOError:
            return False
        except OSError:  # a file system that cannot tell; none with a disk behind it
            return True


def _method() -> Method:
    """The paper's method, whose networks see nothing here."""
    return made_method("alignment", blocks=[1], channels=[8], strides=[1])


def _loader(batches: TrainingSet, method: Method | None) -> Callable[[], None]:
    """Loads the next batch at every call, and makes the views where there is a `method`."""
    number = iter(range(len(batches)))

    def load() -> None:
        step = next(number)
        batch = batches[step]
        if method is not None:
            method.views(batch, Dice(0, step))

    return load


class PeersLoader:
    """Six views of a sample as the published codes load them."""

    def __init__(self, picture: Path, sound: Path) -> None:
        self.picture, self.sound = picture, sound
        self.generator = np.random.default_rng(0)
        normalised = [
            transforms.ToTensor(),
            transforms.Normalize(list(IMAGENET_MEAN), list(IMAGENET_DEVIATION)),
        ]
        self.light = transforms.Compose(
            [
                transforms.Resize((STORED_SIDE, STORED_SIDE), Image.Resampling.BICUBIC),
                transforms.RandomCrop(SIDE),
                transforms.RandomHorizontalFlip(),
                *normalised,
            ]
        )
        self.simclr = transforms.Compose(
            [
                transforms.RandomResizedCrop(SIDE),
                transforms.RandomHorizontalFlip(),
                transforms.RandomApply([transforms.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
                transforms.RandomGrayscale(0.2),
                transforms.RandomApply([transforms.GaussianBlur(SIDE // 10 // 2 * 2 + 1)], 0.5),
                *normalised,
            ]
        )

    def sample(self) -> list[Tensor]:
        """v, v_aug, v_conc (3, 224, 224) and a, a_aug, a_conc (1, 257, 299)."""
        frames = [view(self._picture()) for view in (self.light, self.simclr, self.light)]
        return [*frames, *(self._spectrogram(shifted) for shifted in (False, True, False))]

    def _picture(self) -> Image.Image:
        return Image.open(self.picture).convert("RGB")

    def _spectrogram(self, shifted: bool) -> Tensor:
        rate, samples = wavfile.read(self.sound)
        sound = np.clip(samples / 32768, -1, 1)
        room = len(sound) - round(WINDOW_SECONDS * rate)
        start = int(self.generator.integers(room + 1)) if shifted else room // 2
        window = sound[start : start + len(sound) - room]
        power = signal.spectrogram(window, rate, nperseg=512, noverlap=353)[2]
        return torch.from_numpy(np.log(power + LOG_FLOOR) / SOUND_DIVISOR).float()[None]
