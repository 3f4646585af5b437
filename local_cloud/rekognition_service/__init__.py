"""Rekognition Video: face detection jobs with a local face detector."""
