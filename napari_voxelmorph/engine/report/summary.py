"""A registration as plain data, ready for JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_voxelmorph.engine.report.findings import Findings
from napari_voxelmorph.engine.result import Registration

#: Grows when the meaning of a key changes.
SCHEMA = 1


def summarize(
    registration: Registration,
    findings: Findings | None = None,
    files: Mapping[str, str] | None = None,
    warnings: list[str] | None = None,
) -> dict[str, Any]:
    """All numbers of a result: metrics, timings, settings, versions, inputs, files.

    Parameters
    ----------
    files : mapping, optional
        What was written: role -> path.
    warnings : list of str, optional
        What the pair checks said.

    Returns
    -------
    dict
        Only JSON types; numbers that are not finite become None.
    """
    result = {
        "schema": SCHEMA,
        "metrics": dict(registration.metrics),
        "findings": dataclasses.asdict(findings or Findings()),
        "timings_seconds": dict(registration.timings),
        "config": dataclasses.asdict(registration.config),
        "affine_fixed_to_moving_mm": registration.affine,
        "provenance": dict(registration.provenance),
        "warnings": warnings or [],
        "files": dict(files or {}),
    }
    plain: dict[str, Any] = _plain(result)
    return plain


def _plain(value: Any) -> Any:
    """Numpy numbers, arrays, tuples and odd keys as JSON has them."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
