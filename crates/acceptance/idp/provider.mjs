// A generic OpenID provider for acceptance tests: `node provider.mjs FOLDER`, where FOLDER has
// node_modules. It listens on a free port of this machine's loopback, prints its issuer as one JSON
// line, and forgets everything when it ends. Its secrets are public: never show it to a network.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const installed = join(resolve(process.argv[2]), 'node_modules/oidc-provider/lib/index.js');
const { default: Provider } = await import(pathToFileURL(installed));

const SCOPES = 'api/backend_access other/scope';
const AUDIENCES = ['https://metricd.example', 'https://elsewhere.example'];
const CIBA = 'urn:openid:params:grant-type:ciba';

// Seconds that an access token lives.
const lifetimes = { brief: 2 };
const lifetime = (client) => lifetimes[client.clientId] ?? 3600;

const machine = (id, claims = {}) => ({
  client_id: id,
  client_secret: `secret-of-${id}`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: SCOPES,
  ...claims,
});

// A token of the default resource carries its scopes, its audience and its client's claims.
const resourceServer = (resource, client) => ({
  scope: SCOPES,
  audience: resource,
  accessTokenTTL: lifetime(client),
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'RS256' } },
});

const key = (kid) => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  kid,
  alg: 'RS256',
  use: 'sig',
});

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  jwks: { keys: [key('provider-key-1')] },
  clients: [
    machine('machine'),
    machine('brief'),
    machine('acme', { tenant_id: 'acme', groups: ['metricd-admin'] }),
    machine('globex', { tenant_id: 'globex' }),
    {
      ...machine('people'),
      grant_types: [CIBA],
      scope: `openid ${SCOPES}`,
      backchannel_token_delivery_mode: 'poll',
    },
  ],
  extraClientMetadata: { properties: ['tenant_id', 'groups'] },
  extraTokenClaims: async (ctx, token) => {
    const { tenant_id, groups } = ctx.oidc.client;
    return { tenant_id, groups };
  },
  scopes: ['openid', ...SCOPES.split(' ')],
  conformIdTokenClaims: false,
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => AUDIENCES[0],
      useGrantedResource: async () => true,
      getResourceServerInfo: async (ctx, resource, client) => {
        if (!AUDIENCES.includes(resource)) throw new Error(`no such resource: ${resource}`);
        return resourceServer(resource, client);
      },
    },
    // A person signs in without a browser: the person on the other device says yes.
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: async (ctx, hint) => hint,
      validateRequestContext: async () => {},
      verifyUserCode: async () => {},
      triggerAuthenticationDevice: async (ctx, request) => {
        const grant = new provider.Grant({
          accountId: request.accountId,
          clientId: request.clientId,
        });
        grant.addOIDCScope('openid');
        for (const audience of AUDIENCES) grant.addResourceScope(audience, SCOPES);
        await grant.save();
        await provider.backchannelResult(request, grant, { authTime: Math.floor(Date.now() / 1000) });
      },
    },
  },
  ttl: {
    AccessToken: (ctx, token, client) => lifetime(client),
    ClientCredentials: (ctx, token, client) => lifetime(client),
    BackchannelAuthenticationRequest: 600,
    Grant: 3600,
    IdToken: 3600,
  },
});
provider.on('server_error', (ctx, error) => console.error(error));

server.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
