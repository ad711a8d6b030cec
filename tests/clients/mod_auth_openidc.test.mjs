// Apache's mod_auth_openidc in front of an application that knows nothing of OpenID Connect.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createBackend } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { launch, visitor } from './browser.mjs';
import { endAll, onStore, setting, start } from './daemon.mjs';
import { signInTo } from './pages.mjs';
import { ROTATING, tenant } from './tenant.mjs';

/** What of Apache is used; what is compiled in is not loaded again. */
const LOADED = [
  'mpm_event', 'unixd', 'authn_core', 'authz_core', 'authz_user', 'socache_shmcb', 'ssl', 'proxy', 'proxy_http', 'auth_openidc',
];

/** How often it is looked whether Apache listens, in milliseconds, and how many times. */
const LOOK_EVERY = 50;
const LOOKS = 600;

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** A port that nobody uses now: Apache cannot choose one by itself. */
async function freePort() {
  const server = createServer();
  const port = await listening(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Apache's whole configuration. */
function configuration({ folder, origin, port, backend, issuer, client }) {
  const modules = setting('GRANTOR_TEST_APACHE_MODULES');
  // Apache serves nothing as root; this is nobody.
  const server = process.getuid() === 0 ? 'User #65534\nGroup #65534' : '';
  const load = LOADED.map((name) =>
    `<IfModule !${name}_module>\nLoadModule ${name}_module ${modules}/mod_${name}.so\n</IfModule>`);
  return `
${load.join('\n')}
${server}
ServerName localhost
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/log
Listen 127.0.0.1:${port}
StartServers 1
MaxRequestWorkers 25

SSLEngine on
SSLCertificateFile ${setting('GRANTOR_TEST_CERTIFICATE')}
SSLCertificateKeyFile ${setting('GRANTOR_TEST_PRIVATE_KEY')}

OIDCProviderMetadataURL ${issuer}.well-known/openid-configuration
OIDCCABundlePath ${setting('GRANTOR_TEST_CERTIFICATE')}
OIDCClientID ${client.client_id}
OIDCClientSecret ${client.client_secret}
OIDCRedirectURI ${origin}/callback
OIDCCryptoPassphrase ${randomBytes(32).toString('hex')}
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCRemoteUserClaim sub
OIDCPassRefreshToken On

<Location />
  AuthType openid-connect
  Require valid-user
</Location>
<Location /bye>
  AuthType None
  Require all granted
</Location>
ProxyPass /callback !
ProxyPass / http://127.0.0.1:${backend}/
`;
}

/** Starts Apache in front of `backend`; it is told to the tenant when its address is known. */
async function startApache(issuer, backend, register) {
  const folder = mkdtempSync(join(tmpdir(), 'grantor-apache-'));
  // Whoever Apache serves as reads it too.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const origin = `https://localhost:${port}`;
  const client = await register(origin);
  const file = join(folder, 'apache.conf');
  writeFileSync(file, configuration({ folder, origin, port, backend, issuer, client }), { mode: 0o600 });
  const child = spawn(setting('GRANTOR_TEST_APACHE'), ['-f', file, '-D', 'FOREGROUND'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = once(child, 'exit');
  const log = () => said + (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '');
  const isThere = () => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
  for (let looks = 0; !await isThere(); looks += 1) {
    assert.ok(looks < LOOKS && child.exitCode === null, `Apache did not come to listen: ${log()}`);
    await pause(LOOK_EVERY);
  }
  return {
    origin,
    log,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

const shown = async (page) => JSON.parse(await page.locator('body').innerText());

onStore('Postgres', "Apache's mod_auth_openidc", (store) => {
  let browser;
  let daemon;
  let apache;
  let user;
  // What it is asked with is all that the application knows of its user.
  const backend = createBackend((request, response) => response.end(JSON.stringify(request.headers)));

  before(async () => {
    browser = await launch();
    daemon = await start(store);
    const { user: makeUser, application } = tenant(daemon);
    user = await makeUser();
    apache = await startApache(daemon.issuer, await listening(backend), (origin) => application({
      callbacks: [`${origin}/callback`],
      allowed_logout_urls: [`${origin}/bye`],
      token_endpoint_auth_method: 'client_secret_basic',
      refresh_token: ROTATING,
    }));
  });
  after(() => endAll(
    () => browser?.close(),
    () => apache?.stop(),
    () => backend.close().closeAllConnections(),
    () => daemon?.stop(),
  ));

  test('signs in, renews the token, and signs out', async () => {
    const { page, leave } = await visitor(browser);
    const notes = `${apache.origin}/notes`;
    const there = await page.goto(notes);
    assert.equal(there.status(), 200, apache.log());
    await signInTo(apache.origin, page, user);
    const claims = await shown(page);
    assert.equal(claims.oidc_claim_iss, daemon.issuer, apache.log());
    assert.equal(claims.oidc_claim_sub, user.id);
    assert.equal(claims.oidc_claim_email, user.email);
    const query = new URLSearchParams({ refresh: notes, access_token: claims.oidc_access_token });
    await page.goto(`${apache.origin}/callback?${query}`);
    assert.equal(page.url(), notes, apache.log());
    const renewed = await shown(page);
    assert.notEqual(renewed.oidc_access_token, claims.oidc_access_token);
    assert.notEqual(renewed.oidc_refresh_token, claims.oidc_refresh_token);
    await page.goto(`${apache.origin}/callback?logout=${encodeURIComponent(`${apache.origin}/bye`)}`);
    assert.equal(page.url(), `${apache.origin}/bye`);
    assert.equal((await shown(page)).oidc_claim_sub, undefined);
    await page.goto(notes);
    assert.equal(new URL(page.url()).pathname, '/u/login');
    await leave();
  });
});
