"""The comparison of ``diabetes-screening`` with a survey of real people, and the mapping that it needs."""
