"""The Rekognition stand-in through a real boto3 client: protocol, errors, tokens, paging, sampling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import boto3
import numpy as np
import pytest
from av.video.frame import VideoFrame
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from numpy.typing import NDArray
from werkzeug.serving import make_server

from blur_container.analysis.face_detector import LANDMARK_KINDS, DetectedFace, Point
from chalicelib.contract.faces import Box
from local_cloud.commands.demo_clip import portrait_path
from local_cloud.rekognition_service.api import RekognitionSettings, RekognitionVideo

BUCKET = "videos"
QUICK = RekognitionSettings(in_progress_at_least_s=0.0, calls_per_s=1000)
NEVER_DONE = RekognitionSettings(in_progress_at_least_s=600.0)


class FixedDetector:
    """Finds as many faces as it was told to, in every picture."""

    def __init__(self, count: int) -> None:
        self._count = count

    def detect(self, picture: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the same face as often as asked for."""
        assert picture.ndim == 3
        box = Box(-0.16, 0.25, 0.5, 0.5)
        return [DetectedFace(box, 99.5, (Point(0.1, 0.2),) * len(LANDMARK_KINDS)) for _ in range(self._count)]


class SlowDetector:
    """Takes its time over each picture and counts them."""

    def __init__(self, seen: threading.Semaphore) -> None:
        self._seen = seen

    def detect(self, picture: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return no face, after a while."""
        assert picture.ndim == 3
        self._seen.release()
        time.sleep(0.1)
        return []


class BrokenDetector:
    """Raises what no one expects."""

    def detect(self, picture: NDArray[np.uint8]) -> list[DetectedFace]:
        """Raise."""
        raise ZeroDivisionError(f"a picture of {picture.shape}")


def make_client(service: str, endpoint: str) -> Any:
    """Return a client of the endpoint that makes no second attempt."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 the local endpoint checks none
        config=Config(retries={"total_max_attempts": 1}),
    )


@contextmanager
def serving(application: RekognitionVideo) -> Iterator[Any]:
    """Yield a Rekognition client of the application, which is served on a free port and closed at the end."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    client = make_client("rekognition", f"http://127.0.0.1:{server.server_port}")
    try:
        yield client
    finally:
        client.close()
        application.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """Yield the address of a moto server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str) -> Iterator[Any]:
    """Yield an S3 client with one bucket that keeps versions, all of it gone afterwards."""
    client = make_client("s3", s3_endpoint)
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield client
    versions = client.list_object_versions(Bucket=BUCKET)
    gone = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions.get("Versions", [])]
    markers = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions.get("DeleteMarkers", [])]
    client.delete_objects(Bucket=BUCKET, Delete={"Objects": [*gone, *markers, {"Key": "none"}]})
    client.delete_bucket(Bucket=BUCKET)
    client.close()


MakeClient = Callable[..., Any]


@pytest.fixture
def make_rekognition(s3_endpoint: str) -> Iterator[MakeClient]:
    """Yield a function that serves a stand-in with the given detector and settings; returns its client."""
    opened: list[Any] = []

    def make(detector: Any = None, settings: RekognitionSettings = QUICK) -> Any:
        chosen = detector or FixedDetector(1)
        application = RekognitionVideo(lambda: make_client("s3", s3_endpoint), settings, lambda: chosen)
        context = serving(application)
        opened.append(context)
        return context.__enter__()

    yield make
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def rekognition(make_rekognition: MakeClient) -> Any:
    """Return the client of a stand-in that finds one face in every picture."""
    return make_rekognition()


