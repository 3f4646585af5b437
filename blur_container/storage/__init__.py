"""S3: whole objects, ranged reads and multipart uploads; the only package that uses boto3."""
