"""What each verb is told: configs, none of which imports a library that takes long to load."""
