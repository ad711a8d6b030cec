// npm openid-client: the code flow with PKCE, pushed and signed requests, and what comes after them.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { after, before, test } from 'node:test';
import * as oidc from 'openid-client';
import { launch, visitor } from './browser.mjs';
import { endAll, onStore, start } from './daemon.mjs';
import { signInTo } from './pages.mjs';
import { html, openSite } from './site.mjs';
import { ROTATING, tenant } from './tenant.mjs';

/** A key that signs, and how the server is told of it. */
async function signingKey() {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const { privateKey, publicKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const der = Buffer.from(await webcrypto.subtle.exportKey('spki', publicKey)).toString('base64');
  const pem = `-----BEGIN PUBLIC KEY-----\n${der.match(/.{1,64}/g).join('\n')}\n-----END PUBLIC KEY-----\n`;
  return { privateKey, credential: { credential_type: 'public_key', name: 'requests', pem, alg: 'RS256' } };
}

/** What the server said no with. */
async function refusal(promise) {
  const error = await promise.then(() => assert.fail('this should be refused'), (error) => error);
  return error.error ?? error.cause?.error ?? String(error);
}

onStore('Postgres', 'npm openid-client', (store) => {
  let browser;
  let daemon;
  let site;
  let made;
  let user;

  before(async () => {
    browser = await launch();
    daemon = await start(store);
    site = await openSite();
    site.show((_, response) => html(response, 'Application'));
    made = tenant(daemon);
    user = await made.user();
  });
  after(() => endAll(() => browser?.close(), () => site?.close(), () => daemon?.stop()));

  /** The library's view of a new application. */
  async function application(settings = {}, authentication = oidc.ClientSecretPost) {
    const { client_id: clientId, client_secret: secret } = await made.application({
      callbacks: [`${site.origin}/callback`],
      allowed_logout_urls: [`${site.origin}/bye`],
      refresh_token: ROTATING,
      ...settings,
    });
    const config = await oidc.discovery(new URL(daemon.issuer), clientId, undefined, authentication(secret));
    // Signatures of ID tokens are verified too, not only the line that they came over.
    oidc.enableNonRepudiationChecks(config);
    return config;
  }

  /** Signs in where `build` leads, and redeems the code. */
  async function signIn(config, build, parameters = {}) {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
    const expectedState = oidc.randomState();
    const expectedNonce = oidc.randomNonce();
    const url = await build({
      redirect_uri: `${site.origin}/callback`,
      scope: 'openid profile email offline_access',
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
      ...parameters,
    });
    const visit = await visitor(browser);
    await visit.page.goto(url.href);
    const answer = await signInTo(site.origin, visit.page, user);
    const tokens = await oidc.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState, expectedNonce });
    assert.equal(tokens.claims().sub, user.id);
    return { tokens, visit };
  }

  test('the code flow, userinfo, introspection, renewal, revocation and sign-out', async () => {
    const config = await application();
    const build = (parameters) => oidc.buildAuthorizationUrl(config, parameters);
    const { tokens, visit } = await signIn(config, build, { max_age: '600' });
    assert.ok(Number.isInteger(tokens.claims().auth_time));
    const { email, email_verified: isVerified } = await oidc.fetchUserInfo(config, tokens.access_token, user.id);
    assert.deepEqual({ email, isVerified }, { email: user.email, isVerified: true });
    const seen = await oidc.tokenIntrospection(config, tokens.access_token);
    assert.deepEqual([seen.active, seen.sub], [true, user.id]);
    const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(renewed.access_token, tokens.access_token);
    assert.notEqual(renewed.refresh_token, tokens.refresh_token);
    assert.equal(renewed.claims().sub, user.id);
    await oidc.tokenRevocation(config, renewed.refresh_token);
    assert.equal(await refusal(oidc.refreshTokenGrant(config, renewed.refresh_token)), 'invalid_grant');
    await oidc.tokenRevocation(config, renewed.access_token);
    assert.deepEqual(await oidc.tokenIntrospection(config, renewed.access_token), { active: false });
    const out = oidc.buildEndSessionUrl(config, {
      id_token_hint: renewed.id_token,
      post_logout_redirect_uri: `${site.origin}/bye`,
      state: 'left',
    });
    await visit.page.goto(out.href);
    await visit.page.waitForURL(`${site.origin}/bye?state=left`);
    await visit.leave();
  });

  test('a pushed authorization request', async () => {
    const settings = {
      require_pushed_authorization_requests: true,
      token_endpoint_auth_method: 'client_secret_basic',
    };
    const config = await application(settings, oidc.ClientSecretBasic);
    const { visit } = await signIn(config, (parameters) => oidc.buildAuthorizationUrlWithPAR(config, parameters));
    await visit.leave();
  });

  test('a signed authorization request', async () => {
    const { privateKey, credential } = await signingKey();
    const config = await application({ signed_request_object: { required: true, credentials: [credential] } });
    const { visit } = await signIn(config, (parameters) => oidc.buildAuthorizationUrlWithJAR(config, parameters, privateKey));
    await visit.leave();
  });
});
