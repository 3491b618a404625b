"""Is the process alive, and can it do its work."""

from fastapi import APIRouter

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/livez")
def livez() -> dict[str, bool]:
    """Say that the process answers."""
    return {"ok": True}
