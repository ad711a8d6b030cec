"""PyPI auth0-python: every method of ManagementClient for the resources that Grantor has.

auth0-python.test.mjs starts the daemon and names it in GRANTOR_TEST_DOMAIN, …_CLIENT_ID and
…_CLIENT_SECRET.
"""

import datetime
import inspect
import json
import os
import re
import unittest
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from auth0.authentication import GetToken
from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DOMAIN = os.environ["GRANTOR_TEST_DOMAIN"]
CLIENT_ID = os.environ["GRANTOR_TEST_CLIENT_ID"]
CLIENT_SECRET = os.environ["GRANTOR_TEST_CLIENT_SECRET"]
ISSUER = f"https://{DOMAIN}/"

# The parts of the client under test, and what of them Grantor does not have.
RESOURCES = {
    "resource_servers": {"search"},
    "clients": {"preview_cimd_metadata", "register_cimd_client", "search"},
    "clients.credentials": set(),
    "client_grants": {"search"},
    "keys.signing": set(),
    "tenants.settings": set(),
    "logs": set(),
    "stats": set(),
    "jobs": set(),
    "jobs.users_imports": set(),
    "jobs.errors": set(),
    "tickets": set(),
    "user_blocks": set(),
    "users": {"regenerate_recovery_code"},
    "users.logs": set(),
    "users.sessions": set(),
    "users.refresh_token": set(),
    "user_grants": set(),
    "sessions": set(),
    "refresh_tokens": set(),
    "device_credentials": {"create_public_key"},
}

CONNECTION = "Username-Password-Authentication"
PASSWORD = "three quiet otters at the pier"
CALLBACK = "https://app.example/callback"
# The example of RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

CALLED = set()


class Noting:
    """A part of the client that notes which of its methods are called."""

    def __init__(self, part, name=""):
        self._part = part
        self._name = name

    def __getattr__(self, attribute):
        value = getattr(self._part, attribute)
        name = f"{self._name}.{attribute}".lstrip(".")
        if inspect.ismethod(value):
            CALLED.add(name)
            return value
        return Noting(value, name)


