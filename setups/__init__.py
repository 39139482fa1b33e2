"""The alignment setups that ship, one YAML file each."""
