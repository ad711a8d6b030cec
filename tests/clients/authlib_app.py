"""A Flask application that signs its users in with PyPI Authlib; authlib.test.mjs runs it.

It prints its address, reads what it is registered as from a line of its input, and ends with that
input.
"""

import json
import os
import secrets
import sys
import threading

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, session, url_for
from werkzeug.serving import make_server

app = Flask(__name__)
app.secret_key = secrets.token_hex(32)
app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_NAME="authlib")

# The one user's tokens: a cookie is too small for them.
tokens = {}


def keep(token, **_):
    """Authlib calls this when it has renewed a token by itself."""
    tokens.update(token)


oauth = OAuth(app, update_token=lambda name, token, **found: keep(token, **found))


@app.get("/")
def home():
    return jsonify(session.get("user"))


@app.get("/login")
def login():
    return oauth.grantor.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    keep(oauth.grantor.authorize_access_token())
    session["user"] = tokens["userinfo"]
    return redirect("/")


@app.get("/renewed")
def renewed():
    """Authlib finds the access token expired, and renews it before it asks for the user."""
    before = dict(tokens)
    info = oauth.grantor.userinfo(token={**tokens, "expires_at": 1})
    names = ["access_token", "refresh_token"]
    return jsonify(info=info, renewed=[name for name in names if tokens[name] != before[name]])


@app.get("/logout")
def logout():
    session.clear()
    return oauth.grantor.logout_redirect(
        post_logout_redirect_uri=url_for("bye", _external=True),
        id_token_hint=tokens["id_token"],
    )


@app.get("/bye")
def bye():
    oauth.grantor.validate_logout_response()
    return redirect("/")


def main():
    certificate = (
        os.environ["GRANTOR_TEST_CERTIFICATE"],
        os.environ["GRANTOR_TEST_PRIVATE_KEY"],
    )
    server = make_server("localhost", 0, app, ssl_context=certificate)
    print(f"https://localhost:{server.server_port}", flush=True)
    registered = json.loads(sys.stdin.readline())
    oauth.register(
        "grantor",
        client_id=registered["client_id"],
        client_secret=registered["client_secret"],
        server_metadata_url=f"{registered['issuer']}.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email offline_access",
            "code_challenge_method": "S256",
        },
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
