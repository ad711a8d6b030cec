// npm express-openid-connect: a web application that Express serves, as its users know it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import express from 'express';
import openidConnect from 'express-openid-connect';
import { launch, visitor } from './browser.mjs';
import { endAll, onStore, start } from './daemon.mjs';
import { signInTo } from './pages.mjs';
import { openSite } from './site.mjs';
import { ROTATING, tenant } from './tenant.mjs';

const { attemptSilentLogin, auth, requiresAuth } = openidConnect;

/** An application with a page for everybody, one for those who signed in, and one that only asks. */
function notebook(settings) {
  const app = express();
  app.use(auth({
    authRequired: false,
    idpLogout: true,
    secret: randomBytes(32).toString('hex'),
    authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
    ...settings,
  }));
  app.get('/', (request, response) => response.json({ isSignedIn: request.oidc.isAuthenticated() }));
  app.get('/quiet', attemptSilentLogin(), (request, response) => response.json({ isSignedIn: request.oidc.isAuthenticated() }));
  app.get('/notes', requiresAuth(), async (request, response) => {
    const before = request.oidc.accessToken.access_token;
    const { access_token: renewed } = await request.oidc.accessToken.refresh();
    const info = await request.oidc.fetchUserInfo();
    response.json({ user: request.oidc.user, info, isRenewed: renewed !== before });
  });
  return app;
}

const shown = async (page) => JSON.parse(await page.locator('body').innerText());

onStore('SQLite', 'npm express-openid-connect', (store) => {
  let browser;
  let daemon;
  let user;
  const sites = [];
  let make;

  /** Opens an application of its own. */
  async function open(settings = {}) {
    const site = await openSite();
    sites.push(site);
    const { client_id: clientID, client_secret: clientSecret } = await make({
      callbacks: [`${site.origin}/callback`],
      allowed_logout_urls: [site.origin],
      token_endpoint_auth_method: 'client_secret_basic',
      refresh_token: ROTATING,
    });
    site.show(notebook({ issuerBaseURL: daemon.issuer, baseURL: site.origin, clientID, clientSecret, ...settings }));
    return site.origin;
  }

  before(async () => {
    browser = await launch();
    daemon = await start(store);
    const { user: makeUser, application } = tenant(daemon);
    make = application;
    user = await makeUser();
  });
  after(() => endAll(() => browser?.close(), ...sites.map((site) => site.close), () => daemon?.stop()));

  test('signs in, renews its token, and signs out everywhere', async () => {
    const origin = await open();
    const { page, leave } = await visitor(browser);
    await page.goto(`${origin}/notes`);
    await signInTo(origin, page, user);
    const { user: known, info, isRenewed } = await shown(page);
    assert.deepEqual([known.sub, info.sub], [user.id, user.id]);
    assert.deepEqual([known.email, info.email], [user.email, user.email]);
    assert.ok(isRenewed);
    await page.goto(`${origin}/logout`);
    assert.deepEqual(await shown(page), { isSignedIn: false });
    await page.goto(`${origin}/quiet`);
    assert.deepEqual(await shown(page), { isSignedIn: false });
    await leave();
  });

  test('a second application signs in without a word', async () => {
    // Nobody is asked for anything but who they are: refresh tokens at a loopback address need consent.
    const authorizationParams = { response_type: 'code', scope: 'openid profile email' };
    const [first, second] = [await open(), await open({ session: { name: 'second' }, authorizationParams })];
    const { page, leave } = await visitor(browser);
    await page.goto(`${first}/notes`);
    await signInTo(first, page, user);
    await page.goto(`${second}/quiet`);
    assert.deepEqual(await shown(page), { isSignedIn: true });
    await leave();
  });

  test('pushes its request, and takes the answer as a form', async () => {
    const origin = await open({
      pushedAuthorizationRequests: true,
      authorizationParams: { response_type: 'code', response_mode: 'form_post', scope: 'openid email offline_access' },
    });
    const { page, leave } = await visitor(browser);
    await page.goto(`${origin}/notes`);
    await signInTo(origin, page, user);
    await page.waitForURL(`${origin}/notes`);
    assert.equal((await shown(page)).user.sub, user.id);
    await leave();
  });
});
