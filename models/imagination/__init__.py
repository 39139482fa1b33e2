"""World models that are trained by prediction, and planning in them."""
