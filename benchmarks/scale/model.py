"""Model of time and price on AWS, computed from measurements on this machine and named assumptions.

Times count from the end of face detection to the output; Rekognition's time is a separate figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from blur_container.segments.split import Costs, segment_count
from blur_container.settings import CuttingSettings
from chalicelib.contract.prices import Prices

FRAME_RATE = 30
LIMIT_S = 900  # Lambda's longest run.
UPLOAD_BYTES_MAX = 10 * 1000**3  # Rekognition Video quota.
_VCPU_MB = 1769  # As AWS documents it.
_MEGA = 1e6
_MIB = 1024**2
_FREE_STORAGE_MB = 512
_BITS = 8


_MINUTE_S, _HOUR_S = 60.0, 3600.0
# Width, height, and megabits a second: as cameras and platforms encode H.264.
SIZES = {"720p": (1280, 720, 3.0), "1080p": (1920, 1080, 6.0), "4K": (3840, 2160, 20.0)}
LENGTHS = {"1 min": _MINUTE_S, "10 min": 10 * _MINUTE_S, "1 h": _HOUR_S, "6 h": 6 * _HOUR_S}


@dataclass(frozen=True)
class Parameters:
    """Parameters of the model: measured (M), from the code (C), or assumed (A)."""

    # M: CPU for a million pixels, low-resolution pass included, faces throughout (case `followed` of
    # benchmarks.render: 0.0278 at 720p, 0.0267 at 1080p). 4K was not measured; the same is assumed.
    cpu_s_per_megapixel: float = 0.0275
    # M: how much of two processors a render uses (CPU / 2 / wall of `followed`: 0.87 and 0.86).
    two_processors_used: float = 0.86
    # A: speed of a Lambda vCPU relative to a processor of the measurements. The code assumes the same.
    vcpu_speed: float = 0.5
    # C: memory of the container's functions, statemachine/pipeline.yaml; 1,769 MB give one vCPU.
    memory_mb: int = 3538
    # C: /tmp of the same.
    storage_mb: int = 10_240
    # A: from an invocation to the handler, of an image of 0.6 GB, billed.
    cold_start_s: float = 3.0
    # A: between S3 and one function, in MB a second.
    s3_mb_s: float = 75.0
    # A: until the first byte of a range arrives; ranges are read one after the other.
    range_latency_s: float = 0.03
    # C: size of a ranged read (storage/range_reader.py); assemble-video reads sequentially.
    range_bytes: int = 1024**2
    assemble_range_bytes: int = 16 * 1024**2
    # A: a copy inside S3, part by part.
    copy_mb_s: float = 200.0
    # M: CPU of a segment beyond its share of the render (benchmarks.scale: 0.5 to 1.0).
    segment_cpu_s: float = 0.8
    # M: CPU of plan-segments, and of assemble-video for a thousand packets and for a GB (benchmarks.scale:
    # 3.5 s for 39,649 packets in 0.12 GB, 4.7 s for 10,800 in 0.27 GB, 0.4 s of each the start).
    plan_cpu_s: float = 0.7
    assemble_cpu_s_per_1000_packets: float = 0.032
    assemble_cpu_s_per_gb: float = 15.0
    # C: audio packets a second: AAC at 44.1 kHz.
    sound_packets_per_s: float = 43.0
    # M: bytes that plan-segments reads: some blocks, the sample table per second, and more at each border.
    plan_bytes: float = 0.95e6
    index_bytes_per_s: float = 1100.0
    border_bytes: float = 0.8e6
    # C: how far a segment looks to either side at two samples a second (layout.Layout.look).
    look_s: float = 4.3
    # C: the planner's share for the low-resolution pass (segments/planner.py).
    planned_look_share: float = 0.3
    # C: state transitions of an execution, without three for each poll and one for each segment.
    transitions: int = 12
    # A: Rekognition's time as a share of the video's length, and its minimum. AWS publishes no figure.
    rekognition_share: float = 0.5
    rekognition_least_s: float = 20.0
    # C: longest wait between polls of check-rekognition-job-status.
    poll_s: float = 15.0
    # A: AWS's sample (aws-samples/rekognition-video-people-blurring-cdk): a loop of OpenCV, then ffmpeg.
    # A similar loop took 1.39 of the CPU of a render without that pass (0.022 s for a million pixels);
    # the sample itself was not run. Memory and poll as in its repository; its longest run is Lambda's.
    sample_cpu_ratio: float = 1.39
    render_cpu_s_per_megapixel: float = 0.022
    sample_memory_mb: int = 2048
    sample_poll_s: float = 5.0
    cutting: CuttingSettings = field(default_factory=CuttingSettings)


@dataclass(frozen=True)
class Video:
    """A video of 30 frames a second: pixels, megabits a second, seconds."""

    width: int
    height: int
    mbit_s: float
    seconds: float

    @property
    def megapixels(self) -> float:
        """Return the pixels of all frames, in millions."""
        return self.seconds * FRAME_RATE * self.width * self.height / _MEGA

    @property
    def size_bytes(self) -> float:
        """Return the size of the file, at most Rekognition's quota: longer videos get a lower bit rate."""
        return min(self.mbit_s * _MEGA / _BITS * self.seconds, UPLOAD_BYTES_MAX)


