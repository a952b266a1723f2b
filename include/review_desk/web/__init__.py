"""What the desk answers over HTTP beside the AWS API."""
