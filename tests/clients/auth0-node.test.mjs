// npm auth0: every method of ManagementClient for the resources that Grantor has.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { ManagementClient } from 'auth0';
import { endAll, onBothStores, start } from './daemon.mjs';
import { openMailbox } from './mailbox.mjs';
import { SIGNS_IN, attempt, signIn } from './person.mjs';

/** The parts of the client under test, and what of them Grantor does not have. */
const RESOURCES = {
  resourceServers: ['search'],
  clients: ['previewCimdMetadata', 'registerCimdClient'],
  'clients.credentials': [],
  clientGrants: [],
  'keys.signing': [],
  'tenants.settings': [],
  logs: [],
  stats: [],
  jobs: [],
  'jobs.usersImports': [],
  'jobs.errors': [],
  'jobs.verificationEmail': [],
  tickets: [],
  userBlocks: [],
  users: ['regenerateRecoveryCode'],
  'users.logs': [],
  'users.sessions': [],
  'users.refreshToken': [],
  userGrants: [],
  sessions: [],
  refreshTokens: [],
  deviceCredentials: ['createPublicKey'],
};

const called = new Set();

/** Notes which methods of the client are called. */
function noting(part, name) {
  return new Proxy(part, {
    get(target, property) {
      const value = target[property];
      if (typeof value === 'function') {
        called.add(`${name}.${property}`);
        return value.bind(target);
      }
      const isPart = value !== null && typeof value === 'object' && !String(property).startsWith('_');
      return isPart ? noting(value, name ? `${name}.${property}` : property) : value;
    },
  });
}

function methodsOf(part) {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(part));
  return names.filter((name) => {
    const { value } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(part), name);
    return typeof value === 'function' && name !== 'constructor' && !name.startsWith('_');
  });
}

async function allOf(page) {
  const all = [];
  for await (const item of page) all.push(item);
  return all;
}

/** The error that a call must end with. */
async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('this should be refused');
}

const publicKey = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

