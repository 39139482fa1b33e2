"""What settings mean, allow and default to: for `imprint show`, and as the JSON schema of setup files."""
