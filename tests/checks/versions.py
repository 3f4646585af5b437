"""What a test needs beyond the oldest Python that is supported."""

import pytest

from blur_container.reading.video import IS_PYAV_18

needs_pyav_18 = pytest.mark.skipif(not IS_PYAV_18, reason="PyAV 18 needs Python 3.11 or later")
