"""What the DAGs of this folder share. Nothing here is imported by them that is slow to import."""
