"""The health monitor's Lambda function."""