def client():
    return ManagementClient(domain=DOMAIN, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


def key_pair():
    """The private and the public key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class Browser:
    """A person at a browser: follows what leads to our pages, and fills in their forms."""

    def __init__(self):
        self._http = httpx.Client(verify=os.environ["SSL_CERT_FILE"])

    def sign_in(self, email, password, application, **params):
        """Where it ends: the application's address, or one of our pages and its status."""
        asked = {
            "client_id": application.client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **params,
        }
        seen = self._go(self._http.get(f"{ISSUER}authorize", params=asked))
        if isinstance(seen, httpx.Response):
            seen = self._send(seen, username=email, password=password, action="default")
        if isinstance(seen, httpx.Response) and seen.url.path == "/u/consent":
            seen = self._send(seen, action="accept")
        return seen

    def _send(self, page, **fields):
        state = re.search('name="state" value="([^"]*)"', page.text)[1]
        # What a browser says of a form on one of the site's own pages.
        origin = {"sec-fetch-site": "same-origin"}
        return self._go(self._http.post(page.url, data={"state": state, **fields}, headers=origin))

    def _go(self, answer):
        while answer.is_redirect:
            address = urljoin(str(answer.url), answer.headers["location"])
            if not address.startswith(ISSUER):
                return address
            answer = self._http.get(address)
        return answer


class Auth0Python(unittest.TestCase):
    def setUp(self):
        self.management = Noting(client())

    @classmethod
    def tearDownClass(cls):
        """No method was left out."""
        for name, left_out in RESOURCES.items():
            part = client()
            for member in name.split("."):
                part = getattr(part, member)
            methods = {
                method
                for method, _ in inspect.getmembers(part, inspect.ismethod)
                if not method.startswith("_")
            }
            missing = {method for method in methods if f"{name}.{method}" not in CALLED}
            assert missing == left_out, f"of {name} no test has called {missing - left_out}"

    def api(self, name):
        return self.management.resource_servers.create(
            name=name,
            identifier=f"https://{name.lower()}.example/",
            scopes=[{"value": "read:all", "description": "Read all of it"}, {"value": "write:all"}],
        )

    def refused(self, status, call, *args, **kwargs):
        with self.assertRaises(ApiError) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.status_code, status, caught.exception.body)
        return caught.exception.body

    def test_resource_servers(self):
        resource_servers = self.management.resource_servers
        made = self.api("Orders")
        self.assertEqual((made.token_lifetime, made.signing_alg), (86400, "RS256"))
        self.assertEqual(resource_servers.get(made.id).identifier, made.identifier)
        changed = resource_servers.update(made.id, token_lifetime=600, name="All orders")
        self.assertEqual((changed.token_lifetime, changed.name), (600, "All orders"))
        for number in range(5):
            self.api(f"Many{number}")
        names = [one.name for one in resource_servers.list(per_page=2)]
        self.assertIn("Auth0 Management API", names)
        self.assertIn("Many4", names)
        self.assertEqual(len(set(names)), len(names))
        some = resource_servers.list(identifiers=[made.identifier])
        self.assertEqual([one.id for one in some], [made.id])
        resource_servers.delete(made.id)
        self.refused(404, resource_servers.get, made.id)
        self.refused(409, self.api, "Many4")
        self.refused(400, resource_servers.create, identifier="https://x.example/", name="<x>")

    def test_clients(self):
        clients = self.management.clients
        made = clients.create(
            name="Shop",
            description="Sells things",
            app_type="regular_web",
            callbacks=["https://shop.example/callback"],
            web_origins=["https://shop.example"],
            grant_types=["client_credentials", "authorization_code", "refresh_token"],
            client_metadata={"team": "sales"},
            oidc_conformant=True,
            jwt_configuration={"alg": "RS256", "lifetime_in_seconds": 36000},
            refresh_token={"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 5},
        )
        self.assertEqual(made.client_metadata, {"team": "sales"})
        self.assertEqual(made.refresh_token.leeway, 5)
        known = clients.get(made.client_id)
        self.assertEqual((known.name, known.callbacks), ("Shop", ["https://shop.example/callback"]))
        self.assertIsNone(known.client_secret)
        narrow = clients.get(made.client_id, fields="name", include_fields=True)
        self.assertEqual((narrow.name, narrow.app_type), ("Shop", None))
        self.assertEqual(clients.update(made.client_id, name="Big shop").name, "Big shop")
        rotated = clients.rotate_secret(made.client_id)
        self.assertNotEqual(rotated.client_secret, made.client_secret)
        for number in range(4):
            clients.create(name=f"Many {number}")
        names = [one.name for one in clients.list(per_page=2)]
        self.assertEqual(len([name for name in names if name.startswith("Many ")]), 4)
        web = clients.list(app_type="regular_web", is_global=False, is_first_party=True)
        self.assertEqual([one.client_id for one in web], [made.client_id])
        clients.delete(made.client_id)
        self.refused(404, clients.get, made.client_id)

    def test_credentials_and_a_token_by_private_key_jwt(self):
        clients = self.management.clients
        credentials = clients.credentials
        private, public = key_pair()
        made = clients.create(
            name="Signer",
            app_type="non_interactive",
            grant_types=["client_credentials"],
            client_authentication_methods={
                "private_key_jwt": {
                    "credentials": [
                        {"credential_type": "public_key", "name": "first", "pem": public, "alg": "RS256"}
                    ]
                }
            },
        )
        [kept] = credentials.list(made.client_id)
        self.assertEqual(kept.name, "first")
        _, other = key_pair()
        second = credentials.create(
            made.client_id, credential_type="public_key", name="second", pem=other, alg="PS256"
        )
        self.assertEqual(credentials.get(made.client_id, second.id).name, "second")
        tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        tomorrow = tomorrow.replace(microsecond=0)
        dated = credentials.update(made.client_id, second.id, expires_at=tomorrow)
        self.assertEqual(dated.expires_at, tomorrow)
        credentials.delete(made.client_id, second.id)
        self.assertEqual([one.id for one in credentials.list(made.client_id)], [kept.id])

        self.management.client_grants.create(
            client_id=made.client_id, audience=f"{ISSUER}api/v2/", scope=["read:clients"]
        )
        tokens = GetToken(DOMAIN, made.client_id, client_assertion_signing_key=private)
        token = tokens.client_credentials(f"{ISSUER}api/v2/")["access_token"]
        signer = ManagementClient(domain=DOMAIN, token=token)
        self.assertEqual(signer.clients.get(made.client_id).name, "Signer")
        self.refused(403, signer.resource_servers.list)

    def test_client_grants(self):
        client_grants = self.management.client_grants
        audience = self.api("Granted").identifier
        ids = set()
        for number in range(5):
            grantee = self.management.clients.create(name=f"Grantee {number}")
            made = client_grants.create(
                client_id=grantee.client_id, audience=audience, scope=["read:all"]
            )
            ids.add(made.id)
        grants = list(client_grants.list(audience=audience, take=2))
        self.assertEqual({one.id for one in grants}, ids)
        own = grants[0]
        self.assertEqual(client_grants.get(own.id).scope, ["read:all"])
        of_one = client_grants.list(client_id=own.client_id)
        self.assertEqual([one.id for one in of_one], [own.id])
        changed = client_grants.update(own.id, scope=["read:all", "write:all"])
        self.assertEqual(changed.scope, ["read:all", "write:all"])
        client_grants.delete(own.id)
        self.refused(404, client_grants.get, own.id)

    def test_signing_keys(self):
        signing = self.management.keys.signing
        keys = signing.list()
        [current] = [key for key in keys if key.current]
        [following] = [key for key in keys if key.next]
        self.assertTrue(signing.rotate().kid)
        self.assertTrue(signing.get(following.kid).current)
        self.assertEqual(signing.revoke(current.kid).kid, current.kid)
        # It has signed this client's own token.
        self.refused(401, signing.list)
        self.assertTrue(client().keys.signing.get(current.kid).revoked)

    def test_tenant_settings(self):
        settings = self.management.tenants.settings
        identifier = self.api("Usual").identifier
        changed = settings.update(default_audience=identifier, session_lifetime=100)
        self.assertEqual((changed.default_audience, changed.session_lifetime), (identifier, 100))
        narrow = settings.get(fields="default_audience", include_fields=True)
        self.assertEqual((narrow.default_audience, narrow.session_lifetime), (identifier, None))
        settings.update(default_audience="")
        self.assertFalse(settings.get().default_audience)

    def test_logs(self):
        logs = self.management.logs
        made = self.api("Logged")
        found = logs.list(per_page=100, sort="date:-1")
        own = [one for one in found.items if one.type == "sapi" and made.id in str(one.dict())]
        self.assertTrue(own, found.items[:3])
        self.assertEqual(own[0].ip, "127.0.0.1")
        self.assertEqual(logs.get(own[0].log_id).log_id, own[0].log_id)
        searched = logs.list(search="type:seccft", per_page=5).items
        self.assertTrue(searched)
        self.assertEqual({one.type for one in searched}, {"seccft"})

    def person(self, name):
        return self.management.users.create(
            connection=CONNECTION, email=f"{name}@example.com", password=PASSWORD
        )

    def application(self, name):
        return self.management.clients.create(
            name=name,
            app_type="regular_web",
            callbacks=[CALLBACK],
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method="client_secret_post",
        )

    def enter(self, email, application, audience):
        """Signs in, and gets the application tokens."""
        scope = "openid offline_access read:all"
        address = Browser().sign_in(email, PASSWORD, application, audience=audience, scope=scope)
        form = {
            "grant_type": "authorization_code",
            "code_verifier": VERIFIER,
            "client_id": application.client_id,
            "client_secret": application.client_secret,
            "redirect_uri": CALLBACK,
            "code": parse_qs(urlsplit(address).query)["code"][0],
        }
        answer = httpx.post(f"{ISSUER}oauth/token", data=form, verify=os.environ["SSL_CERT_FILE"])
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer.json()

    def test_users(self):
        users = self.management.users
        made = self.person("ann")
        self.assertEqual(users.get(made.user_id).email, "ann@example.com")
        found = users.list_users_by_email(email="ann@example.com")
        self.assertEqual([one.user_id for one in found], [made.user_id])
        changed = users.update(made.user_id, name="Ann", user_metadata={"colour": "green"})
        self.assertEqual(changed.user_metadata, {"colour": "green"})
        for number in range(4):
            self.person(f"many{number}")
        emails = [one.email for one in users.list(per_page=2)]
        self.assertEqual(sum(email.startswith("many") for email in emails), 4)
        users.delete(made.user_id)
        self.assertIn("inexistent_user", str(self.refused(404, users.get, made.user_id)))

    def test_jobs(self):
        jobs = self.management.jobs
        file = json.dumps([{"email": "moved@example.com"}, {"email": "no address"}]).encode()
        made = jobs.users_imports.create(users=file, connection_id="con_UsernamePassword")
        shown = jobs.get(made.id)
        self.assertEqual(shown.status, "completed")
        summary = shown.summary
        self.assertEqual((summary.inserted, summary.failed, summary.total), (1, 1, 2))
        self.assertIn("no address", str(jobs.errors.get(made.id)))
        found = self.management.users.list_users_by_email(email="moved@example.com")
        self.assertEqual(len(found), 1)

    def test_tickets(self):
        tickets = self.management.tickets
        user_id = self.person("cat").user_id
        for made, path in [
            (tickets.verify_email(user_id=user_id), "u/verify-email?ticket="),
            (tickets.change_password(user_id=user_id, ttl_sec=100), "u/change-password?ticket="),
        ]:
            self.assertTrue(made.ticket.startswith(f"{ISSUER}{path}"), made.ticket)

    def test_user_blocks_and_the_logs_of_a_user(self):
        blocks = self.management.user_blocks
        eve = self.person("eve")
        application = self.application("Eves")

        def block():
            for _ in range(20):
                seen = Browser().sign_in(eve.email, "three quiet otters at the sea", application)
                if seen.status_code == 429:
                    return
            self.fail("never blocked")

        def listed():
            return [one.identifier for one in blocks.list(eve.user_id).blocked_for]

        self.assertEqual(listed(), [])
        block()
        self.assertEqual(listed(), [eve.email])
        named = blocks.list_by_identifier(identifier=eve.email).blocked_for
        self.assertEqual([one.identifier for one in named], [eve.email])
        blocks.delete(eve.user_id)
        self.assertEqual(listed(), [])
        block()
        blocks.delete_by_identifier(identifier=eve.email)
        self.assertEqual(listed(), [])
        kinds = {one.type for one in self.management.users.logs.list(eve.user_id)}
        self.assertLessEqual({"fp", "limit_wc"}, kinds)

    def test_what_users_have_at_applications(self):
        management = self.management
        bob = self.person("bob")
        audience = self.api("Notes").identifier
        self.management.resource_servers.update(audience, allow_offline_access=True)
        application = self.application("Notebook")
        of_bob = {"user_id": bob.user_id, "client_id": application.client_id}

        def enter():
            return self.enter(bob.email, application, audience)

        def tokens():
            return list(management.refresh_tokens.list(**of_bob))

        enter()
        [grant] = management.user_grants.list(user_id=bob.user_id, audience=audience)
        self.assertEqual(grant.client_id, application.client_id)
        [session] = management.users.sessions.list(bob.user_id)
        self.assertEqual([one.client_id for one in session.clients], [application.client_id])
        noted = management.sessions.update(session.id, session_metadata={"seat": "12"})
        self.assertEqual(noted.session_metadata, {"seat": "12"})
        self.assertEqual(management.sessions.get(session.id).session_metadata, {"seat": "12"})

        [refresh] = tokens()
        self.assertEqual(refresh.session_id, session.id)
        self.assertEqual(refresh.resource_servers[0].audience, audience)
        self.assertEqual(management.refresh_tokens.get(refresh.id).id, refresh.id)
        [listed] = management.users.refresh_token.list(bob.user_id)
        self.assertEqual(listed.id, refresh.id)
        kept = management.refresh_tokens.update(
            refresh.id, refresh_token_metadata={"device": "desk"}
        )
        self.assertEqual(kept.refresh_token_metadata, {"device": "desk"})
        devices = management.device_credentials.list(user_id=bob.user_id, type="refresh_token")
        self.assertEqual([one.id for one in devices], [refresh.id])
        management.sessions.revoke(session.id)
        self.refused(404, management.sessions.get, session.id)
        self.assertEqual(tokens(), [])

        for end in [
            lambda one: management.refresh_tokens.delete(one.id),
            lambda one: management.refresh_tokens.revoke(ids=[one.id]),
            lambda one: management.device_credentials.delete(one.id),
            lambda one: management.users.refresh_token.delete(bob.user_id),
            lambda one: management.user_grants.delete(grant.id),
            lambda one: management.user_grants.delete_by_user_id(user_id=bob.user_id),
            lambda one: management.users.revoke_access(bob.user_id),
        ]:
            enter()
            end(tokens()[0])
            self.assertEqual(tokens(), [])
        enter()
        enter()
        first, _ = management.users.sessions.list(bob.user_id)
        management.sessions.delete(first.id)
        self.assertEqual(len(list(management.users.sessions.list(bob.user_id))), 1)
        management.users.sessions.delete(bob.user_id)
        self.assertEqual(list(management.users.sessions.list(bob.user_id)), [])

    def test_stats(self):
        self.assertGreaterEqual(self.management.stats.get_active_users_count(), 0)
        today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")
        self.assertIsInstance(self.management.stats.get_daily(from_=today, to=today), list)


if __name__ == "__main__":
    # The tool leaves connections open.
    unittest.main(verbosity=2, warnings="ignore")
