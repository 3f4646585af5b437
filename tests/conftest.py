"""What holds for all tests: a property is about what comes out, never about how long it takes."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
