"""Where gangs go, and which gang must give way. Pure."""
