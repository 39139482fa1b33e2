"""World models that learn by predicting, and planning inside them."""
