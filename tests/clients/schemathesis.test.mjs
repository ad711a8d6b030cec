// PyPI schemathesis: requests made from the OpenAPI document. No answer is a fault of the server, and
// none has a status, a media type or a body that the document does not have.

import { test } from 'node:test';
import { adminToken, onBothStores, python, start } from './daemon.mjs';

/** The same requests each time. */
const SEED = 3;

/** Made-up requests for each operation, beside those that cover each of its parameters and fields. */
const EXAMPLES_MAX = 10;

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
];

/**
 * They may end the very token that the requests are made with, where they find out what to name. So
 * they come first, when nothing is known yet, and those that need to know nothing have a run of their
 * own, with a new token.
 */
const FIRST = [
  ['POST /api/v2/keys/signing/rotate'],
  ['POST /api/v2/tokens/revoke'],
  [
    'DELETE /api/v2/client-grants/{id}',
    'DELETE /api/v2/clients/{id}',
    'POST /api/v2/clients/{id}/rotate-secret',
    'PUT /api/v2/keys/signing/{kid}/revoke',
  ],
];

onBothStores('PyPI schemathesis', (store) => {
  test('no fault, and nothing undocumented', async () => {
    // The tool may think for long between two requests of one connection.
    const daemon = await start(store, { GRANTOR_SERVER__HEADER_SECONDS_MAX: '120' });
    const ask = async (...operations) => {
      const args = [
        '-m', 'schemathesis.cli', 'run', `${daemon.issuer}api/v2/openapi.json`,
        '--checks', CHECKS.join(),
        '--header', `Authorization: Bearer ${await adminToken(daemon)}`,
        '--tls-verify', process.env.REQUESTS_CA_BUNDLE,
        '--phases', 'coverage,fuzzing',
        '--max-examples', String(EXAMPLES_MAX),
        '--seed', String(SEED),
        '--generation-database', 'none',
        '--suppress-health-check', 'all',
        '--request-timeout', '60',
        '--no-color',
        ...operations,
      ];
      await python(args, { cwd: daemon.folder, seconds: 600 });
    };
    try {
      for (const some of FIRST) await ask(...some.flatMap((name) => ['--include-name', name]));
      await ask(...FIRST.flat().flatMap((name) => ['--exclude-name', name]));
    } finally {
      await daemon.stop();
    }
  });
});