@dataclass(frozen=True)
class Estimate:
    """Estimate for one way to render: wall seconds, dollars, rendering functions, longest run in seconds."""

    wall_s: float
    usd: float
    functions: int
    longest_s: float

    @property
    def finishes(self) -> bool:
        """Return whether each function ends within Lambda's 15 minutes."""
        return self.longest_s <= LIMIT_S


@dataclass(frozen=True)
class Model:
    """Estimates from one set of parameters and prices."""

    parameters: Parameters
    prices: Prices

    def rekognition(self, video: Video) -> Estimate:
        """Return the estimate for face detection."""
        least_s = self.parameters.rekognition_least_s
        wall_s = max(self.parameters.rekognition_share * video.seconds, least_s)
        return Estimate(wall_s, video.seconds / 60 * self.prices.rekognition_minute, 0, 0.0)

    def single(self, video: Video) -> Estimate:
        """Return the estimate for one function that renders the whole video."""
        own = self.parameters
        wall_s = own.cold_start_s + self._render_s(video) + 2 * self._transfer_s(video.size_bytes)
        gets, puts = 1.0, video.size_bytes / (64 * _MIB) + 2
        return Estimate(wall_s, self._usd([wall_s], gets, puts) + self._states_usd(video, 1), 1, wall_s)

    def segmented(self, video: Video) -> Estimate:
        """Return the estimate for this system, which renders long videos in segments."""
        count, own, size = self.segments(video), self.parameters, video.size_bytes
        plan_s = own.cold_start_s + own.plan_cpu_s / own.vcpu_speed
        if count == 1:
            whole = self.single(video)
            usd = whole.usd + self._usd([plan_s], self._planned_bytes(video) / own.range_bytes, 0)
            return Estimate(plan_s + whole.wall_s, usd, 1, whole.longest_s)
        read_bytes = size / count + min(self._extra_bytes(video), size)
        segment_s = (
            own.cold_start_s
            + (own.segment_cpu_s / own.vcpu_speed)
            + self._render_s(video) / count
            + self._ranges_s(read_bytes, own.range_bytes)
            + self._transfer_s(size / count)
        )
        assemble_s = self._assemble_s(video)
        rounds = math.ceil(count / own.cutting.at_once)
        borders_bytes = (count - 1) * own.border_bytes
        gets = (self._planned_bytes(video) + borders_bytes + count * read_bytes) / own.range_bytes
        gets += 3 * size / own.assemble_range_bytes
        puts = size / (16 * _MIB) + size / (512 * _MIB) + 3 * count
        seconds = [plan_s, *[segment_s] * count, assemble_s]
        usd = self._usd(seconds, gets, puts) + self._states_usd(video, count)
        return Estimate(plan_s + rounds * segment_s + assemble_s, usd, count, max(seconds))

    def sample(self, video: Video) -> Estimate:
        """Return the estimate for AWS's sample."""
        own = self.parameters
        cpu_s = own.sample_cpu_ratio * own.render_cpu_s_per_megapixel * video.megapixels
        wall_s = own.cold_start_s + cpu_s / self._speed(own.sample_memory_mb)
        wall_s += 2 * self._transfer_s(video.size_bytes)
        usd = self._usd([wall_s], 1, 2, own.sample_memory_mb)
        polls = self.rekognition(video).wall_s / own.sample_poll_s
        return Estimate(wall_s, usd + (4 + 3 * polls) * self.prices.states_transition, 1, wall_s)

    def segments(self, video: Video) -> int:
        """Return the number of segments, provided that there are enough keyframes."""
        own = self.parameters
        work_s = video.megapixels * _MEGA / own.cutting.pixels_per_s * (1 + own.planned_look_share)
        costs = Costs(work_s, round(video.size_bytes), self._extra_bytes(video))
        return segment_count(costs, own.cutting)

    def _extra_bytes(self, video: Video) -> float:
        looked = min(2 * self.parameters.look_s / video.seconds, 1.0) * video.size_bytes
        return self._planned_bytes(video) + looked

    def _planned_bytes(self, video: Video) -> float:
        return self.parameters.plan_bytes + self.parameters.index_bytes_per_s * video.seconds

    def _assemble_s(self, video: Video) -> float:
        """Return the seconds of assemble-video, which reads source, segments and output, and writes twice."""
        own, size = self.parameters, video.size_bytes
        packets = video.seconds * (FRAME_RATE + own.sound_packets_per_s)
        cpu_s = own.assemble_cpu_s_per_1000_packets * packets / 1000 + own.assemble_cpu_s_per_gb * size / 1e9
        read_s = 3 * self._ranges_s(size, own.assemble_range_bytes)
        moved_s = read_s + self._transfer_s(size) + size / _MEGA / own.copy_mb_s
        return own.cold_start_s + cpu_s / own.vcpu_speed + moved_s

    def _render_s(self, video: Video) -> float:
        cpu_s = self.parameters.cpu_s_per_megapixel * video.megapixels
        return cpu_s / self._speed(self.parameters.memory_mb)

    def _speed(self, memory_mb: int) -> float:
        """Return the CPU seconds of the measured machine that a function of `memory_mb` gives in a second."""
        vcpus = memory_mb / _VCPU_MB
        used = self.parameters.two_processors_used if vcpus > 1 else 1.0
        return max(vcpus * used, 1.0) * self.parameters.vcpu_speed

    def _transfer_s(self, size_bytes: float) -> float:
        return size_bytes / _MEGA / self.parameters.s3_mb_s

    def _ranges_s(self, size_bytes: float, range_bytes: int) -> float:
        latency_s = self.parameters.range_latency_s
        return self._transfer_s(size_bytes) + size_bytes / range_bytes * latency_s

    def _usd(self, seconds: list[float], gets: float, puts: float, memory_mb: int | None = None) -> float:
        own, prices = self.parameters, self.prices
        memory_gb = (memory_mb or own.memory_mb) / 1024
        storage_gb = (own.storage_mb - _FREE_STORAGE_MB) / 1024
        per_s = memory_gb * prices.lambda_gb_second + storage_gb * prices.lambda_storage_gb_second
        requests = len(seconds) * prices.lambda_request + gets * prices.s3_get + puts * prices.s3_put
        return sum(seconds) * per_s + requests

    def _states_usd(self, video: Video, segments: int) -> float:
        polls = self.rekognition(video).wall_s / self.parameters.poll_s + 8
        return (self.parameters.transitions + 3 * polls + segments) * self.prices.states_transition


def duration(seconds: float) -> str:
    """Return `seconds` in seconds, minutes or hours, as text."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
