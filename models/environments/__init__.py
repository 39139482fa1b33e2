"""Interactive worlds, all copies in one tensor step; one file each."""
