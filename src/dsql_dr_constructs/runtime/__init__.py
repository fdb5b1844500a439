"""What runs inside Lambda: boto3 and the standard library only, never the CDK."""
