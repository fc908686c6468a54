"""Raw figures as they were delivered."""
