"""An OpenID Connect provider as Gatehouse sees it: what it says about itself, its keys, and what its tokens prove.

Nothing here is fetched before somebody signs in. What cannot be judged because the provider does not answer is
DependencyUnavailable; what is judged and found wrong is AuthenticationFailed, and never says more than a sentence.
"""

from storage.oidc.provider import OidcProvider

__all__ = ["OidcProvider"]
