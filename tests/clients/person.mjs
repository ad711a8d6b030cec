// A person who signs in without a browser: fills in the pages' forms, keeps the cookie, and brings the
// application's code back.

import assert from 'node:assert/strict';

const CALLBACK = 'https://app.example/callback';
// The example of RFC 7636, appendix B.
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

/** What an application needs so that a person can sign in to it here. */
export const SIGNS_IN = {
  app_type: 'regular_web',
  callbacks: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'client_secret_post',
};

function hidden(html, name) {
  const found = new RegExp(`name="${name}" value="([^"]*)"`).exec(html);
  assert.ok(found, `no field ${name}: ${html.slice(0, 2000)}`);
  return found[1];
}

/** A browser with one cookie: answers where it ends up, a page or an address elsewhere. */
function browser(issuer) {
  let cookie;
  return async function go(url, form) {
    const headers = { 'sec-fetch-site': 'same-origin', ...(cookie && { cookie }) };
    const body = form && new URLSearchParams(form);
    const method = form ? 'POST' : 'GET';
    const answer = await fetch(url, { method, body, headers, redirect: 'manual' });
    for (const kept of answer.headers.getSetCookie()) [cookie] = kept.split(';');
    const location = answer.headers.get('location');
    if (!location) return { url: new URL(url), status: answer.status, html: await answer.text() };
    const next = new URL(location, url);
    return next.href.startsWith(issuer) ? go(next) : { url: next };
  };
}

/** Has an application ask the person at this browser, and answers what is seen. */
function ask(go, issuer, application, params) {
  const asked = new URLSearchParams({
    client_id: application.client_id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...params,
  });
  return go(`${issuer}authorize?${asked}`);
}

/** What becomes of one attempt to sign in: the status of the page that says so. */
export async function attempt({ issuer }, { email, password }, application) {
  const go = browser(issuer);
  const { html } = await ask(go, issuer, application, { scope: 'openid' });
  const form = { state: hidden(html, 'state'), username: email, password, action: 'default' };
  return (await go(`${issuer}u/login`, form)).status;
}

/** Signs a person in to an application, and gets it tokens. */
export async function signIn({ issuer }, { email, password }, application, params) {
  const go = browser(issuer);
  let seen = await ask(go, issuer, application, params);
  const forms = {
    '/u/login': { username: email, password, action: 'default' },
    '/u/consent': { action: 'accept' },
  };
  for (let page = 0; page < 3 && seen.html; page += 1) {
    const form = forms[seen.url.pathname];
    assert.ok(form, `${seen.url}: ${seen.html.slice(0, 2000)}`);
    seen = await go(`${issuer}${seen.url.pathname.slice(1)}`, { state: hidden(seen.html, 'state'), ...form });
  }
  const code = seen.url.searchParams.get('code');
  assert.ok(code, seen.url.href);
  const answer = await fetch(`${issuer}oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: application.client_id,
      client_secret: application.client_secret,
      redirect_uri: CALLBACK,
      code_verifier: VERIFIER,
      code,
    }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}
