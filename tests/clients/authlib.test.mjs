// PyPI Authlib: authlib_app.py, a Flask application in a process of its own, as its users know it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { launch, visitor } from './browser.mjs';
import { endAll, onStore, setting, start } from './daemon.mjs';
import { signInTo } from './pages.mjs';
import { ROTATING, tenant } from './tenant.mjs';

/** Starts the application, which is registered when its address is known. */
async function open(register) {
  const child = spawn(setting('GRANTOR_TEST_PYTHON'), ['authlib_app.py'], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const [origin] = await Promise.race([once(lines, 'line'), ended]);
  assert.match(String(origin), /^https:/, log);
  child.stdin.write(`${JSON.stringify(await register(origin))}\n`);
  return {
    origin,
    async close() {
      child.stdin.end();
      const [code] = await ended;
      assert.equal(code, 0, log);
      assert.ok(!log.includes('Traceback'), log);
    },
  };
}

const shown = async (page) => JSON.parse(await page.locator('body').innerText());

onStore('SQLite', 'PyPI Authlib', (store) => {
  let browser;
  let daemon;
  let app;
  let user;

  before(async () => {
    browser = await launch();
    daemon = await start(store);
    const { user: makeUser, application } = tenant(daemon);
    user = await makeUser();
    app = await open(async (origin) => {
      const { client_id, client_secret } = await application({
        callbacks: [`${origin}/callback`],
        allowed_logout_urls: [`${origin}/bye`],
        token_endpoint_auth_method: 'client_secret_basic',
        refresh_token: ROTATING,
      });
      return { issuer: daemon.issuer, client_id, client_secret };
    });
  });
  after(() => endAll(() => browser?.close(), () => app?.close(), () => daemon?.stop()));

  test('signs in, renews its tokens by itself, and signs out', async () => {
    const { page, leave } = await visitor(browser);
    await page.goto(`${app.origin}/login`);
    await signInTo(app.origin, page, user);
    const { iss, sub, email, nonce } = await shown(page);
    assert.deepEqual({ iss, sub, email }, { iss: daemon.issuer, sub: user.id, email: user.email });
    assert.ok(nonce);
    await page.goto(`${app.origin}/renewed`);
    const { info, renewed } = await shown(page);
    assert.equal(info.sub, user.id);
    assert.deepEqual(renewed, ['access_token', 'refresh_token']);
    await page.goto(`${app.origin}/logout`);
    assert.equal(await shown(page), null);
    await page.goto(`${app.origin}/login`);
    assert.equal(new URL(page.url()).pathname, '/u/login');
    await leave();
  });
});
