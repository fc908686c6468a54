"""What readers open: pages, and folders that change in one step."""