def write_video(
    path: Path,
    pictures: list[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    first_pts: int = 0,
    movflags: str = "",
) -> Path:
    """Write the pictures at 30 frames/s; the format follows the name of the file."""
    options = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = first_pts + number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def gray_pictures(count: int) -> list[NDArray[np.uint8]]:
    """Return small pictures, each a little brighter than the one before."""
    return [np.full((48, 64, 3), 40 + number % 200, np.uint8) for number in range(count)]


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return 36 frames at 30 frames/s: sampled at 14, 29 and 35."""
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", gray_pictures(36)).read_bytes()


def put(s3: Any, content: bytes, key: str = "clip.mp4") -> str:
    """Store the content and return its version."""
    return str(s3.put_object(Bucket=BUCKET, Key=key, Body=content)["VersionId"])


def place(key: str = "clip.mp4", version: str | None = None) -> dict[str, Any]:
    """Return the Video argument of StartFaceDetection."""
    pinned = {"Version": version} if version else {}
    return {"S3Object": {"Bucket": BUCKET, "Name": key} | pinned}


def wait_for(client: Any, job_id: str, **page: Any) -> dict[str, Any]:
    """Return the answer of the finished job."""
    until = time.monotonic() + 30
    while (answer := client.get_face_detection(JobId=job_id, **page))["JobStatus"] == "IN_PROGRESS":
        assert time.monotonic() < until
        time.sleep(0.02)
    return dict(answer)


def analyse(client: Any, video: dict[str, Any]) -> dict[str, Any]:
    """Start a job and return its answer."""
    return wait_for(client, client.start_face_detection(Video=video)["JobId"])


def test_video_without_faces_succeeds_with_an_empty_list(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """A video without faces is analysed successfully, with an empty list."""
    client = make_rekognition(FixedDetector(0))
    put(s3, short_clip)

    answer = analyse(client, place())

    assert answer["JobStatus"] == "SUCCEEDED"
    assert answer["Faces"] == []
    assert "NextToken" not in answer


def test_samples_are_the_last_frame_of_each_interval(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """Frames 14 and 29 close the intervals of 500 ms, frame 35 is the last of the video."""
    put(s3, short_clip)

    answer = analyse(rekognition, place())

    assert [face["Timestamp"] for face in answer["Faces"]] == [466, 966, 1166]


def test_timestamps_count_from_the_first_frame(rekognition: Any, s3: Any, tmp_path: Path) -> None:
    """A video that begins at 2 s has the timestamps of one that begins at 0."""
    clip = write_video(tmp_path / "late.mp4", gray_pictures(36), first_pts=60)
    put(s3, clip.read_bytes())

    answer = analyse(rekognition, place())

    assert [face["Timestamp"] for face in answer["Faces"]] == [466, 966, 1166]


def test_single_frame_is_sampled_at_zero(rekognition: Any, s3: Any, tmp_path: Path) -> None:
    """The last frame closes the last interval, also when it is the first."""
    put(s3, write_video(tmp_path / "one.mp4", gray_pictures(1)).read_bytes())

    answer = analyse(rekognition, place())

    assert [face["Timestamp"] for face in answer["Faces"]] == [0]


def test_face_is_told_as_rekognition_tells_it(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """A box may begin left of the frame; confidence is in percent; landmarks carry their type."""
    put(s3, short_clip)

    face = analyse(rekognition, place())["Faces"][0]["Face"]

    assert face["BoundingBox"] == {"Left": -0.16, "Top": 0.25, "Width": 0.5, "Height": 0.5}
    assert face["Confidence"] == 99.5
    assert [mark["Type"] for mark in face["Landmarks"]] == list(LANDMARK_KINDS)


def test_metadata_describes_the_video(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """Codec, length, rate and size are those of the file."""
    put(s3, short_clip)

    answer = analyse(rekognition, place())

    assert answer["VideoMetadata"] == {
        "Codec": "h264",
        "DurationMillis": 1200,
        "Format": "QuickTime / MOV",
        "FrameRate": 30.0,
        "FrameHeight": 48,
        "FrameWidth": 64,
        "ColorRange": "LIMITED",
    }


def test_real_detector_finds_the_face_of_a_video(s3_endpoint: str, s3: Any, tmp_path: Path) -> None:
    """Without an injected detector, faces are detected in the pixels."""
    with av.open(str(portrait_path())) as container:
        portrait = next(container.decode(video=0)).to_ndarray(format="rgb24")
    put(s3, write_video(tmp_path / "face.mp4", [portrait] * 3).read_bytes())
    application = RekognitionVideo(lambda: make_client("s3", s3_endpoint), QUICK)

    with serving(application) as client:
        answer = analyse(client, place())

    assert [face["Timestamp"] for face in answer["Faces"]] == [66]
    assert answer["Faces"][0]["Face"]["BoundingBox"]["Left"] == pytest.approx(180 / 512, abs=0.03)


def test_job_is_in_progress_at_first(make_rekognition: MakeClient, s3: Any, short_clip: bytes) -> None:
    """While in progress nothing but the job is told."""
    client = make_rekognition(settings=NEVER_DONE)
    put(s3, short_clip)
    job_id = client.start_face_detection(Video=place())["JobId"]

    answer = client.get_face_detection(JobId=job_id)

    assert answer["JobStatus"] == "IN_PROGRESS"
    assert "VideoMetadata" not in answer
    assert "Faces" not in answer


def test_analysed_version_is_the_one_asked_for(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """A later upload under the same key changes nothing."""
    version = put(s3, short_clip)
    put(s3, b"not a video")

    answer = analyse(rekognition, place(version=version))

    assert answer["JobStatus"] == "SUCCEEDED"
    assert answer["Video"] == place(version=version)


def test_version_is_settled_when_the_job_starts(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """A job without a version analyses the version that is newest at its start."""
    client = make_rekognition()
    version = put(s3, short_clip)
    job_id = client.start_face_detection(Video=place())["JobId"]
    put(s3, b"not a video")

    answer = wait_for(client, job_id)

    assert answer["JobStatus"] == "SUCCEEDED"
    assert answer["Video"] == place(version=version)


def test_all_pages_together_hold_every_face_once(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """3 samples of 500 faces come as 1000 and 500."""
    client = make_rekognition(FixedDetector(500))
    put(s3, short_clip)
    job_id = client.start_face_detection(Video=place())["JobId"]

    first = wait_for(client, job_id)
    second = client.get_face_detection(JobId=job_id, NextToken=first["NextToken"])

    assert [len(first["Faces"]), len(second["Faces"])] == [1000, 500]
    assert [face["Timestamp"] for face in second["Faces"]] == [1166] * 500
    assert "NextToken" not in second


@pytest.mark.parametrize(("asked", "got"), [(1, 1), (999, 999), (1000, 1000), (5000, 1000)])
def test_page_holds_as_many_as_asked_up_to_a_thousand(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes, asked: int, got: int
) -> None:
    """A page has MaxResults faces; a value over 1000 counts as 1000."""
    client = make_rekognition(FixedDetector(500))
    put(s3, short_clip)
    job_id = client.start_face_detection(Video=place())["JobId"]

    answer = wait_for(client, job_id, MaxResults=asked)

    assert len(answer["Faces"]) == got


def test_page_holds_as_many_as_the_stand_in_gives(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """A page may be shorter than what was asked for: documents of many pages need no long video."""
    client = make_rekognition(settings=replace(QUICK, page_size=2))
    put(s3, short_clip)

    answer = analyse(client, place())

    assert len(answer["Faces"]) == 2
    assert "NextToken" in answer


def test_calls_over_the_quota_are_refused(make_rekognition: MakeClient, s3: Any, short_clip: bytes) -> None:
    """All callers of an account share its calls a second."""
    client = make_rekognition(settings=replace(QUICK, calls_per_s=2))
    put(s3, short_clip)
    job_id = client.start_face_detection(Video=place())["JobId"]
    [client.get_face_detection(JobId=job_id) for _ in range(2)]

    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
        [client.get_face_detection(JobId=job_id) for _ in range(5)]


def test_results_are_kept_for_a_while(make_rekognition: MakeClient, s3: Any, short_clip: bytes) -> None:
    """Then the job is not found, and its request token still gives the same one."""
    client = make_rekognition(settings=replace(QUICK, results_kept_s=0))
    put(s3, short_clip)
    request = {"Video": place(), "ClientRequestToken": "token"}
    job_id = client.start_face_detection(**request)["JobId"]

    with pytest.raises(client.exceptions.ResourceNotFoundException):
        wait_for(client, job_id)

    assert client.start_face_detection(**request)["JobId"] == job_id


@pytest.mark.parametrize("token", ["nonsense", "bm8gb25l", "%%%", "YSBi"])
def test_made_up_page_token_is_refused(rekognition: Any, s3: Any, short_clip: bytes, token: str) -> None:
    """A token that the stand-in has not given is no token."""
    put(s3, short_clip)
    job_id = rekognition.start_face_detection(Video=place())["JobId"]
    wait_for(rekognition, job_id)

    with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException):
        rekognition.get_face_detection(JobId=job_id, NextToken=token)


def test_page_token_of_another_job_is_refused(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """A token serves the job it was given for."""
    client = make_rekognition(FixedDetector(500))
    put(s3, short_clip)
    first = client.start_face_detection(Video=place())["JobId"]
    second = client.start_face_detection(Video=place())["JobId"]
    token = wait_for(client, first)["NextToken"]
    wait_for(client, second)

    with pytest.raises(client.exceptions.InvalidPaginationTokenException):
        client.get_face_detection(JobId=second, NextToken=token)


def test_same_token_with_same_parameters_is_the_same_job(
    rekognition: Any, s3: Any, short_clip: bytes
) -> None:
    """Asking twice starts once, also after the object is gone."""
    version = put(s3, short_clip)
    request = {"Video": place(version=version), "ClientRequestToken": "a-Token_1"}
    first = rekognition.start_face_detection(**request)
    s3.delete_object(Bucket=BUCKET, Key="clip.mp4", VersionId=version)

    second = rekognition.start_face_detection(**request)

    assert second["JobId"] == first["JobId"]


def test_without_a_token_each_call_is_a_job(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """Two calls without ClientRequestToken start two jobs."""
    put(s3, short_clip)

    first = rekognition.start_face_detection(Video=place())
    second = rekognition.start_face_detection(Video=place())

    assert first["JobId"] != second["JobId"]


def test_same_token_with_other_parameters_is_refused(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """A ClientRequestToken cannot be used again with other parameters."""
    put(s3, short_clip)
    rekognition.start_face_detection(Video=place(), ClientRequestToken="once")

    with pytest.raises(rekognition.exceptions.IdempotentParameterMismatchException):
        rekognition.start_face_detection(Video=place(), ClientRequestToken="once", JobTag="other")


@pytest.mark.parametrize(
    "arguments",
    [
        {"ClientRequestToken": "a" * 65},
        {"ClientRequestToken": "white space"},
        {"ClientRequestToken": "a.b"},
        {"JobTag": "white space"},
        {"FaceAttributes": "ALL"},
        {"FaceAttributes": "SOME"},
        {"NotificationChannel": {"SNSTopicArn": "arn:aws:sns:a:123456789012:b", "RoleArn": "arn:aws:iam::c"}},
        {"Video": {}},
        {"Video": {"S3Object": {"Bucket": BUCKET}}},
        {"Video": {"S3Object": {"Name": "clip.mp4"}}},
        {"Video": {"S3Object": {"Bucket": "white space", "Name": "clip.mp4"}}},
    ],
)
def test_malformed_start_is_refused(
    rekognition: Any, s3: Any, short_clip: bytes, arguments: dict[str, Any]
) -> None:
    """A parameter that breaks the documented pattern, or that the stand-in lacks, is invalid."""
    put(s3, short_clip)

    with pytest.raises(rekognition.exceptions.InvalidParameterException):
        rekognition.start_face_detection(**({"Video": place()} | arguments))


@pytest.mark.parametrize("job_id", ["white space", "a" * 65])
def test_malformed_job_id_is_refused(rekognition: Any, job_id: str) -> None:
    """A job id has the pattern of a token."""
    with pytest.raises(rekognition.exceptions.InvalidParameterException):
        rekognition.get_face_detection(JobId=job_id)


def test_unknown_job_is_not_found(rekognition: Any) -> None:
    """A job that was never started is no resource."""
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.get_face_detection(JobId="0" * 64)


@pytest.mark.parametrize("video", [place("absent.mp4"), place(version="absent")])
def test_missing_object_or_version_is_refused(
    rekognition: Any, s3: Any, short_clip: bytes, video: dict[str, Any]
) -> None:
    """The object is looked up when the job starts."""
    put(s3, short_clip)

    with pytest.raises(rekognition.exceptions.InvalidS3ObjectException):
        rekognition.start_face_detection(Video=video)


def test_large_object_is_refused(make_rekognition: MakeClient, s3: Any, short_clip: bytes) -> None:
    """One byte over the limit is too large."""
    settings = RekognitionSettings(largest_bytes=len(short_clip) - 1)
    client = make_rekognition(settings=settings)
    put(s3, short_clip)

    with pytest.raises(client.exceptions.VideoTooLargeException):
        client.start_face_detection(Video=place())


def test_job_over_the_limit_is_refused(make_rekognition: MakeClient, s3: Any, short_clip: bytes) -> None:
    """With two jobs in progress allowed, a third one is refused."""
    client = make_rekognition(settings=RekognitionSettings(open_jobs=2, in_progress_at_least_s=600))
    put(s3, short_clip)
    client.start_face_detection(Video=place())
    client.start_face_detection(Video=place())

    with pytest.raises(client.exceptions.LimitExceededException):
        client.start_face_detection(Video=place())


def test_finished_job_makes_room(make_rekognition: MakeClient, s3: Any, short_clip: bytes) -> None:
    """Finished jobs do not count towards the limit."""
    settings = replace(QUICK, open_jobs=1)
    client = make_rekognition(settings=settings)
    put(s3, short_clip)
    analyse(client, place())

    answer = analyse(client, place())

    assert answer["JobStatus"] == "SUCCEEDED"


def test_operation_the_stand_in_lacks_is_unknown(rekognition: Any) -> None:
    """The error for an unsupported operation names it."""
    with pytest.raises(ClientError, match="ListCollections") as raised:
        rekognition.list_collections()

    assert raised.value.response["Error"]["Code"] == "UnknownOperationException"


def test_what_is_no_video_fails(rekognition: Any, s3: Any) -> None:
    """The job starts and ends as FAILED, with the service's words."""
    put(s3, b"this is text, whatever its name says")

    answer = analyse(rekognition, place())

    assert answer["JobStatus"] == "FAILED"
    assert answer["StatusMessage"] == "Unsupported codec/format."
    assert "Faces" not in answer


@pytest.mark.parametrize(
    ("name", "codec"), [("clip.mp4", "mpeg4"), ("clip.mp4", "libx265"), ("clip.mkv", "libx264")]
)
def test_other_codec_or_container_fails(
    rekognition: Any, s3: Any, tmp_path: Path, name: str, codec: str
) -> None:
    """A job on anything but H.264 in MP4 or MOV fails."""
    put(s3, write_video(tmp_path / name, gray_pictures(3), codec=codec).read_bytes())

    answer = analyse(rekognition, place())

    assert answer["JobStatus"] == "FAILED"
    assert answer["StatusMessage"] == "Unsupported codec/format."


def test_mov_is_analysed(rekognition: Any, s3: Any, tmp_path: Path) -> None:
    """A QuickTime file is analysed like an MP4 file."""
    put(s3, write_video(tmp_path / "clip.mov", gray_pictures(3)).read_bytes())

    answer = analyse(rekognition, place())

    assert answer["JobStatus"] == "SUCCEEDED"


def test_sound_without_video_fails(rekognition: Any, s3: Any, tmp_path: Path) -> None:
    """A container without a video stream is no video."""
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    put(s3, (tmp_path / "sound.mp4").read_bytes())

    answer = analyse(rekognition, place())

    assert answer["JobStatus"] == "FAILED"


def test_truncated_video_is_analysed_as_far_as_it_decodes(rekognition: Any, s3: Any, tmp_path: Path) -> None:
    """With half of the file missing, about half of the samples are analysed if the moov box comes first."""
    noise = np.random.default_rng(7).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8)
    content = write_video(tmp_path / "noise.mp4", list(noise), movflags="faststart").read_bytes()
    put(s3, content[: len(content) // 2])

    answer = analyse(rekognition, place())

    assert answer["JobStatus"] == "SUCCEEDED"
    assert 1 <= len(answer["Faces"]) <= 3


def test_video_of_which_nothing_decodes_fails(rekognition: Any, s3: Any, short_clip: bytes) -> None:
    """An index over zeros opens, and has no frame."""
    begin, end = short_clip.index(b"mdat") + 4, short_clip.index(b"moov") - 4
    put(s3, short_clip[:begin] + bytes(end - begin) + short_clip[end:])

    answer = analyse(rekognition, place())

    assert answer["JobStatus"] == "FAILED"
    assert answer["StatusMessage"] == "Unsupported codec/format."


def test_object_gone_before_the_job_runs_fails(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """The job behind a slow one finds its object deleted, and says so."""
    seen = threading.Semaphore(0)
    one_by_one = replace(QUICK, workers=1)
    client = make_rekognition(SlowDetector(seen), one_by_one)
    put(s3, short_clip)
    version = put(s3, short_clip, "second.mp4")
    client.start_face_detection(Video=place())
    job_id = client.start_face_detection(Video=place("second.mp4"))["JobId"]
    s3.delete_object(Bucket=BUCKET, Key="second.mp4", VersionId=version)

    answer = wait_for(client, job_id)

    assert answer["JobStatus"] == "FAILED"
    assert "S3" in answer["StatusMessage"]


def test_break_inside_the_stand_in_is_a_failed_job(
    make_rekognition: MakeClient, s3: Any, short_clip: bytes
) -> None:
    """An unforeseen error ends the job as FAILED, never as a video without faces."""
    client = make_rekognition(BrokenDetector())
    put(s3, short_clip)

    answer = analyse(client, place())

    assert answer["JobStatus"] == "FAILED"
    assert "ZeroDivisionError" in answer["StatusMessage"]


def test_close_ends_a_job_at_work(s3_endpoint: str, s3: Any, tmp_path: Path) -> None:
    """Closing ends a job before all of its 60 slow samples are analysed."""
    seen = threading.Semaphore(0)
    put(s3, write_video(tmp_path / "clip.mp4", gray_pictures(60)).read_bytes())
    application = RekognitionVideo(
        lambda: make_client("s3", s3_endpoint), RekognitionSettings(sampling_ms=1), lambda: SlowDetector(seen)
    )
    begin_s = time.monotonic()

    with serving(application) as client:
        client.start_face_detection(Video=place())
        seen.acquire(timeout=10)

    assert time.monotonic() - begin_s < 4


def test_closed_stand_in_starts_no_job(s3_endpoint: str, s3: Any, short_clip: bytes) -> None:
    """After close the answer is an error of the service."""
    put(s3, short_clip)
    application = RekognitionVideo(lambda: make_client("s3", s3_endpoint), QUICK, lambda: FixedDetector(1))

    with serving(application) as client:
        application.close()

        with pytest.raises(client.exceptions.InternalServerError):
            client.start_face_detection(Video=place())
