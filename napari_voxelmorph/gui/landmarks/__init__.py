"""Landmark pairs: placed by clicking, measured before and after."""
