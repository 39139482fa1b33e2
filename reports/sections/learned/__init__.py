"""The section about how each competence was learned."""
