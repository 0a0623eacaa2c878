"""Whole configs of every verb: functions, by what they run on."""
