"""Everything the desk serves over HTTP except the AWS API."""
