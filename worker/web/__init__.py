"""`retention serve`: metrics, health, the JSON API and the dashboard. Decides nothing, asks the tasks."""
