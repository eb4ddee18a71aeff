"""The row below the λ slider: value, badge, words, what to suggest for, pins, source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)
from superqt import QElidingLabel

from napari_voxelmorph.gui.form_parts import Combo
from napari_voxelmorph.gui.lambda_strip.strip_words import BADGES, about_source
from napari_voxelmorph.gui.lambda_strip.suggesting import BOX, WHOLE

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource
    from napari_voxelmorph.gui.lambda_strip.showing import State

_COLORS = {"error": "#e0556a", "warning": "#e3b617", "done": "#4cae5f", "note": "#8fb4ff"}


class StripRow(QWidget):
    """Buttons and words; knows nothing of what they do."""

    typed = Signal(str)
    paged = Signal(int)
    source_chosen = Signal(int)
    scope_chosen = Signal()
    suggest_asked = Signal()
    pin_asked = Signal(str)
    held = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.name, self.value = QLabel("λ"), QLineEdit()
        self.value.setFixedWidth(64)
        self.value.setToolTip("Type a value and press Return")
        self.value.returnPressed.connect(lambda: self.typed.emit(self.value.text()))
        self.back = _arrow("◀", "The next computed λ below (Page down)")
        self.forth = _arrow("▶", "The next computed λ above (Page up)")
        self.back.clicked.connect(lambda: self.paged.emit(-1))
        self.forth.clicked.connect(lambda: self.paged.emit(1))
        self.badge = QLabel()
        self.badge.setMinimumWidth(86)
        self.badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words = QElidingLabel()
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._progress, self._said = "", ""
        self._build_choices()
        self._build_pins()
        line = QHBoxLayout(self)
        line.setContentsMargins(10, 0, 10, 0)
        line.setSpacing(5)
        for part in (self.name, self.value, self.back, self.forth, self.badge):
            line.addWidget(part)
        line.addWidget(self.words, 1)
        for part in (self.suggest, self.scopes, self.pin_a, self.pin_b, self.compare,
                     self.source):  # fmt: skip
            line.addWidget(part)

    def _build_choices(self) -> None:
        self.suggest = QPushButton("Suggest")
        self.suggest.setToolTip(
            "<qt>Go to the best λ for what is chosen beside: the largest overlap where both images "
            "have a segmentation, else the stiffest field that keeps 95 % of what similarity "
            "gains; never one that folds more than 0.1 % while another does not.</qt>"
        )
        self.suggest.clicked.connect(lambda: self.suggest_asked.emit())
        self.scopes = _combo("For what λ is suggested, and which overlap is drawn")
        self.scopes.addItem("whole image", WHOLE)
        self.scopes.addItem("a box I draw", BOX)
        self.scopes.currentIndexChanged.connect(lambda *_: self.scope_chosen.emit())
        self.source = _combo("What computes the field for a λ")
        self.source.activated.connect(self.source_chosen.emit)

    def _build_pins(self) -> None:
        self.pin_a, self.pin_b = QPushButton("Pin A"), QPushButton("Pin B")
        for name, button in (("A", self.pin_a), ("B", self.pin_b)):
            button.setToolTip(f"Remember this λ as {name}, to compare others with it")
            button.clicked.connect(lambda *_, name=name: self.pin_asked.emit(name))
        self.compare = QPushButton("hold: A⇄B")
        self.compare.setToolTip(
            "Shows the other pin while it is held (Space on the slider does the same)"
        )
        self.compare.pressed.connect(lambda: self.held.emit(True))
        self.compare.released.connect(lambda: self.held.emit(False))

    # Showing --------------------------------------------------------------------------------

    def show_value(self, name: str, value: float) -> None:
        """λ, unless somebody is typing."""
        self.name.setText(name)
        text = f"{value:.3g}" if value >= 1 else f"{value:.3f}"
        if self.value.text() != text and not (self.value.hasFocus() and self.value.isModified()):
            self.value.setText(text)

    def show_state(self, state: State) -> None:
        """The badge."""
        text, color, help = BADGES[state]
        if self.badge.text() != text:
            self.badge.setText(text)
            self.badge.setToolTip(f"<qt>{help}</qt>")
            self.badge.setStyleSheet(
                f"QLabel {{ color: {color}; border: 1px solid {color}; border-radius: 3px;"
                " padding: 1px 6px; }"
            )

    def show_pins(self, pins: dict[str, Any]) -> None:
        """Which pins there are."""
        for name, button in (("A", self.pin_a), ("B", self.pin_b)):
            pin = pins.get(name)
            text = f"Pin {name}" if pin is None else f"{name} {pin.value:.3g}"
            if button.text() != text:  # or the row is laid out anew with every movement
                button.setText(text)
        self.compare.setEnabled(bool(pins))

    def show_progress(self, text: str) -> None:
        """What is under way; what was said to the user stays."""
        self._progress = text
        if not self._said:
            self._write(text, "")

    def say(self, kind: str, text: str, details: str = "") -> None:
        """A sentence to the user, until he does something."""
        self._said = text
        self._write(text, f"color: {_COLORS[kind]};")
        self.words.setToolTip(f"<qt>{text}</qt>")

    def be_quiet(self) -> None:
        """He does something."""
        self.value.setModified(False)
        if self._said:
            self._said = ""
            self._write(self._progress, "")

    def _write(self, text: str, style: str) -> None:
        if self.words.text() != text:
            self.words.setText(text)
            self.words.setToolTip(text)
        if self.words.styleSheet() != style:
            self.words.setStyleSheet(style)

    # Choices --------------------------------------------------------------------------------

    @property
    def scope(self) -> str | int:
        """`WHOLE`, `BOX`, or a structure's label."""
        data: str | int = self.scopes.currentData()
        return data

    def set_structures(self, names: Mapping[int, str]) -> None:
        """Offer the structures that both segmentations hold: label -> what it is called."""
        rows = range(2, self.scopes.count())
        have = {self.scopes.itemData(i): self.scopes.itemText(i) for i in rows}
        if have == dict(names):
            return
        chosen = self.scope
        blocked = self.scopes.blockSignals(True)
        while self.scopes.count() > 2:
            self.scopes.removeItem(2)
        for label, name in names.items():
            self.scopes.addItem(name, label)
            self.scopes.setItemData(self.scopes.count() - 1, name, Qt.ItemDataRole.ToolTipRole)
        self.scopes.setCurrentIndex(max(0, self.scopes.findData(chosen)))
        self.scopes.blockSignals(blocked)

    def set_sources(self, sources: Sequence[LambdaSource], chosen: LambdaSource) -> None:
        """Offer what can compute fields."""
        names = [about_source(s) for s in sources]
        if [self.source.itemText(i) for i in range(self.source.count())] != [n for n, _ in names]:
            self.source.clear()
            for index, (name, help) in enumerate(names):
                self.source.addItem(name)
                self.source.setItemData(index, f"<qt>{help}</qt>", Qt.ItemDataRole.ToolTipRole)
        self.source.setCurrentIndex(list(sources).index(chosen))
        self.source.setEnabled(len(sources) > 1)
        self.source.setToolTip(f"<qt>{about_source(chosen)[1]}</qt>")


def _arrow(text: str, help: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(help)
    return button


def _combo(help: str) -> QComboBox:
    combo = Combo()
    combo.setToolTip(help)
    combo.setMinimumContentsLength(11)
    combo.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    return combo
