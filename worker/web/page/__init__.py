"""The dashboard's page: its shell, logging in, and the charts; all figures come from the API."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from worker.web.office import Here
from worker.web.page import charts
from worker.web.page.language import COOKIE, KEPT_SECONDS, Language, chosen, language_of
from worker.web.page.shell import TEMPLATES, shell

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
router.include_router(charts.router)


@router.get("/")
def dashboard(request: Request, office: Here) -> Response:
    """Return the dashboard's shell; it holds no figure, so nobody has to log in for it."""
    return _page(request, office, "dashboard.html")


@router.get("/login")
def login(request: Request, office: Here) -> Response:
    """Return the page where a token is exchanged for a session."""
    return _page(request, office, "login.html")


def _page(request: Request, office: Here, template: str) -> Response:
    """Return a page in the language of whoever asks; a choice by `?lang=` is remembered, and taken out of the URL."""
    language = chosen(request)
    if language is not None:
        return _remembering(RedirectResponse(request.url.path, 303), language, secure=office.site.is_https)
    return TEMPLATES.TemplateResponse(request, template, shell(office, language_of(request)))


def _remembering(response: Response, language: Language, *, secure: bool) -> Response:
    response.set_cookie(COOKIE, language.value, max_age=KEPT_SECONDS, secure=secure, httponly=True, samesite="lax")
    return response
