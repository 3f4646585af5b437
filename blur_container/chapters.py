"""Chapters: their times and titles, kept from source to output."""

from __future__ import annotations

from av.container import InputContainer, OutputContainer

_TITLE = "title"


def copy_chapters(source: InputContainer, output: OutputContainer) -> None:
    """Give `output` the chapters of `source`; of their tags only the title."""
    output.set_chapters(
        [
            {**chapter, "metadata": {_TITLE: chapter["metadata"].get(_TITLE, "")}}
            for chapter in source.chapters()
        ]
    )
