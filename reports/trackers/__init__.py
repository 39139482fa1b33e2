"""Runs for the trackers that other people look at: TensorBoard and MLflow. Both are optional, and written offline."""
