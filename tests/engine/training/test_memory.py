"""A training that is short of memory: first it saves some, and then it says so."""

from dataclasses import replace

import pytest
import torch

from napari_voxelmorph.engine.errors import NotEnoughMemoryError
from napari_voxelmorph.engine.training import run
from napari_voxelmorph.engine.training.loop import train


def test_too_little_memory_in_words(make_source, quick, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(run, "predict_fields", full)
    with pytest.raises(NotEnoughMemoryError, match=r"fewer than 2 pairs.*coarser"):
        list(train(make_source(), replace(quick, batch=2), tmp_path / "run"))


@pytest.mark.parametrize("words", ["CUDA out of memory.", "DefaultCPUAllocator: not enough memory"])
def test_short_of_memory_a_training_goes_on_and_says_so(
    words, make_source, quick, tmp_path, monkeypatch, finish
):
    config = replace(quick, steps=4, validate_every=2)
    _, plain = finish(train(make_source(), config, tmp_path / "plain"))
    error = torch.OutOfMemoryError if "CUDA" in words else RuntimeError
    works, tried = run.predict_fields, []

    def tight(network, *args, **options):
        tried.append(network.checkpointing)
        if len(tried) > 1 and not network.checkpointing:
            raise error(words)
        return works(network, *args, **options)

    monkeypatch.setattr(run, "predict_fields", tight)
    steps, found = finish(train(make_source(), config, tmp_path / "tight"))
    assert tried == [False, False, True, True, True]
    updates = [s for s in steps if s.phase == "Training" and s.validation is None]
    assert [len(s.notes) for s in updates] == [0, 1, 1, 1]
    assert "Save memory" in updates[-1].notes[0]
    state = plain.network.state_dict()
    for name, tensor in found.network.state_dict().items():
        torch.testing.assert_close(tensor, state[name])
