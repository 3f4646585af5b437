"""The face model: quantise CenterFace, compare the result with the original. Runs before deployment only."""

import os

# onnxruntime's wheels send facts about the process to Microsoft unless this is set before they are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
