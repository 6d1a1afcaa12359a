"""Sign-in by OpenID Connect."""

from pydantic import Field

from api.schemas.base import Body, Read


class IdTokenExchange(Body):
    id_token: str = Field(max_length=16 * 1024, description="From the device flow (RFC 8628), a moment ago.")


class OidcConfigurationRead(Read):
    issuer: str
    client_id: str = Field(description="Of the sign-in in a browser.")
    device_client_id: str = Field(description="A public client for the device flow of the command line.")
    scopes: list[str]
