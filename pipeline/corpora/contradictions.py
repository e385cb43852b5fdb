"""What a study's settings say against each other, found before hours are spent on it.

Each rule is asked of the code that holds to it later: which frames a training can take, of
`check_aspect`; which form of optical flow a method wants, of its own `inputs`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.base.params import Parameters
from pipeline.base.study import Study
from pipeline.clips.flow import FlowForm
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.settings import Decode
from pipeline.errors import InputError
from pipeline.train.settings import Train, check_aspect


@dataclass(frozen=True)
class _Wanted:
    """A run of a study in words, the method whose flow it would read, and the form of that; None
    for none. `recipe`: of a training, how it goes."""

    name: str
    method: str
    flow: FlowForm | None
    recipe: Train | None


def contradictions(parameters: Parameters, study: Study, key: str) -> list[str]:
    """A line for each setting of a study that others contradict: the entry, what was found and what
    was expected. `key` is where the study stands in the file. Raises as `Parameters.read` does, and
    `InputError` for an unknown method."""
    runs = list(_runs(parameters, study))
    where = f"{parameters.path}: {key}"
    return [*_aspects(parameters, study, runs, where), *_flows(study, runs, where)]


def _runs(parameters: Parameters, study: Study) -> Iterator[_Wanted]:
    # Methods import torch, seconds that other commands do not need.
    from pipeline.methods.common.sections import method_settings

    world = study.settings
    for method in study.methods:
        for run, changes in study.runs.items():
            own, loops = method_settings(parameters, world, method, changes)
            recipe = parameters.read(f"{world}.train", Train, *loops)
            flow = _flow(parameters, world, method, own)
            yield _Wanted(f"run {run} of {method}", method, flow, recipe)
    for name, item in study.published.items():
        own, _ = method_settings(parameters, world, item.method, item.settings)
        flow = _flow(parameters, world, item.method, own)
        yield _Wanted(f"the published {name}", item.method, flow, None)


def _flow(parameters: Parameters, world: str, method: str, own: Any) -> FlowForm | None:
    """What a method with the settings `own` asks for, without its weights."""
    import torch

    from pipeline.methods.contract import load_method

    form = parameters.read(f"{world}.forms.{method}", SoundForm)
    with torch.device("meta"):
        return load_method(method)(own, form).flow_form


def _aspects(
    parameters: Parameters, study: Study, runs: list[_Wanted], where: str
) -> Iterator[str]:
    """The corpus that is trained on, where it is not decoded for what a training wants."""
    corpus = study.train_on.corpus
    differs = study.corpora[corpus].decode
    stored = parameters.read(f"{study.settings}.decode", Decode, differs).aspect
    key = f"{where}.corpora.{corpus}.decode" if "aspect" in differs else ""
    key = key or f"{parameters.path}: {study.settings}.decode"
    for run in runs:
        if run.recipe is None:
            continue
        try:
            check_aspect(run.recipe.aspect, stored, f"{key}.aspect")
        except InputError as error:
            yield f"{error} ({run.name})"
            return  # the corpus is one; the other runs would say the same


def _flows(study: Study, runs: list[_Wanted], where: str) -> Iterator[str]:
    """Flow that a run reads and no stage makes, and flow that a stage makes for no method."""
    for method in study.flow:
        if method not in study.methods:
            yield (
                f"{where}.flow.{method}: found a method that the study does not train, expected "
                f"one of its methods ({', '.join(study.methods)})"
            )
    told = set()
    for run in runs:
        listed = study.flow.get(run.method, [])
        if run.flow is None or run.flow in listed or (run.method, run.flow) in told:
            continue
        told.add((run.method, run.flow))
        yield (
            f"{where}.flow.{run.method}: found {', '.join(listed) or 'no form'}, expected "
            f"{run.flow}, the flow that {run.name} sees"
        )
