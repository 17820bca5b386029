"""Language models behind actors.model.Model."""
