"""S3 and what speaks its language: the one place that knows boto3."""
