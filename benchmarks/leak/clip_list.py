"""All clips of the leak benchmark, two of most kinds of motion."""

from __future__ import annotations

from benchmarks.leak.clip_list_motion import EDGES, FAST, NTSC, OCCLUDED, SLOW, STOP_AND_GO
from benchmarks.leak.scenes import Actor, Camera, Clip, Place, Shot, one_shot


def _still(head: int, x: float, y: float, height: float = 120.0) -> Actor:
    return Actor(head, (Place(0, x, y, height),))


def _brief(head: int, place: Place, *visible_s: tuple[float, float]) -> Actor:
    return Actor(head, (place,), visible_s)


_CROSSING = (
    one_shot(
        "crossing-1",
        "crossing",
        "rocket",
        Actor(1, (Place(0, 220, 320, 120), Place(5, 1060, 330, 120))),
        Actor(0, (Place(0, 1060, 370, 140), Place(5, 220, 350, 140))),
    ),
    one_shot(
        "crossing-2",
        "crossing",
        "grass",
        Actor(4, (Place(0.5, 200, 260), Place(2.3, 1080, 420), Place(4.5, 240, 300))),
        Actor(3, (Place(0.5, 1080, 300), Place(2.3, 260, 330), Place(4.5, 1050, 400))),
        camera=Camera(shake=3),
        rate=NTSC,
    ),
)

_ZOOM = (
    one_shot(
        "zoom-1",
        "zoom",
        "coffee",
        _still(0, 700, 330, 90),
        _still(1, 480, 420, 80),
        camera=Camera(zoom=(1.0, 3.2)),
    ),
    one_shot(
        "zoom-2",
        "zoom",
        "hubble",
        Actor(2, (Place(0, 610, 340, 100), Place(5, 760, 380, 100))),
        camera=Camera(zoom=(2.8, 0.7), zoom_s=2.5),
        rate=NTSC,
    ),
)

_SHAKE = (
    one_shot(
        "shake-1",
        "shake",
        "brick",
        _still(3, 480, 330, 120),
        _still(2, 860, 390, 100),
        camera=Camera(shake=32),
    ),
    one_shot(
        "shake-2",
        "shake",
        "gravel",
        Actor(1, (Place(0, 380, 360, 150), Place(5, 900, 330, 130))),
        camera=Camera(pan=(30, 10), shake=55),
        rate=NTSC,
    ),
)

_CUTS = (
    Clip(
        "cuts-1",
        "cuts",
        (
            Shot(1.3, "coffee", (_still(0, 350, 300, 150),)),
            Shot(1.1, "grass", (Actor(1, (Place(0, 900, 420, 130), Place(1.1, 820, 400, 130))),)),
            Shot(0.9, "rocket", ()),
            Shot(1.7, "coffee", (_still(0, 460, 320, 150),)),
        ),
    ),
    Clip(
        "cuts-2",
        "cuts",
        (
            Shot(0.8, "brick", (_still(2, 300, 330, 110), _still(3, 920, 330, 120))),
            Shot(0.7, "hubble", (_still(3, 640, 360, 240),)),
            Shot(1.2, "grass", (Actor(2, (Place(0, 500, 250, 140), Place(1.2, 760, 260, 140))),)),
            Shot(0.35, "coffee", (_still(5, 240, 400, 160),)),
            Shot(0.9, "brick", ()),
            Shot(1.05, "rocket", (_still(4, 1000, 460, 130),)),
        ),
        NTSC,
    ),
)

_POP_IN = (
    one_shot(
        "pop-in-1",
        "pop-in",
        "gravel",
        # With samples each half second, each of the last frame before it, none sees the second head.
        _brief(0, Place(0, 300, 330, 130), (0.6, 1.3), (2.9, 4.4)),
        _brief(1, Place(0, 680, 300, 120), (1.52, 1.7), (3.52, 3.9)),
        _brief(2, Place(0, 1020, 400, 140), (2.1, 2.35), (4.02, 4.2)),
    ),
    one_shot(
        "pop-in-2",
        "pop-in",
        "brick",
        _brief(4, Place(0, 900, 300, 130), (0.3, 0.8), (3.3, 4.9)),
        _brief(3, Place(0, 420, 420, 150), (1.02, 1.2), (2.0, 2.7)),
        _brief(5, Place(0, 640, 240, 110), (1.5, 1.85), (4.02, 4.4)),
        camera=Camera(pan=(20, 5)),
        rate=NTSC,
    ),
)

_SIX = (
    one_shot(
        "six-1",
        "six",
        "coffee",
        Actor(0, (Place(0, 180, 200, 90), Place(5, 300, 230, 90))),
        Actor(1, (Place(0, 480, 230, 90), Place(5, 420, 180, 90))),
        Actor(2, (Place(0, 820, 200, 90), Place(2.5, 700, 230, 95), Place(5, 860, 190, 90))),
        Actor(3, (Place(0, 1080, 230, 90), Place(5, 1140, 260, 90))),
        Actor(4, (Place(0, 250, 520, 110), Place(5, 700, 500, 115))),
        Actor(5, (Place(0, 980, 540, 110), Place(5, 520, 560, 110))),
    ),
)

_SMALL = (
    one_shot(
        "small-1",
        "small",
        "grass",
        Actor(0, (Place(0, 300, 340, 48), Place(5, 560, 330, 46))),
        Actor(1, (Place(0, 760, 400, 42), Place(2.5, 680, 420, 42), Place(5, 800, 380, 42))),
        Actor(2, (Place(0, 1000, 300, 37), Place(5, 900, 310, 35))),
        camera=Camera(shake=2),
    ),
    one_shot(
        "small-2",
        "small",
        "brick",
        Actor(3, (Place(0, 200, 300, 46), Place(2.4, 640, 330, 46), Place(5, 1100, 360, 48))),
        Actor(4, (Place(0, 900, 480, 42), Place(5, 500, 430, 38))),
        camera=Camera(pan=(12, 0)),
        rate=NTSC,
    ),
)

_ROLLING = (
    one_shot(
        "rolling-1",
        "rolling",
        "rocket",
        Actor(
            0,
            (
                Place(0, 560, 360, 160, -40),
                Place(1.2, 600, 350, 160, 40),
                Place(2.4, 640, 350, 160, -35),
                Place(3.4, 660, 360, 160, 40),
                Place(5, 700, 350, 160, -20),
            ),
            soft=True,
        ),
        Actor(3, (Place(0, 960, 400, 110, 30), Place(2, 1000, 390, 110, -40), Place(5, 980, 400, 110, 35))),
        rate=NTSC,
    ),
)

CLIPS: tuple[Clip, ...] = (
    *SLOW,
    *FAST,
    *STOP_AND_GO,
    *OCCLUDED,
    *EDGES,
    *_CROSSING,
    *_ZOOM,
    *_SHAKE,
    *_CUTS,
    *_POP_IN,
    *_SIX,
    *_SMALL,
    *_ROLLING,
)
KINDS: tuple[str, ...] = tuple(dict.fromkeys(clip.kind for clip in CLIPS))
