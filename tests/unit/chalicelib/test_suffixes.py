"""Suffixes and the keys of outputs: no two uploads of a bucket have the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.errors import ConfigurationError
from chalicelib.contract.job import execution_name, output_key
from chalicelib.contract.objects import SourceObject
from chalicelib.contract.suffixes import OTHER_SUFFIXES, mp4_key, suffix_of
from chalicelib.settings import suffixes_setting
from chalicelib.uploads import other_uploads

parts = st.sampled_from([".mp4", ".MP4", ".mov", ".MOV", ".3gp", ".txt", "clip", "/", "."])
keys = st.lists(parts, max_size=6).map("".join)


@pytest.mark.parametrize(
    ("key", "output"),
    [
        ("", ""),
        ("clip.mp4", "clip.mp4"),
        ("CLIP.MP4", "CLIP.MP4"),
        ("clip.mov", "clip.mov.mp4"),
        ("clip.mov.mp4", "clip.mov.mp4.mp4"),
        ("clip.mov.mp4.mp4", "clip.mov.mp4.mp4.mp4"),
        ("clip.mov.MP4", "clip.mov.MP4"),
        ("clip.MOV", "clip.MOV.mp4"),
        ("clip.mp4.mp4", "clip.mp4.mp4"),
        ("my.holiday.mp4", "my.holiday.mp4"),
        ("a/b.mkv", "a/b.mkv.mp4"),
    ],
)
def test_output_has_the_key_of_the_upload_in_mp4(key: str, output: str) -> None:
    """An output is found by the name of its upload, and its name says that it is MP4."""
    assert mp4_key(key) == output


@given(keys, keys)
def test_no_two_uploads_have_one_output(one: str, other: str) -> None:
    """Whatever their suffixes: else the later would replace the other's output."""
    assert (mp4_key(one) == mp4_key(other)) == (one == other)


def test_key_that_grows_too_long_is_named_after_the_execution() -> None:
    """S3 takes 1024 bytes."""
    source = SourceObject("input", "x" * 1018 + ".mov", "v1", "e", "1", 1)

    assert output_key(source) == f"{execution_name(source)}.mp4"


@pytest.mark.parametrize(
    ("key", "suffix"), [("a.MoV", ".mov"), ("a.mp4", ".mp4"), ("a.txt", ""), ("mov", ""), ("", "")]
)
def test_suffix_is_told_in_lower_case(key: str, suffix: str) -> None:
    """Cameras write capitals."""
    assert suffix_of(key) == suffix


@pytest.mark.parametrize(
    ("text", "suffixes"),
    [("", OTHER_SUFFIXES), ("none", ()), (".mkv", (".mkv",)), (",".join(OTHER_SUFFIXES), OTHER_SUFFIXES)],
)
def test_setting_names_suffixes(text: str, suffixes: tuple[str, ...]) -> None:
    """Beside .mp4, which is always taken."""
    assert suffixes_setting({"VIDEO_SUFFIXES": text}) == suffixes


@pytest.mark.parametrize("text", [".txt", "mov", ".mov, .mkv", ".MOV", ".mp4"])
def test_setting_of_unknown_suffixes_is_refused(text: str) -> None:
    """The rule of output keys knows all suffixes that there may be."""
    with pytest.raises(ConfigurationError, match="VIDEO_SUFFIXES"):
        suffixes_setting({"VIDEO_SUFFIXES": text})


def test_rule_does_not_tell_what_the_bucket_tells_itself() -> None:
    """An upload in .mp4 starts one function, not two."""
    keys_asked = other_uploads("input", (".mov",))["detail"]["object"]["key"]

    assert keys_asked == [
        {"suffix": ".MP4"},
        {"suffix": ".Mp4"},
        {"suffix": ".mP4"},
        {"suffix": {"equals-ignore-case": ".mov"}},
    ]
