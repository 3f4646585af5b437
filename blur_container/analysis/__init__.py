"""The low-resolution pass over the pixels: face detector, optical flow, shot boundaries."""
