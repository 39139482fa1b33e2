"""What is read of each concept, and what that will take."""
