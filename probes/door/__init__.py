"""The door: a user's arrays, tables, labels, groups, masks and files become what every room uses, here alone."""
