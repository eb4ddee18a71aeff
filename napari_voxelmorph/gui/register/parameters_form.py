"""A form that builds itself from the metadata of a configuration dataclass."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.section import More

Config = TypeVar("Config")


@dataclasses.dataclass
class Field:
    """One parameter on screen: its widget, and how to read and write it."""

    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: Any  # a bound Qt signal
    # What was written, and what the widget made of it: a spin box may round 1/3.
    _written: tuple[Any, Any] | None = None

    def set(self, value: Any) -> None:
        """Show a value."""
        self.write(value)
        self._written = (value, self.read())

    def value(self) -> Any:
        """Return the value, exactly as it was set unless the user changed it."""
        now = self.read()
        if self._written is not None and now == self._written[1]:
            return self._written[0]
        return now


class ParametersForm(QWidget, Generic[Config]):
    """Fields for a frozen dataclass; those marked ``advanced`` hide behind a link.

    Parameters
    ----------
    config : dataclass instance
        First values; parameters that are left out keep theirs from here.
    leave_out : iterable of str
        Parameters that another part of the window asks for.
    """

    changed = Signal()

    def __init__(self, config: Config, leave_out: Iterable[str] = ()) -> None:
        super().__init__()
        self._base = config
        self.fields: dict[str, Field] = {}
        basic, advanced = Rows(), Rows()
        self.more = More("more settings")
        hints = get_type_hints(type(config))
        skipped = set(leave_out)
        for item in dataclasses.fields(config):  # type: ignore[arg-type]
            if item.name in skipped or "label" not in item.metadata:
                continue
            field = make_field(hints[item.name], item.metadata)
            field.widget.setObjectName(item.name)
            self.fields[item.name] = field
            rows = advanced if item.metadata.get("advanced") else basic
            rows.add(item.metadata["label"], field.widget, item.metadata["help"])
            field.changed.connect(lambda *_: self.changed.emit())
        self.more.add(advanced)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(basic)
        column.addWidget(self.more)
        self.set_config(config)

    def set_config(self, config: Config) -> None:
        """Show another configuration."""
        self._base = config
        blocked = self.blockSignals(True)
        for name, field in self.fields.items():
            field.set(getattr(config, name))
        self.blockSignals(blocked)
        self.changed.emit()

    def config(self) -> Config:
        """Return what the form says; raises `InputError` when a field cannot be read."""
        values = {name: field.value() for name, field in self.fields.items()}
        return dataclasses.replace(self._base, **values)  # type: ignore[type-var]


def make_field(kind: Any, metadata: Any) -> Field:
    """Return the field for a type: bool, Literal, int, float, tuple of int, or text."""
    if get_origin(kind) is Literal:
        return choice_field(get_args(kind), metadata["help"])
    if kind is bool:
        box = QCheckBox()
        return Field(box, box.isChecked, box.setChecked, box.toggled)
    if kind is float:
        return _number_field(QDoubleSpinBox(), metadata)
    if kind is int:
        return _number_field(QSpinBox(), metadata)
    line = QLineEdit()
    if get_origin(kind) is tuple:
        return Field(
            line,
            lambda: _whole_numbers(line.text(), metadata["label"]),
            lambda value: line.setText(", ".join(map(str, value))),
            line.textChanged,
        )
    return Field(line, line.text, line.setText, line.textChanged)


def choice_field(choices: Iterable[str], help: str) -> Field:
    """Return a drop-down; each entry carries its own explanation out of `help`."""
    box = Combo()
    names = list(choices)
    for name in names:
        meaning = _meaning(name, names, help)
        box.addItem(f"{name} – {meaning}" if meaning else name, name)
        box.setItemData(box.count() - 1, f"<qt>{meaning or name}</qt>", Qt.ItemDataRole.ToolTipRole)
    return Field(
        box,
        box.currentData,
        lambda value: box.setCurrentIndex(names.index(value)),
        box.currentIndexChanged,
    )


def _meaning(name: str, names: list[str], help: str) -> str:
    """Cut “name: what it means.” out of a help text."""
    others = "|".join(re.escape(other) for other in names)
    found = re.search(rf"\b{re.escape(name)}: (.*?)(?=\s+(?:{others}): |$)", help)
    return found.group(1).rstrip(". ") if found else ""


def _number_field(box: QSpinBox | QDoubleSpinBox, metadata: Any) -> Field:
    low, high = metadata.get("min", -1e6), metadata.get("max", 1e6)
    step = metadata.get("step", 1)
    if isinstance(box, QDoubleSpinBox):
        box.setDecimals(max(2, 1 - math.floor(math.log10(step))))
        box.setRange(float(low), float(high))
    else:
        box.setRange(int(low), int(high))
    box.setSingleStep(step)
    if "zero" in metadata:
        box.setSpecialValueText(metadata["zero"])  # shown for the least value, which is 0
    box.setKeyboardTracking(False)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.wheelEvent = lambda event: event.ignore()
    return Field(box, box.value, box.setValue, box.valueChanged)


def _whole_numbers(text: str, label: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise InputError(
            f"“{label}”: expected whole numbers with commas between, such as 100, 60, 20; "
            f"got “{text}”."
        ) from None
