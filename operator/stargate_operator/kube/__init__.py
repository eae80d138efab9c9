"""The hot path to the API server: what a gang pays for per pod, and what keeps one writer.

kopf watches the few custom resources. Pods, and every write, go through here.
"""
