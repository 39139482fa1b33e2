"""The meadow environment: a torus with food, a mother and a predator."""
