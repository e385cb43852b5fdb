"""Published weight files of sound networks, fetched by name where there is a network. Networks of
pictures come by timm (`pipeline.encoders.imagenet`).

A fetched file lies where torch keeps its own, and not in the folder of weights, which stages depend
on: a download shall rerun nothing.
"""

import shutil
from pathlib import Path
from urllib.request import urlopen

import torch

from pipeline.base.files import atomic_file
from pipeline.errors import InputError

SOUND_NETWORKS = {
    # Hershey et al., ICASSP 2017, as harritaylor/torchvggish converted it: what SSPL takes.
    "vggish": "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
}


def fetched(address: str, what: str, place: Path) -> Path:
    """The file at an address, from torch's cache or fetched into it. Raises `InputError` where that
    fails, with `what` it is and the `place` where a copy would be read."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    try:
        with urlopen(address, timeout=10) as page, atomic_file(path) as file:
            shutil.copyfileobj(page, file)
    except OSError as error:
        raise InputError(
            f"{what}: its weights could not be fetched ({error}); place {address} as {place}"
        ) from error
    return path
