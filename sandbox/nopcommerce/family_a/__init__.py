"""The official Web API plug-in, backend part: one route per service method under ``/api-backend``."""
