"""Runnable pipelines; read them through ``vggss_tools.pipeline``."""
