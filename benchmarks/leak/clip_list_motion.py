"""Clips of the leak benchmark whose faces move: slowly, fast, behind bars, and across frame borders."""

from __future__ import annotations

from fractions import Fraction

from benchmarks.leak.scenes import Actor, Bar, Camera, Clip, Place, Shot, one_shot

NTSC = Fraction(30000, 1001)
SLOW: tuple[Clip, ...] = (
    Clip(
        "slow-1",
        "slow",
        (Shot(5, "coffee", (Actor(0, (Place(0, 380, 330, 130), Place(5, 760, 390, 150))),)),),
        missing_every=4,
    ),
    one_shot(
        "slow-2",
        "slow",
        "brick",
        Actor(1, (Place(0, 900, 260, 110), Place(2.5, 780, 330), Place(5, 860, 420, 130))),
        Actor(2, (Place(0, 300, 430, 90), Place(5, 420, 300, 100))),
        camera=Camera(pan=(25, -8)),
        rate=NTSC,
    ),
)

FAST: tuple[Clip, ...] = (
    one_shot(
        "fast-1",
        "fast",
        "rocket",
        Actor(
            2,
            (
                Place(0, 150, 250),
                Place(1.4, 1120, 300),
                Place(2.9, 160, 420),
                Place(4.1, 1100, 380),
                Place(5, 420, 250),
            ),
        ),
    ),
    one_shot(
        "fast-2",
        "fast",
        "gravel",
        Actor(
            3,
            (
                Place(0, 1050, 180, 150),
                Place(1.1, 300, 330, 140),
                Place(2.2, 950, 520, 130),
                Place(3.2, 1000, 200, 130),
                Place(4.2, 260, 240, 150),
                Place(5, 640, 480, 160),
            ),
            soft=True,
        ),
        camera=Camera(pan=(-40, 0)),
        rate=NTSC,
    ),
)

STOP_AND_GO: tuple[Clip, ...] = (
    one_shot(
        "stop-and-go-1",
        "stop-and-go",
        "grass",
        Actor(
            0,
            (
                Place(0.7, 220, 300),
                Place(1.0, 520, 310),
                Place(1.9, 520, 310),
                Place(2.15, 860, 330),
                Place(3.2, 860, 330),
                Place(3.4, 620, 330),
                Place(4.3, 620, 330),
                Place(4.6, 1000, 380),
            ),
            soft=True,
        ),
    ),
    one_shot(
        "stop-and-go-2",
        "stop-and-go",
        "coffee",
        Actor(
            4,
            (
                Place(0.4, 900, 420, 140),
                Place(0.7, 700, 260, 140),
                Place(1.6, 700, 260, 140),
                Place(1.9, 700, 520, 140),
                Place(2.8, 700, 520, 140),
                Place(3.0, 380, 480, 140),
                Place(3.9, 380, 480, 140),
                Place(4.2, 360, 220, 140),
            ),
        ),
        camera=Camera(shake=3),
        rate=NTSC,
    ),
)

OCCLUDED: tuple[Clip, ...] = (
    one_shot(
        "occluded-1",
        "occluded",
        "brick",
        Actor(1, (Place(0, 560, 330, 140), Place(5, 700, 340, 140))),
        Bar((Place(0.5, -150, 0), Place(2.4, 1430, 0), Place(4.6, -150, 0)), 210),
    ),
    one_shot(
        "occluded-2",
        "occluded",
        "rocket",
        Actor(2, (Place(0, 170, 330, 130), Place(5, 1130, 360, 130))),
        Bar((Place(0, 420, 0),), 150),
        Bar((Place(0, 860, 0),), 100),
        camera=Camera(pan=(15, 0)),
        rate=NTSC,
    ),
)

EDGES: tuple[Clip, ...] = (
    one_shot(
        "edge-left",
        "edges",
        "coffee",
        Actor(
            0,
            (
                Place(0.6, -120, 330),
                Place(1.5, 300, 320),
                Place(2.4, -120, 340),
                Place(3.3, -120, 400, 150),
                Place(4.0, 180, 400, 150),
                Place(4.6, -140, 400, 150),
            ),
        ),
    ),
    one_shot(
        "edge-right",
        "edges",
        "grass",
        Actor(3, (Place(0.3, 1420, 260), Place(1.9, 960, 300), Place(2.9, 1420, 380))),
        Actor(1, (Place(2.2, 900, 480, 140), Place(3.1, 1440, 480, 140), Place(4.4, 1000, 300, 140))),
        camera=Camera(pan=(20, 0)),
        rate=NTSC,
    ),
    one_shot(
        "edge-top",
        "edges",
        "gravel",
        Actor(
            2,
            (
                Place(0.4, 420, -120),
                Place(1.4, 450, 260),
                Place(2.3, 500, -120),
                Place(3.2, 800, -150, 160),
                Place(3.9, 800, 130, 160),
                Place(4.6, 820, -160, 160),
            ),
        ),
    ),
    one_shot(
        "edge-bottom",
        "edges",
        "brick",
        Actor(
            5,
            (
                Place(0.5, 820, 860),
                Place(1.7, 780, 460),
                Place(2.6, 700, 860),
                Place(3.3, 400, 880, 150),
                Place(4.0, 400, 560, 150),
                Place(4.7, 300, 880, 150),
            ),
        ),
        rate=NTSC,
    ),
)
