"""Nothing that is opened can run code: no pickle, no eval, anywhere in the package."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.files import load, load_session, save_session
from napari_voxelmorph.engine.files.transforms.formats import FORMATS
from napari_voxelmorph.engine.files.transforms.registry import load_transform
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.training.data.store import Store

ROOT = Path(__file__).parents[1]
FILES = sorted(
    p for folder in ("napari_voxelmorph", "models", "examples", "benchmarks")
    for p in (ROOT / folder).rglob("*.py")
)  # fmt: skip
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
#: Unless they are told not to, these unpickle: name -> (keyword, value) that they need.
ONLY_WITH = {"torch.load": ("weights_only", True), "yaml.load": ("Loader", "never")}
#: Between the processes of one training, which torchrun started from one command: no file.
OWN_PROCESSES = {
    ("distributed.py", "distributed.all_gather_object"),
    ("distributed.py", "distributed.broadcast_object_list"),
}


def dotted(node: ast.AST) -> str:
    """``torch.load`` of a call's function; empty for what has no such name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := dotted(node.value)):
        return f"{inner}.{node.attr}"
    return ""


def faults(path: Path) -> list[str]:
    """Lines of a module by which something that was read could be run."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or ""] + [a.name for a in node.names]
            if MODULES & {name.split(".")[0] for name in names}:
                found.append(f"{where} imports {names}")
        if not isinstance(node, ast.Call):
            continue
        name, keywords = dotted(node.func), {k.arg: k.value for k in node.keywords}
        if name in BUILTINS or name.endswith(("read_pickle", "to_pickle", "jit.load", "os.system")):
            found.append(f"{where} calls {name}")
        between = name.endswith(("_object", "_object_list"))
        if between and (path.name, name) not in OWN_PROCESSES:
            found.append(f"{where} calls {name}")
        if name in ONLY_WITH:
            keyword, value = ONLY_WITH[name]
            given = keywords.get(keyword)
            if not isinstance(given, ast.Constant) or given.value != value:
                found.append(f"{where} calls {name} without {keyword}={value}")
        for keyword, value in (("allow_pickle", False), ("shell", False)):
            given = keywords.get(keyword, ast.Constant(value))
            if not isinstance(given, ast.Constant) or given.value is not value:
                found.append(f"{where} calls {name} with {keyword}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_code_of_ours_unpickles(path: Path) -> None:
    assert not faults(path)


def test_the_search_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "x.py"
    for line in ("import pickle", "from joblib import load", "torch.load(p)", "eval(x)",
                 "torch.load(p, weights_only=False)", "np.load(p, allow_pickle=True)",
                 "np.load(p, allow_pickle=x)", "yaml.load(x)", "run(x, shell=True)",
                 "distributed.scatter_object(x)", "pandas.read_pickle(p)"):  # fmt: skip
        path.write_text(f"def f():\n    {line}\n")
        assert len(faults(path)) == 1, line
    path.write_text("torch.load(p, weights_only=True); np.load(p); yaml.safe_load(x); net.eval()\n")
    assert not faults(path)


class Harm:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm-was-done"),))


def test_a_pickle_in_any_file_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As numpy and torch write them, under every name that is opened."""
    monkeypatch.chdir(tmp_path)
    harm = np.array([Harm()], dtype=object)
    np.save(tmp_path / "harm.npy", harm, allow_pickle=True)
    torch.save(Harm(), tmp_path / "harm.pt")
    payloads = [(tmp_path / n).read_bytes() for n in ("harm.npy", "harm.pt")] + [pickle.dumps(harm)]
    image = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    field = Field(np.zeros((3, 2, 2, 2), np.float32), np.ones(3), np.zeros(3))
    names = ["image.nii", "image.nii.gz", "image.mgz", "image.nrrd", "image.mha", "image.dcm",
             "image.png", "image.tif"]  # fmt: skip
    names += [f"t{suffix}" for known in FORMATS.values() for suffix in known.suffixes]
    for payload in payloads:
        for name in names:
            (tmp_path / name).write_bytes(payload)
            with pytest.raises(VoxelMorphError):
                (load if name.startswith("image") else load_transform)(tmp_path / name)
        save_session(Registration(image, image, np.eye(4), field), tmp_path / "session")
        for part in sorted((tmp_path / "session").iterdir()):
            whole = part.read_bytes()
            part.write_bytes(payload)
            with pytest.raises(VoxelMorphError):
                load_session(tmp_path / "session")
            part.write_bytes(whole)
        store = Store(tmp_path / "store")
        (tmp_path / "store" / "key.image.npy").write_bytes(payload)
        assert store.array("key", "image", (1,)) is None
    assert not (tmp_path / "harm-was-done").exists()
    pickle.loads(payloads[-1])
    assert (tmp_path / "harm-was-done").exists()  # the payload does harm
