// PyPI schemathesis: requests made from the OpenAPI document. No answer is a fault of the server, and
// none has a status, a media type or a body that the document does not have.

import { test } from 'node:test';
import { adminToken, onBothStores, python, start } from './daemon.mjs';

/** The same requests each time. */
const SEED = 3;

/** Made-up requests for each operation, beside those that cover each of its parameters and fields. */
const EXAMPLES_MAX = 20;

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
];

/** It may end the very token that the requests are made with, so it comes last. */
const LAST = '/api/v2/tokens/revoke';

onBothStores('PyPI schemathesis', (store) => {
  test('no fault, and nothing undocumented', async () => {
    const daemon = await start(store);
    try {
      const token = await adminToken(daemon);
      const args = [
        '-m', 'schemathesis.cli', 'run', `${daemon.issuer}api/v2/openapi.json`,
        '--checks', CHECKS.join(),
        '--header', `Authorization: Bearer ${token}`,
        '--phases', 'coverage,fuzzing',
        '--max-examples', String(EXAMPLES_MAX),
        '--seed', String(SEED),
        '--generation-database', 'none',
        '--suppress-health-check', 'all',
        '--request-timeout', '60',
        '--workers', '2',
        '--no-color',
      ];
      const options = { cwd: import.meta.dirname, seconds: 600 };
      await python([...args, '--exclude-path', LAST], options);
      await python([...args, '--include-path', LAST], options);
    } finally {
      await daemon.stop();
    }
  });
});
