"""The report on paper: the HTML page laid out by Qt's own text engine into a PDF."""

from __future__ import annotations

from qtpy.QtCore import QMarginsF, QSizeF
from qtpy.QtGui import QPageLayout, QPageSize, QPdfWriter, QTextDocument

from napari_voxelmorph.engine.files.writing import writing

_MARGIN_MM, _DPI = 14, 96


def print_page(page: str, path: str) -> None:
    """Write an HTML page as PDF, A4 across.  Main thread only.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with writing(path) as temporary:
        writer = QPdfWriter(str(temporary))
        writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
        writer.setPageOrientation(QPageLayout.Orientation.Landscape)
        margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
        writer.setPageMargins(margins, QPageLayout.Unit.Millimeter)
        writer.setResolution(_DPI)
        writer.setCreator("napari-voxelmorph")
        document = QTextDocument()
        document.setHtml(page)
        document.setPageSize(QSizeF(writer.width(), writer.height()))
        document.print_(writer)
