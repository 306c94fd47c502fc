"""Signing up: an account that waits until its address is confirmed by mail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from services.identity import rules
from services.identity.store import accounts, signups
from services.identity.usecases.attempts import pay
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import NewPassword, check_new_password, words_of
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.events.identity import Person, UserRegistered
from shared.events.identity import Signup as WishedFor
from shared.fields import Email, Message, Name, View, canonical_email
from shared.ids import new_id
from shared.links import read_link_token
from shared.service import Ctx

LINK = 1


class SignUp(Message):
    email: Email
    password: NewPassword
    name: Name
    company: Name
    location: Literal["eu", "us"]
    product_mails: bool = False
    accept_terms: Literal[True]
    language: Literal["en", "de"] = "en"
    country: Annotated[
        str | None,
        StringConstraints(pattern=r"^[A-Z]{2}$"),
        Field(description="An ISO 3166-1 code: what is usual there becomes the organization's preferences."),
    ] = None


class SignupPending(View):
    id: str
    expires_at: datetime


async def sign_up(ctx: Ctx, wanted: SignUp) -> SignupPending:
    """Begins an account and its organization; a mail asks to confirm the address.

    The answer is the same whether or not the address has an account: then the mail says so. Signing up again replaces what was
    pending, and the link mailed before is dead.
    """
    address = canonical_email(wanted.email)
    with opened(ctx).hasher.place() as hasher:
        await _pay_for_source(ctx)
        await check_new_password(
            ctx, wanted.password.get_secret_value(), words_of(wanted.email, wanted.name, wanted.company)
        )
        await pay(ctx, (rules.SIGNUPS_BY_ADDRESS, address))
        password_hash = await hasher.hash(wanted.password.get_secret_value())
    signup = rules.Signup(
        canonical_email=address,
        signup_id=new_id("sgn"),
        user_id=new_id("usr"),
        email=wanted.email,
        name=wanted.name,
        company=wanted.company,
        location=wanted.location,
        product_mails=wanted.product_mails,
        password_hash=password_hash,
        source_ip=ctx.request.source_ip,
        language=wanted.language,
        country=wanted.country,
        expires_at=ctx.now + rules.SIGNUP_LIFE,
    )
    async with ctx.tx("") as tx:
        account = await accounts.by_email(tx, address)
        # Kept in both cases, for both to take the same time. Without its link, which only a mail holds, it is worth nothing.
        await signups.keep(tx, signup)
        await tx.emit(_account_exists(signup, account, wanted) if account else _confirm(signup, wanted))
    return SignupPending(id=signup.signup_id, expires_at=signup.expires_at)


async def _pay_for_source(ctx: Ctx) -> None:
    source = rules.source_of(ctx.request.source_ip)
    # This machine's own address is whoever runs the house, loading people; or a proxy that the operator forgot to name as trusted.
    if not rules.is_this_machine(source):
        await pay(ctx, (rules.SIGNUPS_BY_SOURCE, source))


def _confirm(signup: rules.Signup, wanted: SignUp) -> MailRequested:
    return MailRequested(
        about=signup.user_id,
        to=signup.email,
        template="confirm_signup",
        values={"name": signup.name, "company": signup.company},
        link=MailLink(purpose="signup", id=signup.signup_id, version=LINK),
        language=wanted.language,
    )


def _account_exists(signup: rules.Signup, account: rules.Account, wanted: SignUp) -> MailRequested:
    """Goes to the address as its owner once wrote it. Its `about` is as new as the other mail's, or the change's id would tell."""
    return MailRequested(
        about=signup.user_id,
        to=account.email,
        template="account_exists",
        values={"name": account.name},
        language=wanted.language,
        reader=account.user_id,
    )


class ConfirmSignup(Message):
    signup_id: str
    token: SecretStr


class Registered(View):
    user_id: str
    email: str


async def confirm_signup(ctx: Ctx, wanted: ConfirmSignup) -> Registered:
    """Confirms the address with the mailed token: the account exists, and its organization follows.

    Read with `Tenantry-After` to see the organization. Whatever is wrong with a link, it is simply gone.
    """
    key = ctx.env.settings.secrets.bytes("links")
    if read_link_token(key, "signup", wanted.token.get_secret_value()) != (wanted.signup_id, LINK):
        raise Problem("gone")
    async with ctx.tx("") as tx:
        signup = await signups.take(tx, wanted.signup_id, ctx.now)
        if signup is None:
            raise Problem("gone")
        if not await accounts.create(
            tx,
            signup.user_id,
            signup.email,
            signup.canonical_email,
            signup.name,
            signup.password_hash,
            signup.language,
            ctx.now,
        ):
            raise Problem("gone")
        wish = WishedFor(
            company=signup.company,
            location=signup.location,
            product_mails=signup.product_mails,
            source_ip=signup.source_ip,
            country=signup.country,
        )
        person = Person(email=signup.email, name=signup.name)
        ctx.speak_as(signup.user_id)
        await tx.emit(UserRegistered(user_id=signup.user_id, person=person, signup=wish, language=signup.language))
    return Registered(user_id=signup.user_id, email=signup.email)
