"""The weight files that the methods' authors published, by names, and where they lie here.

Every address is one that the authors give on their own pages; where those hand out a folder or a
page that only a browser gets through, it is told and the file is put in place by hand. The licence
is that of the authors' repository, as it says so itself; none of them says another for its weights.

Nothing is known beforehand of a file's content: the SHA-256 of the first copy that is met here is
written beside it, and a later copy has to have the same.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.execution.download import record_hash, recorded_hash, sha256_of

_SSLALIGN = "https://github.com/kaistmm/SSLalignment"
_LVS = "https://github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way"
_EZVSL = "https://github.com/stoneMo/EZ-VSL"
_SLAVC = "https://github.com/stoneMo/SLAVC"
_FNAC = "https://github.com/OpenNLPLab/FNAC_AVL"
_SSLTIE = "https://github.com/jinxiang-liu/SSL-TIE"
_FLOW = "https://github.com/denfed/heartheflow"
_DRIVE = "https://drive.google.com"
_NONE = "none stated"


@dataclass(frozen=True)
class Checkpoint:
    """A published weight file: the method that reads it, what it was trained on, where its authors
    hand it out (`address`), whether that answers with the file itself (`direct`), the page that
    says so, and its licence."""

    method: str
    trained_on: str
    address: str
    page: str
    licence: str
    direct: bool = False


def _alignment(file: str, trained_on: str) -> Checkpoint:
    return Checkpoint("alignment", trained_on, f"{_DRIVE}/file/d/{file}/view", _SSLALIGN, _NONE)


def _in_folder(method: str, trained_on: str, folder: str, page: str, licence: str) -> Checkpoint:
    return Checkpoint(method, trained_on, f"{_DRIVE}/drive/folders/{folder}", page, licence)


_EZVSL_FOLDER = "1I9nyn8VGU4HFEBDpEUpqFz1ywWcqzC6C"
_FNAC_FOLDER = "15NoQSmC6zIetq771pZ_Q6Z7dea957Hhz"
_SSLTIE_FOLDER = "1KZxXbPilvJNCPaUeAeZAsUKgZoj9R9qJ"
_LISTS = {
    "flickr-10k": "Flickr-SoundNet, 10k clips",
    "flickr-144k": "Flickr-SoundNet, 144k clips",
    "vggsound-10k": "VGGSound, 10k clips",
    "vggsound-144k": "VGGSound, 144k clips",
    "vggsound-full": "VGGSound, all clips",
    "heard-110": "VGGSound, 110 heard classes",
}
_FIRST_FOUR = tuple(_LISTS)[:4]

CHECKPOINTS: dict[str, Checkpoint] = {
    "alignment-vggsound": _alignment("1-WUEoAmp4WBj4Tbsi9Ybh2bq4W6-uYnd", "VGGSound, 144k clips"),
    "alignment-vggsound-selfsup": _alignment(
        "1p_eXOlZfeCo5EwY5RRkh4YnAnMZJ0Eyz", "VGGSound, 144k clips; self-supervised neighbours"
    ),
    "alignment-vggsound-vision": _alignment(
        "1FYv6Pt8k8MdHlBHDCaMVGtWZN_UXh_GJ", "VGGSound, 144k clips, from ImageNet's weights"
    ),
    "alignment-flickr": _alignment(
        "1R_LEEcUEnwREvt_ducCdnEVUI6VHvnqv", "Flickr-SoundNet, 144k clips"
    ),
    "alignment-flickr-selfsup": _alignment(
        "1HHnUc3sERGrCjUbHklS9uDdA5yxjRtKB",
        "Flickr-SoundNet, 144k clips; self-supervised neighbours",
    ),
    "alignment-flickr-vision": _alignment(
        "1zs0gr1_QVfonw0Q2VVbExwUUDhJSUH35", "Flickr-SoundNet, 144k clips, from ImageNet's weights"
    ),
    "lvs-flickr": Checkpoint(
        "lvs",
        "Flickr-SoundNet",
        "https://www.dropbox.com/s/mbxuzs2at0tbrn3/lvs_soundnet.pth.tar?dl=1",
        _LVS,
        "Apache 2.0",
        direct=True,
    ),
    "lvs-vggsound": Checkpoint(
        "lvs",
        "VGGSound",
        "https://www.dropbox.com/s/29s5fayxpqloxk9/lvs_vggss.tar?dl=1",
        _LVS,
        "Apache 2.0",
        direct=True,
    ),
    **{
        f"ezvsl-{name}": _in_folder("ezvsl", words, _EZVSL_FOLDER, _EZVSL, "Apache 2.0")
        for name, words in _LISTS.items()
    },
    "slavc-vggsound-144k": Checkpoint(
        "slavc",
        "VGGSound, 144k clips",
        f"{_DRIVE}/file/d/1wHufeLWZBv97IaE0cv0GrFk4pLX5NMUj/view",
        _SLAVC,
        "Apache 2.0",
    ),
    **{
        f"fnac-{name}": _in_folder("fnac", _LISTS[name], _FNAC_FOLDER, _FNAC, _NONE)
        for name in _FIRST_FOUR
    },
    **{
        f"ssltie-{name}": _in_folder("ssltie", _LISTS[name], _SSLTIE_FOLDER, _SSLTIE, "MIT")
        for name in ("flickr-10k", "flickr-144k", "vggsound-144k")
    },
    "heartheflow-flickr": Checkpoint(
        "heartheflow",
        "Flickr-SoundNet",
        f"{_DRIVE}/file/d/1_ZMsaf65Ikyyjx62JhJ7fab9YmZ7dgwh/view",
        _FLOW,
        "MIT",
    ),
    "heartheflow-vggsound": Checkpoint(
        "heartheflow",
        "VGGSound",
        f"{_DRIVE}/file/d/1iL6G0nq9TGRTitQXOjoleIB1xrW7Yxzj/view",
        _FLOW,
        "MIT",
    ),
}


def place_of(folder: Path, name: str) -> Path:
    """Where a named file lies below the `folder` of published weights."""
    return folder / f"{name}.pth"


def checked_file(folder: Path, name: str) -> Path:
    """The file of a name in the `folder` of published weights, as it was when it came there.

    A file that was put there by hand has its hash recorded now. Raises `InputError` for an unknown
    name, for a file that is not there, with how to get it, and for one that has changed.
    """
    checkpoint = known(name)
    path = place_of(folder, name)
    if not path.is_file():
        raise InputError(f"{name}: {path} is not there; {how_to_get(folder, name, checkpoint)}")
    expected, found = recorded_hash(path), sha256_of(path)
    if expected is None:
        record_hash(path, found)
    elif found != expected:
        raise InputError(
            f"{path}: found SHA-256 {found}, expected {expected}, that of the first copy; remove "
            f"the file and fetch it again, or remove {path}.sha256 if the new one is right"
        )
    return path


def known(name: str) -> Checkpoint:
    """The entry of a name; `InputError` with the known ones for another."""
    if name not in CHECKPOINTS:
        raise InputError(
            f"weights {name!r}: no published file of this name, expected one of "
            f"{', '.join(CHECKPOINTS)}"
        )
    return CHECKPOINTS[name]


def how_to_get(folder: Path, name: str, checkpoint: Checkpoint) -> str:
    """What brings a file to its place."""
    if checkpoint.direct:
        return f"`avloc weights fetch {name}` brings it"
    return (
        f"its authors hand it out to browsers alone: fetch it from {checkpoint.address} (see "
        f"{checkpoint.page}) and put it at {place_of(folder, name)}"
    )


def given_weights(weights: str, method: str | None, folder: Path) -> tuple[Path, str | None]:
    """What a command's --weights names: a published file by its name, with its method where none is
    given, or any file by its path. Raises `InputError` as `checked_file` does; what is no file and
    has neither a folder nor an ending is taken for a name."""
    path = Path(weights)
    if not path.exists() and not path.suffix and path.name == weights:
        return checked_file(folder, weights), method or CHECKPOINTS[weights].method
    return path, method
