"""Where workers run: in this process, or in processes of their own with one pipe each."""
