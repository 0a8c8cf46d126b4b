"""Pure conversions between messages and the JSON of REST, a module for each subject."""
