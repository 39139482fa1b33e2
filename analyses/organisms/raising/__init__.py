"""How organisms are trained, and how what they latched onto is confirmed."""
