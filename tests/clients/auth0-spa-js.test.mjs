// npm @auth0/auth0-spa-js in a real browser, with rotating refresh tokens and with silent authentication.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { launch, visitor } from './browser.mjs';
import { endAll, onBothStores, start } from './daemon.mjs';
import { signInTo } from './pages.mjs';
import { html, openSite } from './site.mjs';
import { ROTATING, tenant } from './tenant.mjs';

const sdk = readFileSync(
  createRequire(import.meta.url).resolve('@auth0/auth0-spa-js/dist/auth0-spa-js.production.js'),
);

/** How often the SDK sends a request that gets no answer. */
const ATTEMPTS = 3;

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** Makes the SDK's client in the page that is open. */
const connect = (page, options) => page.evaluate((options) => {
  window.client = new window.auth0.Auth0Client(options);
}, options);

/** Renews the tokens as often as asked, all at one time, whatever the cache holds. */
const renew = (page, times = 1) => page.evaluate((times) => Promise.all(
  Array.from({ length: times }, () => window.client.getTokenSilently({ cacheMode: 'off' })),
), times);

const isSignedIn = (page) => page.evaluate(() => window.client.isAuthenticated());

/** What went wrong when it was tried, as the SDK says it. */
const failure = (page) => page.evaluate(() =>
  window.client.getTokenSilently({ cacheMode: 'off' }).then(() => undefined, (error) => error.error ?? error.message));

/** Lets the server answer the next requests for tokens, and loses the answers. */
async function loseAnswers(context, count) {
  const lost = [];
  await context.route('**/oauth/token', async (route) => {
    if (lost.length === count) return route.continue();
    const answer = await route.fetch();
    lost.push(answer.status());
    return route.abort('connectionreset');
  });
  return { lost, stop: () => context.unroute('**/oauth/token') };
}

