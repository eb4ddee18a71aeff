"""The form is built from the configuration and gives it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_voxelmorph.engine.config import DEFAULT, PRESETS, RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.register.method_section import MethodSection
from napari_voxelmorph.gui.register.parameters_form import ParametersForm

ODD = replace(DEFAULT, smoothness=1 / 3, tolerance=1.23456e-5, iterations=(7,), symmetric=True,
              affine="rigid", similarity="mind", resolution=2.5, radius=4)  # fmt: skip


@pytest.mark.parametrize("config", [DEFAULT, ODD, *[preset for preset, _ in PRESETS.values()]])
def test_the_form_gives_the_configuration_back(qtbot, config):
    form: ParametersForm[RegistrationConfig] = ParametersForm(DEFAULT)
    qtbot.addWidget(form)
    form.set_config(config)
    assert form.config() == config


def test_every_parameter_has_a_field_with_help(qtbot):
    form = ParametersForm(DEFAULT)
    qtbot.addWidget(form)
    assert set(form.fields) == set(RegistrationConfig.__dataclass_fields__)
    assert all(field.widget.toolTip() for field in form.fields.values())


def test_an_edited_field_is_read(qtbot):
    form = ParametersForm(DEFAULT)
    qtbot.addWidget(form)
    form.fields["smoothness"].widget.setValue(2.5)
    form.fields["iterations"].widget.setText("10; 5")
    form.fields["symmetric"].widget.setChecked(True)
    assert form.config() == replace(DEFAULT, smoothness=2.5, iterations=(10, 5), symmetric=True)


@pytest.mark.parametrize("text", ["ten", "1.5, 2", "", "-3"])
def test_bad_iterations_are_explained(qtbot, text):
    form = ParametersForm(DEFAULT)
    qtbot.addWidget(form)
    form.fields["iterations"].widget.setText(text)
    with pytest.raises(InputError, match="terations"):
        form.config()


def test_presets_fill_the_form_and_editing_leaves_them(qtbot):
    section = MethodSection()
    qtbot.addWidget(section)
    for name, (config, _) in PRESETS.items():
        section.preset.setCurrentText(name)
        assert section.config() == config
    section.form.fields["smoothness"].widget.setValue(3.0)
    assert section.preset.currentText() == "Own settings"
    section.preset.setCurrentText("Same contrast")
    assert section.config() == DEFAULT


def test_the_last_preset_is_remembered(qtbot):
    first = MethodSection()
    qtbot.addWidget(first)
    first.preset.setCurrentText("Different contrast")
    second = MethodSection()
    qtbot.addWidget(second)
    assert second.preset.currentText() == "Different contrast"


def test_a_folded_section_stays_folded(qtbot):
    first = MethodSection()
    qtbot.addWidget(first)
    first.title.click()
    assert not first.is_open()
    second = MethodSection()
    qtbot.addWidget(second)
    assert not second.is_open()


def test_a_finest_resolution_of_zero_is_said_in_words(qtbot):
    form = ParametersForm(DEFAULT)
    qtbot.addWidget(form)
    box = form.fields["resolution"].widget
    assert box.text() == "full resolution" and form.config().resolution == 0
    box.setValue(2.0)
    assert box.text() == "2.00" and form.config().resolution == 2
