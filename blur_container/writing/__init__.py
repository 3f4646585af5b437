"""The output video: format, encoder, stream copy, MP4 muxing and verification."""
