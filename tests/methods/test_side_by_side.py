"""Pictures and sounds on a thread each: the bits of one thread, for every method."""

import pytest
from contract_checks import check_side_by_side, maker

from pipeline.methods.contract import method_names

# Those whose settings are of other networks are checked beside their other tests.
_OF_OTHER_NETWORKS = {"attention10k_2018", "sspl", "sspl_pcm"}


@pytest.mark.parametrize("name", sorted(set(method_names()) - _OF_OTHER_NETWORKS))
def test_every_method(name: str) -> None:
    check_side_by_side(maker(name))
