// What the Management API sets up before anybody can sign in.

import { randomBytes } from 'node:crypto';
import { ManagementClient } from 'auth0';

/** How an application's refresh tokens are to live where they are used once each. */
export const ROTATING = {
  rotation_type: 'rotating',
  expiration_type: 'expiring',
  leeway: 0,
  token_lifetime: 86_400,
  idle_token_lifetime: 3600,
};

/** The daemon's tenant: makes users, APIs and applications. */
export function tenant({ domain, clientId, clientSecret }) {
  const management = new ManagementClient({ domain, clientId, clientSecret });
  return {
    /** Someone who can sign in. */
    async user() {
      const email = `${randomBytes(6).toString('hex')}@example.com`;
      const password = randomBytes(18).toString('base64url');
      const { user_id: id } = await management.users.create({
        connection: 'Username-Password-Authentication',
        email,
        password,
        email_verified: true,
      });
      return { id, email, password };
    },
    /** An API that applications may use while the user is away. */
    api: (name) => management.resourceServers.create({
      name,
      identifier: `https://${name.toLowerCase()}.example/`,
      signing_alg: 'RS256',
      scopes: [
        { value: 'read:notes', description: 'Read your notes' },
        { value: 'write:notes', description: 'Change your notes' },
      ],
      allow_offline_access: true,
      skip_consent_for_verifiable_first_party_clients: true,
    }),
    /** An application that signs users in. */
    application: (settings) => management.clients.create({
      name: 'Notebook',
      app_type: 'regular_web',
      oidc_conformant: true,
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'client_secret_post',
      jwt_configuration: { alg: 'RS256' },
      ...settings,
    }),
  };
}
