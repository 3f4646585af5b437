"""What moto lacks of S3: events, forms, bucket policies, CORS."""
