// A web site on https://localhost: where an application under test lives.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { setting } from './daemon.mjs';

/**
 * Opens a site before it has anything to show, as most applications must be told their own address;
 * `show` gives it what answers its requests.
 */
export async function openSite() {
  const server = createServer({
    cert: readFileSync(setting('GRANTOR_TEST_CERTIFICATE')),
    key: readFileSync(setting('GRANTOR_TEST_PRIVATE_KEY')),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://localhost:${server.address().port}`,
    show: (answer) => server.on('request', answer),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** An answer of plain HTML. */
export function html(response, text) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><html lang="en"><title>Application</title>${text}`);
}
