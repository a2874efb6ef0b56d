"""What each command of the command line does: functions from parsed options to the object that --json prints."""
