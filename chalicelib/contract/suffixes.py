"""Suffixes of videos: which keys are uploads, and which key the output of each gets."""

from __future__ import annotations

MP4 = ".mp4"
# What a stage may take beside .mp4. Added to, it changes the outputs of keys such as clip.NEW.mp4 only.
OTHER_SUFFIXES = (".mov", ".m4v", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".mpg", ".3gp")


def suffix_of(key: str) -> str:
    """Return the suffix of a video in lower case, or an empty text where the key has none of them."""
    lower = key.lower()
    return next((suffix for suffix in (MP4, *OTHER_SUFFIXES) if lower.endswith(suffix)), "")


def mp4_key(key: str) -> str:
    """Return the key of the MP4 file that is made of the upload `key`; no two uploads have the same.

    A key in .mp4 is kept, others get .mp4 appended: clip.mov.mp4 is what becomes of clip.mov. An upload that
    has such a name itself gets .mp4 appended too.
    """
    stem = key
    while stem.endswith(MP4):
        stem = stem.removesuffix(MP4)
    return key + MP4 if suffix_of(stem) in OTHER_SUFFIXES else key
