// Grantor's own pages in a real browser: what a user meets between an application and its tokens.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, visitor } from './browser.mjs';
import { endAll, onBothStores, start } from './daemon.mjs';
import { openMailbox } from './mailbox.mjs';
import { act, atApplication, atPage, fillIn, signIn, signInTo } from './pages.mjs';
import { html, openSite } from './site.mjs';
import { tenant } from './tenant.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Where pictures of the pages go, for people to look at; unset, none are taken. */
const PICTURES = process.env.GRANTOR_TEST_PICTURES;

/** What each page says of itself, whatever it shows. */
const HEADERS = {
  'cache-control': /no-store/,
  'content-security-policy': /^(?!.*unsafe)(?=.*frame-ancestors 'none')(?=.*base-uri 'none')/,
  'referrer-policy': /no-referrer|same-origin|strict-origin/,
  'x-content-type-options': /nosniff/,
  'x-frame-options': /DENY/,
};

/** Whatever a user would have to be told by a screen reader, a magnifier or better eyes. */
async function obstacles(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ preload: false }));
  const grave = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  return grave.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
}

const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

/** Presses Tab until that element has the focus, which must be seen. */
async function tabTo(page, selector) {
  const element = page.locator(selector);
  for (let presses = 0; presses < 20; presses += 1) {
    const style = await element.evaluate((element) => {
      const { outlineStyle, boxShadow } = getComputedStyle(element);
      return document.activeElement === element && { outlineStyle, boxShadow };
    });
    if (style) {
      assert.ok(style.outlineStyle !== 'none' || style.boxShadow !== 'none', `${selector}: the focus is not seen`);
      return;
    }
    await page.keyboard.press('Tab');
  }
  assert.fail(`${selector} is out of the keyboard's reach`);
}

/** Consent is remembered; this asks for it once more. */
const ASK = { prompt: 'consent' };