onBothStores('npm auth0', (store) => {
  let mailbox;
  let daemon;
  let bare;
  let management;

  /** A client that will get itself a token. */
  const connect = () => {
    const { domain, clientId, clientSecret } = daemon;
    bare = new ManagementClient({ domain, clientId, clientSecret, maxRetries: 0 });
    management = noting(bare, '');
  };

  before(async () => {
    mailbox = await openMailbox();
    daemon = await start(store, { ...mailbox.settings, GRANTOR_LIMITS__SIGN_INS_PER_ACCOUNT_MAX: '2' });
  });
  beforeEach(connect);
  after(() => endAll(() => daemon?.stop(), () => mailbox?.close()));

  const api = (name) => management.resourceServers.create({
    name,
    identifier: `https://${name.toLowerCase()}.example/`,
    scopes: [{ value: 'read:all', description: 'Read all of it' }, { value: 'write:all' }],
  });

  test('resourceServers', async () => {
    const { resourceServers } = management;
    const made = await api('Orders');
    assert.equal(made.token_lifetime, 86400);
    assert.equal(made.signing_alg, 'RS256');
    assert.deepEqual(await resourceServers.get(made.id), made);
    assert.deepEqual(await resourceServers.get(made.identifier), made);
    const changed = await resourceServers.update(made.id, { token_lifetime: 600, name: 'All orders' });
    assert.deepEqual(
      { ...made, token_lifetime: 600, token_lifetime_for_web: 600, name: 'All orders' },
      changed,
    );
    for (let number = 0; number < 5; number += 1) await api(`Many${number}`);
    const names = (await allOf(await resourceServers.list({ per_page: 2 }))).map(({ name }) => name);
    assert.ok(names.includes('Auth0 Management API'), names.join());
    assert.ok(names.includes('Many4'), names.join());
    assert.equal(new Set(names).size, names.length);
    const some = await resourceServers.list({ identifiers: [made.identifier] });
    assert.deepEqual(some.data.map(({ id }) => id), [made.id]);
    assert.equal(some.response.total, 1);
    await resourceServers.delete(made.id);
    const gone = await refusal(resourceServers.get(made.id));
    assert.equal(gone.constructor.name, 'NotFoundError');
    assert.equal(gone.body.errorCode, 'inexistent_resource_server');
    const twice = await refusal(api('Many4'));
    assert.equal(twice.constructor.name, 'ConflictError');
    const wrong = await refusal(resourceServers.create({ identifier: 'https://x.example/', nonsense: 1 }));
    assert.equal(wrong.constructor.name, 'BadRequestError');
    assert.equal(wrong.body.errorCode, 'invalid_body');
  });

  test('clients', async () => {
    const { clients } = management;
    const described = {
      name: 'Shop',
      description: 'Sells things',
      app_type: 'regular_web',
      callbacks: ['https://shop.example/callback'],
      allowed_logout_urls: ['https://shop.example/'],
      web_origins: ['https://shop.example'],
      grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
      logo_uri: 'https://shop.example/logo.png',
      client_metadata: { team: 'sales' },
      oidc_conformant: true,
      jwt_configuration: { alg: 'RS256', lifetime_in_seconds: 36000 },
      refresh_token: { rotation_type: 'rotating', expiration_type: 'expiring', leeway: 5 },
    };
    const made = await clients.create(described);
    for (const [name, value] of Object.entries(described)) {
      if (name === 'jwt_configuration' || name === 'refresh_token') {
        assert.deepEqual({ ...made[name], ...value }, made[name], name);
      } else {
        assert.deepEqual(made[name], value, name);
      }
    }
    assert.ok(made.client_secret.length >= 32);
    const { client_secret: shown, ...rest } = made;
    assert.deepEqual(await clients.get(made.client_id), rest);
    const narrow = await clients.get(made.client_id, { fields: 'name,client_id', include_fields: true });
    assert.deepEqual(narrow, { name: 'Shop', client_id: made.client_id });
    const changed = await clients.update(made.client_id, { name: 'Big shop', callbacks: [] });
    assert.equal(changed.name, 'Big shop');
    const rotated = await clients.rotateSecret(made.client_id);
    assert.notEqual(rotated.client_secret, shown);
    for (let number = 0; number < 4; number += 1) await clients.create({ name: `Many ${number}` });
    const names = (await allOf(await clients.list({ per_page: 2 }))).map(({ name }) => name);
    assert.equal(names.filter((name) => name.startsWith('Many')).length, 4);
    const web = await clients.list({ app_type: 'regular_web', is_global: false, is_first_party: true });
    assert.deepEqual(web.data.map(({ client_id }) => client_id), [made.client_id]);
    await clients.delete(made.client_id);
    const gone = await refusal(clients.get(made.client_id));
    assert.equal(gone.body.errorCode, 'inexistent_client');
  });

  test('clients.credentials, and a token by private_key_jwt', async () => {
    const { clients } = management;
    const { credentials } = clients;
    const first = publicKey();
    const made = await clients.create({
      name: 'Signer',
      app_type: 'non_interactive',
      grant_types: ['client_credentials'],
      client_authentication_methods: {
        private_key_jwt: {
          credentials: [{ credential_type: 'public_key', name: 'first', pem: first.publicKey, alg: 'RS256' }],
        },
      },
    });
    assert.equal(made.client_secret, undefined, 'such an application has no secret');
    const id = made.client_id;
    const [kept] = await credentials.list(id);
    assert.equal(kept.name, 'first');
    assert.deepEqual(made.client_authentication_methods, { private_key_jwt: { credentials: [{ id: kept.id }] } });
    const second = await credentials.create(id, {
      credential_type: 'public_key',
      name: 'second',
      pem: publicKey().publicKey,
      alg: 'PS256',
    });
    assert.match(second.id, /^cred_/);
    assert.equal((await credentials.get(id, second.id)).name, 'second');
    const expires_at = new Date(Date.now() + 86_400_000).toISOString();
    const dated = await credentials.update(id, second.id, { expires_at });
    assert.equal(new Date(dated.expires_at).getTime(), Math.floor(Date.parse(expires_at) / 1000) * 1000);
    await clients.update(id, {
      client_authentication_methods: {
        private_key_jwt: { credentials: [{ id: kept.id }, { id: second.id }] },
      },
    });
    await clients.update(id, {
      client_authentication_methods: { private_key_jwt: { credentials: [{ id: kept.id }] } },
    });
    await credentials.delete(id, second.id);
    assert.deepEqual((await credentials.list(id)).map((one) => one.id), [kept.id]);

    await management.clientGrants.create({
      client_id: id,
      audience: `${daemon.issuer}api/v2/`,
      scope: ['read:clients'],
    });
    const signer = new ManagementClient({
      domain: daemon.domain,
      clientId: id,
      clientAssertionSigningKey: first.privateKey,
      maxRetries: 0,
    });
    assert.equal((await signer.clients.get(id)).name, 'Signer');
    const refused = await refusal(signer.resourceServers.list());
    assert.equal(refused.constructor.name, 'ForbiddenError');
    assert.match(refused.body.message, /read:resource_servers/);
  });

  test('clientGrants', async () => {
    const { clientGrants } = management;
    const { identifier: audience } = await api('Granted');
    const ids = [];
    for (let number = 0; number < 5; number += 1) {
      const { client_id } = await management.clients.create({ name: `Grantee ${number}` });
      const made = await clientGrants.create({ client_id, audience, scope: ['read:all'] });
      assert.match(made.id, /^cgr_/);
      assert.equal(made.subject_type, 'client');
      ids.push(made.id);
    }
    const all = await allOf(await clientGrants.list({ audience, take: 2 }));
    assert.deepEqual(all.map(({ id }) => id).sort(), [...ids].sort());
    const [own] = all;
    assert.deepEqual(await clientGrants.get(own.id), own);
    const of_one = await clientGrants.list({ client_id: own.client_id });
    assert.deepEqual(of_one.data.map(({ id }) => id), [own.id]);
    const changed = await clientGrants.update(own.id, { scope: ['read:all', 'write:all'] });
    assert.deepEqual(changed.scope, ['read:all', 'write:all']);
    const whole = await clientGrants.update(own.id, { allow_all_scopes: true, scope: null });
    assert.equal(whole.allow_all_scopes, true);
    assert.equal(whole.scope, undefined);
    await clientGrants.delete(own.id);
    assert.equal((await refusal(clientGrants.get(own.id))).statusCode, 404);
  });

  test('keys.signing', async () => {
    const { signing } = management.keys;
    const before = await signing.list();
    const current = before.find((key) => key.current);
    const next = before.find((key) => key.next);
    assert.ok(current && next, JSON.stringify(before));
    assert.match(current.cert, /BEGIN CERTIFICATE/);
    const rotated = await signing.rotate();
    assert.ok(rotated.kid && rotated.cert);
    assert.equal((await signing.get(next.kid)).current, true);
    const old = await signing.get(current.kid);
    assert.equal(old.previous, true);
    const revoked = await signing.revoke(current.kid);
    assert.equal(revoked.kid, current.kid);
    // It has signed this client's own token.
    assert.equal((await refusal(signing.list())).statusCode, 401);
    connect();
    assert.equal((await management.keys.signing.get(current.kid)).revoked, true);
    const keySet = await (await fetch(`${daemon.issuer}.well-known/jwks.json`)).json();
    assert.ok(!keySet.keys.some(({ kid }) => kid === current.kid));
  });

  test('tenants.settings', async () => {
    const { settings } = management.tenants;
    const { identifier } = await api('Usual');
    const before = await settings.get();
    const changed = await settings.update({ default_audience: identifier, session_lifetime: 100 });
    assert.equal(changed.default_audience, identifier);
    assert.equal(changed.session_lifetime, 100);
    assert.deepEqual(await settings.get(), changed);
    const narrow = await settings.get({ fields: 'default_audience', include_fields: true });
    assert.deepEqual(narrow, { default_audience: identifier });
    await settings.update({ default_audience: '' });
    assert.equal((await settings.get()).default_audience, before.default_audience);
  });

  test('logs', async () => {
    const { logs } = management;
    const { id, name } = await api('Logged');
    const found = await logs.list({ per_page: 100, sort: 'date:-1' });
    const own = found.data.find((one) => one.type === 'sapi' && JSON.stringify(one).includes(id));
    assert.ok(own, JSON.stringify(found.data.slice(0, 3)));
    assert.equal(own.ip, '127.0.0.1');
    const one = await logs.get(own.log_id);
    assert.equal(one.log_id, own.log_id);
    assert.ok(JSON.stringify(one).includes(name));
    const searched = await logs.list({ search: 'type:seccft', per_page: 5 });
    assert.ok(searched.data.length > 0);
    assert.ok(searched.data.every(({ type }) => type === 'seccft'));
  });

  test('stats', async () => {
    assert.equal(typeof (await management.stats.getActiveUsersCount()), 'number');
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const days = await management.stats.getDaily({ from: today, to: today });
    assert.ok(Array.isArray(days));
  });

  /** A person with an account. */
  const person = async (name) => {
    const account = { email: `${name}@example.com`, password: 'three quiet otters at the pier' };
    const made = await management.users.create({
      connection: 'Username-Password-Authentication',
      ...account,
    });
    return { id: made.user_id, ...account };
  };

  test('users', async () => {
    const { users } = management;
    const { id, email } = await person('ann');
    const shown = await users.get(id);
    assert.equal(shown.email, email);
    assert.deepEqual((await users.listUsersByEmail({ email })).map((one) => one.user_id), [id]);
    const changed = await users.update(id, { name: 'Ann', user_metadata: { colour: 'green' } });
    assert.deepEqual(changed.user_metadata, { colour: 'green' });
    for (let number = 0; number < 4; number += 1) await person(`many${number}`);
    const emails = (await allOf(await users.list({ per_page: 2 }))).map((one) => one.email);
    assert.equal(emails.filter((one) => one.startsWith('many')).length, 4);
    await users.delete(id);
    assert.equal((await refusal(users.get(id))).body.errorCode, 'inexistent_user');
  });

  test('jobs', async () => {
    const { jobs, users } = management;
    const file = [{ email: 'moved@example.com' }, { email: 'no address' }];
    const made = await jobs.usersImports.create({
      users: new Blob([JSON.stringify(file)], { type: 'application/json' }),
      connection_id: 'con_UsernamePassword',
      external_id: 'the move',
    });
    const shown = await jobs.get(made.id);
    assert.equal(shown.status, 'completed');
    assert.deepEqual(shown.summary, { failed: 1, updated: 0, inserted: 1, total: 2 });
    const [wrong] = await jobs.errors.get(made.id);
    assert.equal(wrong.user.email, 'no address');
    const [moved] = await users.listUsersByEmail({ email: 'moved@example.com' });
    assert.ok(moved.user_id.startsWith('auth0|'), moved.user_id);
    const sent = await jobs.verificationEmail.create({ user_id: moved.user_id });
    assert.equal((await jobs.get(sent.id)).type, 'verification_email');
    const { text } = await mailbox.take('moved@example.com');
    assert.ok(text.includes(`${daemon.issuer}u/verify-email?ticket=`), text);
  });

  test('tickets', async () => {
    const { id } = await person('cat');
    const { tickets } = management;
    const asked = [
      [tickets.verifyEmail({ user_id: id }), 'u/verify-email?ticket='],
      [tickets.changePassword({ user_id: id, ttl_sec: 100 }), 'u/change-password?ticket='],
    ];
    for (const [promise, path] of asked) {
      const { ticket } = await promise;
      assert.ok(ticket.startsWith(`${daemon.issuer}${path}`), ticket);
      assert.equal((await fetch(ticket)).status, 200);
    }
  });

  test('userBlocks, and the logs of a user', async () => {
    const { userBlocks, users } = management;
    const eve = await person('eve');
    const guess = { ...eve, password: 'three quiet otters at the sea' };
    const application = await management.clients.create({ name: 'Eves', ...SIGNS_IN });
    const block = async () => {
      while (await attempt(daemon, guess, application) !== 429);
    };
    const listed = () => userBlocks.list(eve.id);
    assert.deepEqual(await listed(), { blocked_for: [] });
    await block();
    assert.deepEqual(await listed(), { blocked_for: [{ identifier: eve.email }] });
    assert.deepEqual(await userBlocks.listByIdentifier({ identifier: eve.email }), await listed());
    await userBlocks.delete(eve.id);
    assert.deepEqual(await listed(), { blocked_for: [] });
    await block();
    await userBlocks.deleteByIdentifier({ identifier: eve.email });
    assert.deepEqual(await listed(), { blocked_for: [] });
    const logged = await allOf(await users.logs.list(eve.id, { sort: 'date:-1' }));
    const kinds = new Set(logged.map(({ type }) => type));
    assert.ok(kinds.has('fp') && kinds.has('limit_wc'), [...kinds].join());
  });

  test('what users have at applications', async () => {
    const {
      users, userGrants, sessions, refreshTokens, deviceCredentials,
    } = management;
    const bob = await person('bob');
    const { identifier: audience } = await management.resourceServers.create({
      name: 'Notes',
      identifier: 'https://notes.example/',
      scopes: [{ value: 'read:notes' }],
      allow_offline_access: true,
    });
    const application = await management.clients.create({ name: 'Notebook', ...SIGNS_IN });
    const asked = { audience, scope: 'openid offline_access read:notes' };
    const enter = () => signIn(daemon, bob, application, asked);
    const introspected = async (token) => {
      const answer = await fetch(`${daemon.issuer}oauth/introspect`, {
        method: 'POST',
        body: new URLSearchParams({
          client_id: application.client_id,
          client_secret: application.client_secret,
          token,
        }),
      });
      return (await answer.json()).active;
    };

    const tokens = await enter();
    const [grant] = await allOf(await userGrants.list({ user_id: bob.id, audience }));
    assert.equal(grant.clientID, application.client_id);
    assert.ok(grant.scope.includes('read:notes'), grant.scope.join());

    const [session] = await allOf(await users.sessions.list(bob.id, { take: 1 }));
    assert.deepEqual(session.clients, [{ client_id: application.client_id }]);
    assert.deepEqual(await sessions.get(session.id), session);
    const noted = await sessions.update(session.id, { session_metadata: { seat: '12' } });
    assert.deepEqual(noted.session_metadata, { seat: '12' });

    const of_bob = { user_id: bob.id, client_id: application.client_id };
    const [refresh] = await allOf(await refreshTokens.list(of_bob));
    assert.equal(refresh.session_id, session.id);
    assert.deepEqual(refresh.resource_servers, [{ audience, scopes: 'read:notes' }]);
    assert.deepEqual(await refreshTokens.get(refresh.id), refresh);
    assert.deepEqual(await allOf(await users.refreshToken.list(bob.id)), [refresh]);
    const kept = await refreshTokens.update(refresh.id, { refresh_token_metadata: { device: 'desk' } });
    assert.deepEqual(kept.refresh_token_metadata, { device: 'desk' });
    const devices = await allOf(await deviceCredentials.list({ user_id: bob.id, type: 'refresh_token' }));
    assert.deepEqual(devices.map(({ id }) => id), [refresh.id]);

    assert.equal(await introspected(tokens.access_token), true);
    await sessions.revoke(session.id);
    assert.equal((await refusal(sessions.get(session.id))).body.errorCode, 'inexistent_session');
    assert.equal((await refusal(refreshTokens.get(refresh.id))).statusCode, 404);
    assert.equal(await introspected(tokens.access_token), false);

    for (const end of [
      (one) => refreshTokens.delete(one.id),
      (one) => refreshTokens.revoke({ ids: [one.id] }),
      (one) => deviceCredentials.delete(one.id),
      () => users.refreshToken.delete(bob.id),
      () => userGrants.delete(grant.id),
      () => userGrants.deleteByUserId({ user_id: bob.id }),
      () => users.revokeAccess(bob.id),
    ]) {
      await enter();
      const [one] = await allOf(await refreshTokens.list(of_bob));
      assert.ok(one, String(end));
      await end(one);
      assert.deepEqual(await allOf(await refreshTokens.list(of_bob)), [], String(end));
    }
    assert.deepEqual(await allOf(await users.sessions.list(bob.id)), []);
    await enter();
    await enter();
    const [first] = await allOf(await users.sessions.list(bob.id));
    await sessions.delete(first.id);
    assert.equal((await allOf(await users.sessions.list(bob.id))).length, 1);
    await users.sessions.delete(bob.id);
    assert.deepEqual(await allOf(await users.sessions.list(bob.id)), []);
  });

  test('no method was left out', () => {
    for (const [name, left] of Object.entries(RESOURCES)) {
      const part = name.split('.').reduce((whole, member) => whole[member], bare);
      const missing = methodsOf(part).filter((method) => !called.has(`${name}.${method}`));
      assert.deepEqual(missing, left, name);
    }
  });
});
