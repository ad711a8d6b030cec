// npm auth0-deploy-cli: a configuration goes in, comes out, and goes in again without a difference.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { adminToken, onBothStores, runWell, start } from './daemon.mjs';

const A0DEPLOY = join(import.meta.dirname, 'node_modules', '.bin', 'a0deploy');

/** What its users write, of the resource types that Grantor has. */
const TENANT = `
tenant:
  friendly_name: Orders and shops
  session_lifetime: 100
  idle_session_lifetime: 50
resourceServers:
  - name: Orders
    identifier: https://orders.example/
    scopes:
      - value: read:orders
        description: Read orders
      - value: write:orders
    token_lifetime: 3600
    token_lifetime_for_web: 600
    token_dialect: rfc9068_profile
    signing_alg: RS256
    allow_offline_access: true
    skip_consent_for_verifiable_first_party_clients: true
  - name: Invoices
    identifier: https://invoices.example/
clients:
  - name: Shop
    app_type: regular_web
    description: Sells things
    callbacks:
      - https://shop.example/callback
    web_origins:
      - https://shop.example
    grant_types:
      - client_credentials
      - authorization_code
      - refresh_token
    token_endpoint_auth_method: client_secret_basic
    client_metadata:
      team: sales
    oidc_conformant: true
    jwt_configuration:
      alg: RS256
      lifetime_in_seconds: 36000
    refresh_token:
      rotation_type: rotating
      expiration_type: expiring
      leeway: 5
      token_lifetime: 2592000
  - name: Till
    app_type: non_interactive
    grant_types:
      - client_credentials
clientGrants:
  - client_id: Shop
    audience: https://orders.example/
    scope:
      - read:orders
  - client_id: Till
    audience: https://orders.example/
    scope:
      - read:orders
      - write:orders
`;

/** Every file below a folder, by its path there. */
function contents(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  return Object.fromEntries(
    paths.sort().map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  );
}

onBothStores('npm auth0-deploy-cli', (store) => {
  let daemon;
  let folder;
  const inFolder = (...path) => join(folder, ...path);

  /** Runs the tool as its users do: a configuration file, and its own command line. */
  async function deploy(args, settings = {}) {
    const config = {
      AUTH0_DOMAIN: daemon.domain,
      AUTH0_CLIENT_ID: daemon.clientId,
      AUTH0_CLIENT_SECRET: daemon.clientSecret,
      // Its other resource types do not exist here.
      AUTH0_INCLUDED_ONLY: ['tenant', 'resourceServers', 'clients', 'clientGrants', 'clientAuthCredentials'],
      ...settings,
    };
    writeFileSync(inFolder('config.json'), JSON.stringify(config));
    return runWell(A0DEPLOY, [...args, '-c', inFolder('config.json')], { cwd: folder });
  }

  const exported = async (name, format) => {
    await deploy(['export', '-f', format, '-o', inFolder(name)]);
    return contents(inFolder(name));
  };

  before(async () => {
    daemon = await start(store);
    folder = mkdtempSync(join(tmpdir(), 'grantor-deploy-'));
    writeFileSync(inFolder('tenant.yaml'), TENANT);
  });
  after(async () => {
    await daemon.stop();
    rmSync(folder, { recursive: true });
  });

  test('what it imports is there', async () => {
    await deploy(['import', '-i', inFolder('tenant.yaml')]);
    const token = await adminToken(daemon);
    const manage = async (path) => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${daemon.issuer}api/v2/${path}`, { headers });
      return answer.json();
    };
    const apis = await manage('resource-servers');
    const orders = apis.find(({ name }) => name === 'Orders');
    assert.equal(orders.token_lifetime, 3600);
    assert.equal(orders.token_dialect, 'rfc9068_profile');
    const clients = await manage('clients');
    const shop = clients.find(({ name }) => name === 'Shop');
    assert.deepEqual(shop.callbacks, ['https://shop.example/callback']);
    const grants = await manage(`client-grants?client_id=${shop.client_id}`);
    assert.deepEqual(grants.map(({ audience, scope }) => [audience, scope]), [
      ['https://orders.example/', ['read:orders']],
    ]);
    assert.equal((await manage('tenants/settings')).session_lifetime, 100);
  });

  test('what it exports it imports again without a difference', async () => {
    const first = await exported('first', 'yaml');
    await deploy(['import', '-i', inFolder('first', 'tenant.yaml')], { AUTH0_ALLOW_DELETE: true });
    assert.deepEqual(await exported('second', 'yaml'), first);
  });

  // Each import costs it ten seconds of computing on its own schemas: once is enough for the rest,
  // which is the same on both stores.
  if (store !== 'SQLite') return;

  test('in what it exports as a folder of files it finds no difference either', async () => {
    await exported('folder', 'directory');
    const preview = await deploy(['import', '--dry-run', '-i', inFolder('folder')]);
    assert.match(preview, /No changes detected/);
  });

  test('what is no longer in the configuration is deleted where that is allowed', async () => {
    const less = TENANT.replace(/ {2}- name: Invoices\n.*\n/, '');
    writeFileSync(inFolder('less.yaml'), less);
    const args = ['import', '--dry-run', '--apply', '-i', inFolder('less.yaml')];
    const output = await deploy(args, { AUTH0_ALLOW_DELETE: true });
    assert.match(output, /DELETE.*Invoices/);
    const left = await exported('less', 'yaml');
    assert.doesNotMatch(left['tenant.yaml'], /Invoices/);
    assert.match(left['tenant.yaml'], /Orders/);
  });
});
