"""Audio samples: reorder or mix the channels of decoded frames, and join the pieces of an edit list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from blur_container.writing.audio_channels import Placement
from chalicelib.contract.errors import UnsupportedVideo

# A longer gap between two pieces stays a jump in time, a shorter one is filled with silence.
_SILENCE_MAX_S = 10

Samples = NDArray[np.float32]  # (samples, channels), from -1 to 1


class ArrangedSound:
    """Places the channels of decoded frames, and cuts the pieces of an edit list where the next begins."""

    def __init__(
        self, source_channels: int, placement: Placement, *, is_edited: bool, has_times: bool
    ) -> None:
        self._source_channels = source_channels
        self._placement = placement
        self._is_edited = is_edited
        # AVI has no times of sound: FFmpeg's are counted from bytes, and wrong for G.726.
        self._has_times = has_times
        self._held: Samples | None = None
        self._held_at = 0
        self._rate = 0
        # When the last frame ends that came by, in samples.
        self._end: int | None = None
        self._to_floats = AudioResampler(format="flt")

    def frames(self, decoded: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
        """Yield `decoded` frames, arranged; with an edit list the last one is held back until the next."""
        timed = map(self._in_turn, decoded)
        if self._placement.is_identity and not self._is_edited:
            yield from timed
            return
        for frame in chain.from_iterable(map(self._packed, timed)):
            samples = self._placed_samples(frame)
            if self._is_edited:
                yield from self._joined(frame, samples)
            else:
                arranged = self._frame(samples, frame.rate)
                arranged.pts, arranged.time_base = frame.pts, frame.time_base
                yield arranged

    def rest(self) -> Iterator[AudioFrame]:
        """Yield the frame that was held back."""
        if self._held is not None and len(self._held):
            yield self._timed(self._held, self._held_at)
        self._held = None

    def _in_turn(self, frame: AudioFrame) -> AudioFrame:
        """Return `frame` with its time in samples, or behind the frame before where it has no time.

        An encoder cuts frames into its own lengths: where a unit of time lasts as long as a frame, as in
        AVI, the pieces would have the same time.
        """
        rate = frame.sample_rate
        is_timed = self._has_times or self._end is None
        if is_timed and frame.pts is not None and frame.time_base is not None:
            frame.pts = round(frame.pts * frame.time_base * rate)
        else:
            frame.pts = self._end
        frame.time_base = Fraction(1, rate)
        self._end = None if frame.pts is None else frame.pts + frame.samples
        return frame

    def _joined(self, frame: AudioFrame, samples: Samples) -> Iterator[AudioFrame]:
        """Yield the held frame up to the start of `samples`, then silence for a gap; hold back `samples`."""
        self._rate = frame.rate
        if frame.pts is None or frame.time_base is None:
            start = self._held_at + (0 if self._held is None else len(self._held))
        else:
            start = round(frame.pts * frame.time_base * frame.rate)
        if self._held is not None:
            end = self._held_at + len(self._held)
            # A piece ends where the next one begins, even within its last packet.
            self._held = self._held[: max(start - self._held_at, 0)]
            samples, start = samples[max(self._held_at - start, 0) :], max(start, self._held_at)
            yield from self.rest()
            if 0 < start - end <= _SILENCE_MAX_S * self._rate:
                yield self._timed(np.zeros((start - end, samples.shape[1]), np.float32), end)
        self._held, self._held_at = samples, start

    def _packed(self, frame: AudioFrame) -> list[AudioFrame]:
        """Return `frame` as interleaved floats: of 8 planes PyAV would read a ninth, out of bounds."""
        try:
            return self._to_floats.resample(frame)
        except (ValueError, av.FFmpegError) as error:
            raise UnsupportedVideo(
                f"the sample format of an audio stream changes mid-stream: {error}"
            ) from error

    def _placed_samples(self, frame: AudioFrame) -> Samples:
        """Return the samples of a packed `frame` with their channels in the order of the layout."""
        channels = frame.layout.nb_channels
        if channels != self._source_channels:
            raise UnsupportedVideo(
                f"an audio stream changes mid-stream from {self._source_channels} channels to {channels}"
            )
        samples = np.asarray(frame.to_ndarray().reshape(-1, channels), np.float32)
        if self._placement.mix is None:
            return samples[:, self._placement.order]
        return np.asarray(samples @ np.array(self._placement.mix, np.float32).T, np.float32)

    def _timed(self, samples: Samples, start: int) -> AudioFrame:
        frame = self._frame(samples, self._rate)
        frame.pts, frame.time_base = start, Fraction(1, self._rate)
        return frame

    def _frame(self, samples: Samples, rate: int) -> AudioFrame:
        flat = np.ascontiguousarray(samples).reshape(1, -1)
        frame = AudioFrame.from_ndarray(flat, format="flt", layout=self._placement.layout)
        frame.rate = rate
        return frame
