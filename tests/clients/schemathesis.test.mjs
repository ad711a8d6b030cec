// PyPI schemathesis: requests made from the OpenAPI document. No answer is a fault of the server, and
// none has a status or a body that the document does not have.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { adminToken, onBothStores, python, start } from './daemon.mjs';

/** The same requests each time. */
const SEED = 3;

/** Requests for each operation and phase. */
const EXAMPLES_MAX = 20;

onBothStores('PyPI schemathesis', (store) => {
  test('no fault, and nothing undocumented', async () => {
    const daemon = await start(store);
    try {
      const token = await adminToken(daemon);
      await python(
        [
          '-m', 'schemathesis.cli', 'run', `${daemon.issuer}api/v2/openapi.json`,
          '--checks', 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
          '--header', `Authorization: Bearer ${token}`,
          '--phases', 'coverage,fuzzing',
          '--max-examples', String(EXAMPLES_MAX),
          '--seed', String(SEED),
          '--generation-database', 'none',
          '--request-timeout', '60',
          '--workers', '2',
          '--max-failures', '20',
          '--no-color',
        ],
        { cwd: import.meta.dirname, seconds: 600 },
      );
    } finally {
      await daemon.stop();
    }
  });
});