onBothStores('the pages', (store) => {
  let browser;
  let mailbox;
  let daemon;
  let site;
  let makeUser;
  let user;
  /** The tenant's own application, and somebody else's, which must ask. */
  let own;
  let foreign;
  /** A public one, in whose name any program on this machine could send a request. */
  let native;
  let audience;

  before(async () => {
    browser = await launch();
    mailbox = await openMailbox();
    daemon = await start(store, { ...mailbox.settings, GRANTOR_SIGN_UP__ALLOWED: 'true' });
    site = await openSite();
    site.show((_, response) => html(response, '<h1>Application</h1>'));
    const made = tenant(daemon);
    makeUser = made.user;
    user = await makeUser();
    ({ identifier: audience } = await made.api('Notes'));
    const settings = { callbacks: [`${site.origin}/callback`], allowed_logout_urls: [`${site.origin}/bye`] };
    ({ client_id: own } = await made.application({ ...settings, name: 'Notebook' }));
    ({ client_id: foreign } = await made.application({ ...settings, name: 'Stranger', is_first_party: false }));
    ({ client_id: native } = await made.application({
      ...settings,
      name: 'Gadget',
      app_type: 'native',
      token_endpoint_auth_method: 'none',
    }));
  });
  after(() => endAll(
    () => browser?.close(),
    () => site?.close(),
    () => daemon?.stop(),
    () => mailbox?.close(),
  ));

  /** Somebody new, each of whose pages of ours must carry the headers. */
  async function somebody(options) {
    const visit = await visitor(browser, options);
    visit.context.on('response', async (response) => {
      const url = new URL(response.url());
      if (`${url.origin}/` !== daemon.issuer || !url.pathname.startsWith('/u/')) return;
      const headers = response.headers();
      if (!headers['content-type']?.startsWith('text/html')) return;
      for (const [name, expected] of Object.entries(HEADERS)) {
        if (!expected.test(headers[name] ?? '')) visit.complaints.push(`${url.pathname}: ${name}: ${headers[name]}`);
      }
    });
    return visit;
  }

  /** Sends the browser to the authorization endpoint, as the application does. */
  async function authorize(page, clientId, parameters = {}) {
    const state = randomBytes(8).toString('hex');
    const challenge = createHash('sha256').update(randomBytes(32)).digest('base64url');
    const query = new URLSearchParams({
      client_id: clientId,
      response_type: 'code',
      redirect_uri: `${site.origin}/callback`,
      scope: 'openid profile read:notes',
      audience,
      state,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...parameters,
    });
    await page.goto(`${daemon.issuer}authorize?${query}`);
    return state;
  }

  /** What the application is told in the end. */
  async function answer(page, state) {
    const { searchParams } = await atApplication(page, site.origin);
    assert.equal(searchParams.get('state'), state);
    assert.equal(searchParams.get('iss'), daemon.issuer);
    return searchParams;
  }

  const alert = (page) => page.getByRole('alert').innerText();

  test('a wrong password is said to be wrong, and the right one signs in', async () => {
    const visit = await somebody();
    const { page } = visit;
    const state = await authorize(page, own);
    await signIn(page, { ...user, password: 'a wrong one' });
    await atPage(page, 'login');
    const wrongPassword = await alert(page);
    assert.equal(await page.locator('input[name="username"]').inputValue(), user.email);
    assert.equal(await page.locator('input[name="password"]').inputValue(), '');
    await signIn(page, { email: 'nobody@example.com', password: user.password });
    assert.equal(await alert(page), wrongPassword);
    await page.reload();
    // At an address of this machine anybody may listen, so even one's own application is asked for.
    await signInTo(site.origin, page, user);
    assert.ok((await answer(page, state)).has('code'));
    await visit.leave();
  });

  test('consent is refused, given, and then remembered', async () => {
    const visit = await somebody();
    const { page } = visit;
    let state = await authorize(page, foreign);
    await signIn(page, user);
    await atPage(page, 'consent');
    const text = await page.locator('main').innerText();
    for (const said of ['Stranger', 'Notes', 'Read your notes']) assert.ok(text.includes(said), text);
    await act(page, 'deny');
    assert.equal((await answer(page, state)).get('error'), 'access_denied');
    state = await authorize(page, foreign);
    await atPage(page, 'consent');
    await act(page, 'accept');
    assert.ok((await answer(page, state)).has('code'));
    state = await authorize(page, foreign);
    assert.ok((await answer(page, state)).has('code'));
    await visit.leave();
  });

  test('a program on this device is confirmed each time, under a warning', async () => {
    const visit = await somebody();
    const { page } = visit;
    const parameters = { scope: 'openid', audience: '' };
    const warning = page.getByText('Grantor could not verify that this request really comes from Gadget.');
    let state = await authorize(page, native, parameters);
    await atPage(page, 'login');
    assert.ok(await warning.isVisible());
    assert.deepEqual(await obstacles(page), []);
    await signIn(page, user);
    // The warning stood on the page of this sign-in, and one's own application needs no consent.
    assert.ok((await answer(page, state)).has('code'));
    state = await authorize(page, native, { ...parameters, prompt: 'none' });
    assert.equal((await answer(page, state)).get('error'), 'consent_required');
    state = await authorize(page, native, parameters);
    await atPage(page, 'consent');
    assert.ok(await warning.isVisible());
    assert.deepEqual(await obstacles(page), []);
    await act(page, 'accept');
    assert.ok((await answer(page, state)).has('code'));
    await visit.leave();
  });

  test('signs up', async () => {
    const visit = await somebody();
    const { page } = visit;
    const state = await authorize(page, own);
    await page.locator('a[href*="/u/signup"]').click();
    await atPage(page, 'signup');
    const password = randomBytes(12).toString('base64url');
    const email = `${randomBytes(6).toString('hex')}@example.com`;
    await fillIn(page, { email, password });
    await atPage(page, 'consent');
    await act(page, 'accept');
    assert.ok((await answer(page, state)).has('code'));
    await visit.leave();
  });

  /** Asks for a new password on the page that is shown, and follows the mail's link. */
  async function followMail(page, { email }) {
    await page.locator('a[href*="/u/reset-password"]').click();
    await fillIn(page, { email });
    const { text } = await mailbox.take(email);
    const [link] = /https:\S+\/u\/change-password\S+/.exec(text) ?? assert.fail(`no link in ${text}`);
    await page.goto(link);
    await atPage(page, 'change-password');
  }

  test('a password that was forgotten is set anew by mail', async () => {
    const visit = await somebody();
    const { page } = visit;
    const forgetful = await makeUser();
    await authorize(page, own);
    await followMail(page, forgetful);
    const password = randomBytes(18).toString('base64url');
    await fillIn(page, { password });
    await page.waitForLoadState();
    const state = await authorize(page, own);
    await signIn(page, forgetful);
    await alert(page);
    await signInTo(site.origin, page, { ...forgetful, password });
    assert.ok((await answer(page, state)).has('code'));
    await visit.leave();
  });

  test('pages that are loaded again, and the way back', async () => {
    const visit = await somebody();
    const { page } = visit;
    const state = await authorize(page, foreign, ASK);
    await atPage(page, 'login');
    await page.reload();
    await signIn(page, user);
    await atPage(page, 'consent');
    await page.reload();
    await page.goBack();
    await page.goForward();
    await atPage(page, 'consent');
    await act(page, 'accept');
    await answer(page, state);
    const response = await page.goBack();
    assert.ok(response.status() < 500, String(response.status()));
    assert.ok(await page.locator('h1').isVisible());
    await visit.leave();
  });

  test('single sign-on, until one signs out', async () => {
    const visit = await somebody();
    const { page } = visit;
    await authorize(page, own);
    await signInTo(site.origin, page, user);
    let state = await authorize(page, own, { prompt: 'none' });
    assert.ok((await answer(page, state)).has('code'));
    const query = new URLSearchParams({ client_id: own, returnTo: `${site.origin}/bye` });
    await page.goto(`${daemon.issuer}v2/logout?${query}`);
    assert.equal((await atApplication(page, site.origin)).pathname, '/bye');
    state = await authorize(page, own, { prompt: 'none' });
    assert.equal((await answer(page, state)).get('error'), 'login_required');
    await authorize(page, own);
    await atPage(page, 'login');
    await visit.leave();
  });

  test('with the keyboard alone', async () => {
    const visit = await somebody();
    const { page } = visit;
    const state = await authorize(page, foreign, ASK);
    await atPage(page, 'login');
    await tabTo(page, 'input[name="username"]');
    await page.keyboard.type(user.email);
    await tabTo(page, 'input[name="password"]');
    await page.keyboard.type(user.password);
    await page.keyboard.press('Enter');
    await atPage(page, 'consent');
    await tabTo(page, 'button[value="accept"]');
    await page.keyboard.press('Enter');
    assert.ok((await answer(page, state)).has('code'));
    await visit.leave();
  });

  test('without JavaScript', async () => {
    const visit = await somebody({ javaScriptEnabled: false });
    const { page } = visit;
    const state = await authorize(page, foreign, ASK);
    await signIn(page, { ...user, password: 'a wrong one' });
    await alert(page);
    await signIn(page, user);
    await atPage(page, 'consent');
    await act(page, 'accept');
    assert.ok((await answer(page, state)).has('code'));
    await page.goto(`${daemon.issuer}v2/logout`);
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    await visit.leave();
  });

  test('in the languages of the catalogue', async () => {
    const titles = new Set();
    for (const locale of ['en-US', 'de-DE', 'es-ES', 'eo']) {
      const visit = await somebody({ locale });
      await authorize(visit.page, own);
      const language = await visit.page.locator('html').getAttribute('lang');
      assert.equal(language, locale === 'eo' ? 'en' : locale.slice(0, 2));
      titles.add(await visit.page.title());
      await visit.leave();
    }
    assert.equal(titles.size, 3, [...titles].join());
  });

  /** How to come to each page; each begins where the one before ends. */
  const TOUR = {
    error: async (page) => {
      await authorize(page, own, { redirect_uri: `${site.origin}/elsewhere` });
      await page.getByRole('heading', { level: 1 }).waitFor();
    },
    login: async (page) => {
      await authorize(page, foreign);
      await atPage(page, 'login');
    },
    'login, wrong': async (page) => {
      await signIn(page, { ...user, password: 'a wrong one' });
      await page.getByRole('alert').waitFor();
    },
    signup: async (page) => {
      await page.locator('a[href*="/u/signup"]').click();
      await atPage(page, 'signup');
    },
    'reset-password': async (page) => {
      await authorize(page, foreign);
      await page.locator('a[href*="/u/reset-password"]').click();
      await atPage(page, 'reset-password');
    },
    'reset-password, asked': async (page) => {
      await fillIn(page, { email: user.email });
      await page.locator('input[name="email"]').waitFor({ state: 'detached' });
      await mailbox.take(user.email);
    },
    'change-password': async (page) => {
      await authorize(page, foreign);
      await followMail(page, user);
    },
    consent: async (page) => {
      await authorize(page, foreign, ASK);
      await signIn(page, user);
      await atPage(page, 'consent');
    },
    'signed-out': async (page) => {
      await page.goto(`${daemon.issuer}v2/logout`);
      await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    },
  };

  test('nobody is kept out by how a page is made, in light and in dark', async () => {
    // Colours are looked at when they have changed, not while they do.
    const visit = await somebody({ reducedMotion: 'reduce' });
    const { page } = visit;
    for (const [name, come] of Object.entries(TOUR)) {
      await come(page);
      await page.waitForLoadState();
      const backgrounds = new Set();
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}.png`), fullPage: true });
        assert.deepEqual(await obstacles(page), [], `${name}, ${colorScheme}`);
        backgrounds.add(await background(page));
      }
      assert.equal(backgrounds.size, 2, `${name} is the same in light and dark`);
    }
    await visit.leave();
  });

  test('cookies that no script, no other host and no open line can read', async () => {
    const visit = await somebody();
    await authorize(visit.page, own);
    await signIn(visit.page, user);
    await atApplication(visit.page, site.origin);
    const cookies = await visit.context.cookies(daemon.issuer);
    assert.ok(cookies.length > 0);
    for (const { name, httpOnly, secure, sameSite, path } of cookies) {
      assert.match(name, /^__Host-/);
      assert.deepEqual({ httpOnly, secure, sameSite, path }, { httpOnly: true, secure: true, sameSite: 'Lax', path: '/' }, name);
    }
    await visit.leave();
  });

  test('no page is shown in a frame', async () => {
    const visit = await somebody();
    const { page } = visit;
    await authorize(page, own);
    await atPage(page, 'login');
    const address = page.url();
    await page.goto(site.origin);
    await page.evaluate((address) => new Promise((loaded) => {
      const frame = document.createElement('iframe');
      frame.src = address;
      frame.onload = loaded;
      document.body.append(frame);
    }), address);
    assert.equal(page.frames()[1].url(), 'chrome-error://chromewebdata/');
    // That the browser says so is what is wanted here.
    visit.complaints.splice(0);
    await visit.leave();
  });

  test("another site's form does nothing", async () => {
    const visit = await somebody();
    const { page } = visit;
    await authorize(page, own);
    await atPage(page, 'login');
    const address = page.url();
    await page.goto(site.origin);
    const posted = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.evaluate(({ address, fields }) => {
      const form = document.createElement('form');
      Object.assign(form, { method: 'post', action: address });
      for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement('input'), { name, value }));
      }
      document.body.append(form);
      HTMLFormElement.prototype.submit.call(form);
    }, {
      address,
      fields: {
        state: new URL(address).searchParams.get('state'),
        username: user.email,
        password: user.password,
        action: 'default',
      },
    });
    assert.equal((await posted).status(), 403);
    await atPage(page, 'login');
    const state = await authorize(page, own, { prompt: 'none' });
    assert.equal((await answer(page, state)).get('error'), 'login_required');
    await visit.leave();
  });
});
