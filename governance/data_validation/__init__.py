"""What is expected of a dataset, and what a validation found (notes: Great Expectations; catalog, Data Quality)."""
