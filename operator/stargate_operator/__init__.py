"""The operator: it turns StargateJobs into gangs of worker pods. docs/architecture.md has a map."""
