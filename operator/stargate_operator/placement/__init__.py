"""Decides where gangs are placed and which gang must give way. Pure."""
