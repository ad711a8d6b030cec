// The real daemon over real TLS, as the tools under test meet it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import pg from 'pg';

/** What the machine must say; scripts/test-clients sets all of it. */
export function setting(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run scripts/test-clients`);
  return value;
}

/** What a start or an end may take on a busy machine, in milliseconds. */
const PATIENCE = 60_000;

/** Runs a story on both stores. */
export function onBothStores(name, story) {
  for (const store of ['SQLite', 'Postgres']) onStore(store, name, story);
}

/** Runs a story on one of the stores, `SQLite` or `Postgres`, where the other would tell nothing new. */
export function onStore(store, name, story) {
  describe(`${name}, on ${store}`, () => story(store));
}

/**
 * Ends what a story has started, one after another and each whatever becomes of the others: what is
 * left running would keep the tests from ending. What did not start has nothing to end.
 */
export async function endAll(...ends) {
  const errors = [];
  for (const end of ends) {
    try {
      await end?.();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** A database of its own, and how to be rid of it. */
async function database(store, folder) {
  if (store === 'SQLite') {
    return { url: `sqlite://${join(folder, 'grantor.db')}`, drop: async () => {} };
  }
  const server = setting('GRANTOR_TEST_POSTGRES');
  const name = `clients_${randomBytes(8).toString('hex')}`;
  const tell = async (sql) => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await tell(`create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  return { url: url.href, drop: () => tell(`drop database ${name} with (force)`) };
}

/** Starts a daemon with a first application; its issuer is https://localhost:PORT/. */
export async function start(store, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'grantor-clients-'));
  const { url, drop } = await database(store, folder);
  const clientId = 'FirstApplicationOfTheClients0001';
  const clientSecret = randomBytes(24).toString('hex');
  const child = spawn(setting('GRANTOR_BINARY'), ['serve'], {
    cwd: folder,
    env: {
      GRANTOR_SERVER__LISTEN: '127.0.0.1:0',
      GRANTOR_SERVER__TLS__CERTIFICATE: setting('GRANTOR_TEST_CERTIFICATE'),
      GRANTOR_SERVER__TLS__PRIVATE_KEY: setting('GRANTOR_TEST_PRIVATE_KEY'),
      GRANTOR_STORE__URL: url,
      GRANTOR_BOOTSTRAP__CLIENT_ID: clientId,
      GRANTOR_BOOTSTRAP__CLIENT_SECRET: clientSecret,
      ...settings,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log = { text: '' };
  const port = await listening(child, log);
  return {
    domain: `localhost:${port}`,
    issuer: `https://localhost:${port}/`,
    clientId,
    clientSecret,
    /** A place for what a tool writes; it goes with the daemon. */
    folder,
    log,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = await ended;
      await drop();
      rmSync(folder, { recursive: true });
      assert.equal(code, 0, log.text);
      // A tool may provoke refusals; a fault of our own is always our mistake.
      assert.doesNotMatch(log.text, /"level":"ERROR"/, log.text);
    },
  };
}

function listening(child, log) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`it did not come to listen: ${log.text}`));
    const patience = setTimeout(fail, PATIENCE);
    child.once('exit', fail);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log.text += text;
      const found = /listening on https:\/\/127\.0\.0\.1:(\d+)/.exec(log.text);
      if (found) {
        clearTimeout(patience);
        child.removeListener('exit', fail);
        resolve(Number(found[1]));
      }
    });
  });
}

/** A Management token of the first application. */
export async function adminToken(daemon) {
  const answer = await fetch(`${daemon.issuer}oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: daemon.clientId,
      client_secret: daemon.clientSecret,
      audience: `${daemon.issuer}api/v2/`,
    }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()).access_token;
}

/** Runs a program to its end; everything that it printed is in the answer. */
export async function run(program, args, { env = {}, cwd, seconds = 240 } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: seconds * 1000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  const [code, signal] = await once(child, 'close');
  return { code, signal, output };
}

/** The same for a program that must succeed. */
export async function runWell(program, args, options) {
  const ended = await run(program, args, options);
  assert.equal(ended.code, 0, `${program} ${args[0]} ended with ${ended.signal ?? ended.code}\n${ended.output}`);
  return ended.output;
}

/** Runs the Python that has the tools from PyPI; it must succeed. */
export function python(args, options) {
  return runWell(setting('GRANTOR_TEST_PYTHON'), args, options);
}
