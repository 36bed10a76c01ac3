"""What can be done to an image's pixels: one pure planner an operation, in one fixed order."""
