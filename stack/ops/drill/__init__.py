"""Fire drills: an alert's condition made true on the running stack, and its way to the inbox."""
