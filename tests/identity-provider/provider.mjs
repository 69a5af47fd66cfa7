// An identity provider: gives a client a JWT for its id and secret, and logs each one. Its keys are at /jwks.
// Arguments: port, the client's id, its secret, the life of a token in seconds, the audience.
import Provider from 'oidc-provider';

const [port, clientId, secret, life, audience] = process.argv.slice(1);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      getResourceServerInfo: () => ({
        scope: 'kafka registry',
        audience,
        accessTokenTTL: Number(life),
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
provider.on('grant.success', () => console.log('granted'));
provider.on('grant.error', (_, error) => console.log(`refused: ${error.message}`));
provider.on('server_error', (_, error) => console.log(`failed: ${error.stack}`));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
