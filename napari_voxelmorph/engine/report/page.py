"""A white page with pictures, text and scales, drawn with Pillow (no screen, no Qt)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_voxelmorph.engine.report.colors import Picture, scale

INK, FAINT = (25, 25, 30), (120, 120, 128)


class Page:
    """A page of `width` x `height` pixels; everything is placed from the top left."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self.image)

    def text(
        self,
        at: tuple[float, float],
        words: str,
        size: int = 20,
        color: tuple[int, int, int] = INK,
        anchor: str = "la",
        halo: bool = False,
    ) -> None:
        """Write `words`; `anchor` as Pillow's (left/middle/right, ascender/middle/...)."""
        self._draw.text(
            at, words, fill=color, font=ImageFont.load_default(size), anchor=anchor,
            stroke_width=2 if halo else 0, stroke_fill=(0, 0, 0) if halo else None,
        )  # fmt: skip

    def picture(
        self,
        at: tuple[int, int],
        box: tuple[int, int],
        picture: Picture,
        aspect: tuple[float, float],
    ) -> tuple[int, int, int, int]:
        """Fit a picture into `box` (width, height), with `aspect` mm per pixel (down, right).

        Returns left, top, width and height of what it covers.
        """
        tall, wide = picture.shape[0] * aspect[0], picture.shape[1] * aspect[1]
        factor = min(box[0] / wide, box[1] / tall)
        size = (max(1, round(wide * factor)), max(1, round(tall * factor)))
        pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        scaled = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        left = at[0] + (box[0] - size[0]) // 2
        top = at[1] + (box[1] - size[1]) // 2
        self._draw.rectangle((*at, at[0] + box[0] - 1, at[1] + box[1] - 1), fill=(0, 0, 0))
        self.image.paste(scaled, (left, top))
        return left, top, size[0], size[1]

    def edges(self, area: tuple[int, int, int, int], letters: tuple[str, str, str, str]) -> None:
        """Write L/R, A/P, S/I at the edges of a picture."""
        left, top, width, height = area
        places = (
            (left + 6, top + height / 2, "lm"),
            (left + width - 6, top + height / 2, "rm"),
            (left + width / 2, top + 4, "ma"),
            (left + width / 2, top + height - 4, "md"),
        )
        for letter, (x, y, anchor) in zip(letters, places, strict=True):
            if letter:
                self.text((x, y), letter, 18, (255, 255, 255), anchor, halo=True)

    def color_bar(
        self, at: tuple[int, int], width: int, colormap: str, marks: list[tuple[float, str]]
    ) -> None:
        """A horizontal scale; `marks` are positions from 0 to 1 with their text."""
        ramp = np.linspace(0, 1, width, dtype=np.float32)[None].repeat(14, axis=0)
        bar = Image.fromarray(np.rint(scale(ramp, colormap) * 255).astype(np.uint8))
        self.image.paste(bar, at)
        for position, words in marks:
            anchor = "la" if position < 0.05 else "ra" if position > 0.95 else "ma"
            self.text((at[0] + position * (width - 1), at[1] + 18), words, 16, FAINT, anchor)

    def table(
        self,
        at: tuple[int, int],
        rows: list[tuple[str, ...]],
        columns: tuple[int, ...],
        size: int = 18,
    ) -> int:
        """Rows of text, the first one as head; returns the y below the last row."""
        y = at[1]
        for number, row in enumerate(rows):
            color = FAINT if number == 0 else INK
            for cell, x in zip(row, columns, strict=True):
                first = x == columns[0]
                self.text((at[0] + x, y), cell, size, color, "la" if first else "ra")
            y += round(size * 1.5)
            if number == 0:
                self._draw.line((at[0], y - 4, at[0] + max(columns), y - 4), fill=(205, 205, 210))
        return y

    def array(self) -> NDArray[np.uint8]:
        """The pixels, (H, W, 3)."""
        return np.asarray(self.image)
