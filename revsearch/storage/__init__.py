"""Storage: where artifacts, weights and images lie (boto3, pyarrow and safetensors are imported here alone)."""
