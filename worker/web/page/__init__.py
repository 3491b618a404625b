"""The dashboard's page: its routes, templates and static files."""

from fastapi import APIRouter

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
