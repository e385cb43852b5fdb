"""That params.yaml has what pipeline/methods/DECISIONS.md says of the paper's studies."""

from pathlib import Path

from pipeline.base.params import Parameters
from pipeline.base.study import Study
from pipeline.decode.settings import Decode
from pipeline.encoders.common.settings import Embed
from pipeline.evaluate.settings import Evaluate
from pipeline.methods.common.sections import method_settings
from pipeline.train.settings import Train

PARAMETERS = Parameters(Path(__file__).resolve().parents[2] / "params.yaml")


def study(name: str) -> Study:
    return PARAMETERS.read(f"studies.{name}", Study)


def test_each_training_list_is_the_one_that_is_named() -> None:
    lists = {
        "vggsound-144k": "vggss_144k",
        "flickr-144k": "flickr_144k_senocak",
        "flickr-144k-slavc": "flickr_144k",
        "heard-110": "vggss_heard",
        "heard-110-tie": "ssltie_openset_train_110_70k",
    }
    for name, stem in lists.items():
        assert study(name).train_on.list == f"data/annotations/{stem}.txt"


def test_frames_are_kept_to_train_and_squashed_to_test() -> None:
    trained = PARAMETERS.read("paper.decode", Decode)
    assert (trained.side, trained.aspect, trained.antialias) == (246, "kept", True)
    assert PARAMETERS.read("paper.train", Train).aspect == "kept"
    tested = [c for n, c in study("vggsound-144k").corpora.items() if n != "vggsound"]
    for corpus in tested:
        found = PARAMETERS.read("paper.decode", Decode, corpus.decode)
        assert (found.side, found.aspect, found.antialias) == (224, "squashed", True)
    vggss = study("vggsound-144k").corpora["vggss"]
    assert PARAMETERS.read("paper.decode", Decode, vggss.decode).second == 5.0


def test_sounds_are_the_first_ten_seconds_of_the_first_channel() -> None:
    found = PARAMETERS.read("paper.decode", Decode)
    assert (found.keep, found.max_seconds, found.channels) == ("first", 10.0, "first")


def test_imagenet_s_network_is_torchvision_s_first() -> None:
    embed, evaluate = (
        PARAMETERS.read("paper.embed", Embed),
        PARAMETERS.read("paper.evaluate", Evaluate),
    )
    assert embed.image_model == evaluate.object_model == "resnet18.tv_in1k"


def test_who_has_vggsound_alone_has_a_study() -> None:
    assert set(study("vggsound-alone").corpora) == {"vggsound", "vggss"}


def test_the_released_form_is_a_run_beside_the_text_s() -> None:
    runs = study("vggsound-144k").runs
    assert set(runs) == {"full", "released"}
    for name, form, loop in (
        ("full", ("mean", "mean", "simclr"), (50, 128, 0.0)),
        ("released", ("masked", "max", "released"), (80, 16, 1e-4)),
    ):
        own, loops = method_settings(PARAMETERS, "paper", "alignment", runs[name])
        assert (own.pooling, own.projection_pooling, own.augmentation) == form
        train = PARAMETERS.read("paper.train", Train, *loops)
        assert (train.epochs, train.batch, train.weight_decay) == loop
