"""What can be done with an organization: one file per noun, each message beside the function that it is for."""