onBothStores('npm @auth0/auth0-spa-js', (store) => {
  let browser;
  let daemon;
  let site;
  let user;
  let options;
  /** The same application, whose developer does without the confirmation that localhost needs. */
  let trusted;

  before(async () => {
    browser = await launch();
    daemon = await start(store);
    site = await openSite();
    site.show((request, response) => {
      if (request.url === '/sdk.js') return response.end(sdk);
      return html(response, '<script src="/sdk.js"></script>');
    });
    const { user: makeUser, api, application } = tenant(daemon);
    user = await makeUser();
    const { identifier: audience } = await api('Notes');
    const settings = {
      app_type: 'spa',
      token_endpoint_auth_method: 'none',
      callbacks: [`${site.origin}/callback`],
      allowed_logout_urls: [`${site.origin}/bye`],
      web_origins: [site.origin],
      refresh_token: ROTATING,
    };
    const { client_id: clientId } = await application(settings);
    ({ client_id: trusted } = await application({
      ...settings,
      skip_non_verifiable_callback_uri_confirmation_prompt: true,
    }));
    options = {
      domain: daemon.domain,
      clientId,
      useRefreshTokens: true,
      cacheLocation: 'memory',
      authorizationParams: { redirect_uri: `${site.origin}/callback`, audience, scope: 'openid profile email read:notes' },
    };
  });
  after(() => endAll(() => browser?.close(), () => site?.close(), () => daemon?.stop()));

  /** Someone who has come to the application and signed in, the SDK's redirects included. */
  async function signedIn(settings = {}) {
    const visit = await visitor(browser);
    const { page } = visit;
    const own = { ...options, ...settings };
    await page.goto(site.origin);
    await connect(page, own);
    await page.evaluate(() => void window.client.loginWithRedirect({ appState: { target: '/notes' } }));
    await signInTo(site.origin, page, user);
    await connect(page, own);
    const { appState } = await page.evaluate(() => window.client.handleRedirectCallback());
    assert.deepEqual(appState, { target: '/notes' });
    assert.ok(await isSignedIn(page));
    return visit;
  }

  /** Another tab of the same person, which knows what the first one keeps. */
  async function anotherTab(context, settings) {
    const page = await context.newPage();
    await page.goto(site.origin);
    await connect(page, { ...options, ...settings });
    return page;
  }

  test('signs in, and knows who it is', async () => {
    const visit = await signedIn();
    const { page } = visit;
    const claims = await page.evaluate(() => window.client.getIdTokenClaims());
    assert.equal(claims.iss, daemon.issuer);
    assert.equal(claims.sub, user.id);
    assert.equal(claims.email, user.email);
    const { aud, sub, scope } = claimsOf(await page.evaluate(() => window.client.getTokenSilently()));
    assert.ok([aud].flat().includes(options.authorizationParams.audience), String(aud));
    assert.equal(sub, user.id);
    assert.ok(scope.split(' ').includes('read:notes'), scope);
    await visit.leave();
  });

  test('rotating refresh tokens, one after another and all at one time', async () => {
    const visit = await signedIn();
    const { page } = visit;
    const tokens = [await page.evaluate(() => window.client.getTokenSilently())];
    for (let round = 0; round < 3; round += 1) tokens.push(...await renew(page));
    assert.equal(new Set(tokens).size, 4);
    assert.equal((await renew(page, 5)).length, 5);
    assert.ok(await isSignedIn(page));
    await visit.leave();
  });

  test('two tabs that share a refresh token', async () => {
    const settings = { cacheLocation: 'localstorage' };
    const visit = await signedIn(settings);
    const pages = [visit.page, await anotherTab(visit.context, settings)];
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(pages.map((page) => renew(page, 2)));
    }
    for (const page of pages) assert.ok(await isSignedIn(page));
    await visit.leave();
  });

  test('two browsers with a copy of one refresh token, at one time', async () => {
    // In one browser the SDK lets its tabs take turns. A copied profile knows of no turns.
    const settings = { cacheLocation: 'localstorage' };
    const first = await signedIn(settings);
    const second = await visitor(browser, { storageState: await first.context.storageState() });
    const pages = [first.page, await anotherTab(second.context, settings)];
    const tokens = (await Promise.all(pages.map((page) => renew(page)))).flat();
    assert.equal(new Set(tokens).size, 2, 'each has a token of its own');
    // Both hold the same successor.
    await Promise.all(pages.map((page) => renew(page)));
    for (const page of pages) assert.ok(await isSignedIn(page));
    await first.leave();
    await second.leave();
  });

  test('an answer that was lost signs nobody out', async () => {
    const visit = await signedIn();
    const { page, context } = visit;
    const once = await loseAnswers(context, 1);
    await renew(page);
    await once.stop();
    assert.deepEqual(once.lost, [200]);
    // Now the SDK gives up, and the next renewal still has the old refresh token.
    const all = await loseAnswers(context, ATTEMPTS);
    assert.match(await failure(page), /fetch|network/i);
    await all.stop();
    assert.deepEqual(all.lost, Array(ATTEMPTS).fill(200));
    for (let round = 0; round < 2; round += 1) await renew(page);
    assert.ok(await isSignedIn(page));
    await visit.leave();
  });

  test('silent authentication needs an address that nobody else can have', async () => {
    const visit = await signedIn({ useRefreshTokens: false });
    assert.equal(await failure(visit.page), 'consent_required');
    await visit.leave();
  });

  test('silent authentication, and a page that is loaded again', async () => {
    const settings = { useRefreshTokens: false, clientId: trusted };
    const visit = await signedIn(settings);
    const { page } = visit;
    const [token] = await renew(page);
    assert.equal(claimsOf(token).sub, user.id);
    await page.goto(site.origin);
    await connect(page, { ...options, ...settings });
    assert.ok(!await isSignedIn(page), 'nothing is kept in memory');
    await page.evaluate(() => window.client.checkSession());
    assert.ok(await isSignedIn(page), 'the session is');
    await visit.leave();
  });

  test('signs out', async () => {
    const visit = await signedIn();
    const { page } = visit;
    await page.evaluate((returnTo) => void window.client.logout({ logoutParams: { returnTo } }), `${site.origin}/bye`);
    await page.waitForURL(`${site.origin}/bye`);
    await connect(page, { ...options, useRefreshTokens: false });
    assert.equal(await failure(page), 'login_required');
    assert.ok(!await isSignedIn(page));
    await visit.leave();
  });
});
