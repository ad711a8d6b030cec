// PyPI auth0-python: auth0_python_test.py against a daemon on each store.

import { test } from 'node:test';
import { onBothStores, python, start } from './daemon.mjs';

onBothStores('PyPI auth0-python', (store) => {
  test('every method of the resources', async () => {
    const daemon = await start(store, { GRANTOR_LIMITS__SIGN_INS_PER_ACCOUNT_MAX: '2' });
    try {
      await python(['auth0_python_test.py'], {
        cwd: import.meta.dirname,
        env: {
          GRANTOR_TEST_DOMAIN: daemon.domain,
          GRANTOR_TEST_CLIENT_ID: daemon.clientId,
          GRANTOR_TEST_CLIENT_SECRET: daemon.clientSecret,
        },
      });
    } finally {
      await daemon.stop();
    }
  });
});
