"""Does the audit of a competence name the signal that it was learned from?"""
