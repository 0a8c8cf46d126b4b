"""The test kit: cases of Workflows and Agents. The engine is real, answers are written, time is skipped."""
