"""Report sections; one file and one template each."""
