"""The JSON schema of what each command prints with ``--json``, and the models that they are written from."""
