"""The source video: open, check and decode it; its tracks, GOPs, sample table and bitstream."""
