// A real browser: Chromium without a window, which trusts the tests' certificate beside the usual ones.

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { setting } from './daemon.mjs';

/** What a page may take on a busy machine, in milliseconds. */
const PATIENCE = 30_000;

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts Chromium with a profile of its own. It is slow to start: one for each file is enough. */
export function launch() {
  const { publicKey } = new X509Certificate(readFileSync(setting('GRANTOR_TEST_CERTIFICATE')));
  const trusted = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  return chromium.launch({
    executablePath: setting('GRANTOR_TEST_CHROMIUM'),
    args: [...ARGUMENTS, `--ignore-certificate-errors-spki-list=${trusted}`],
    timeout: 2 * PATIENCE,
  });
}

/**
 * A person who has never been here, with one tab open. What no page of ours may cause is gathered in
 * `complaints`; to leave while there are any fails.
 */
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-US', ...options });
  context.setDefaultTimeout(PATIENCE);
  const complaints = [];
  await complainTo(complaints, context);
  return {
    context,
    complaints,
    page: await context.newPage(),
    async leave() {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}

/** Breaches of the content security policy, and errors that no script caught. */
async function complainTo(complaints, context) {
  await context.exposeBinding('complain', (_, complaint) => complaints.push(complaint));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      window.complain(`${location.pathname}: ${event.violatedDirective} forbids ${event.blockedURI}`);
    });
  });
  // Without JavaScript there is no event, and the browser still writes it on its console.
  context.on('console', (message) => {
    if (/content security policy/i.test(message.text())) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
}
