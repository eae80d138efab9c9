"""The commands behind `make up`, `make down` and `make kind`."""
