// An OpenID Connect provider, panva's oidc-provider, whose users are whoever signs in: "ivy" has the address ivy@DOMAIN.
const { createServer } = require("node:http");
const { generateKeyPairSync } = require("node:crypto");

console.info = () => {};
console.warn = () => {};
const { default: Provider } = require("oidc-provider");
const { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, DOMAIN, ALGORITHM, BACKCHANNEL_LOGOUT_URI, POST_LOGOUT_REDIRECT_URI } = process.env;

const jwk = (type, options) => generateKeyPairSync(type, options).privateKey.export({ format: "jwk" });
const keys = [
  { ...jwk("rsa", { modulusLength: 2048 }), kid: "rsa", alg: "RS256", use: "sig" },
  { ...jwk("ec", { namedCurve: "P-256" }), kid: "ec", alg: "ES256", use: "sig" },
];

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [REDIRECT_URI],
        id_token_signed_response_alg: ALGORITHM,
        ...(BACKCHANNEL_LOGOUT_URI && { backchannel_logout_uri: BACKCHANNEL_LOGOUT_URI, backchannel_logout_session_required: true }),
        ...(POST_LOGOUT_REDIRECT_URI && { post_logout_redirect_uris: [POST_LOGOUT_REDIRECT_URI] }),
      },
    ],
    jwks: { keys },
    cookies: { keys: ["a key for the tests"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "given_name", "family_name"] },
    pkce: { required: () => true },
    features: { backchannelLogout: { enabled: true } },
    fetch: (url, { dispatcher, signal, ...options }) => globalThis.fetch(url, options), // our own machine, too, and for as long as it takes there
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@${DOMAIN}`, email_verified: true, given_name: id, family_name: "Real" }),
    }),
  });
  answer = provider.callback();
  process.stdout.write(`${port}\n`);
});
