"""The parts of S3 that moto lacks: events, bucket policies, CORS."""
