"""What Home Assistant takes: rules of its discovery documents, and the real one beside the real agent."""
