// A SAML identity provider, Auth0's samlp, whose users are whoever the address names: /sso?as=ana@northwind.test&sign=assertion
const express = require("express");
const samlp = require("samlp");
const SessionParticipants = require("samlp/lib/sessionParticipants");

const { ISSUER, CERTIFICATE, KEY, AUDIENCE, ACS, SLO, SIGNING_CERTIFICATE } = process.env;
const app = express();

const user = (address) => ({
  id: address,
  emails: [{ value: address }],
  displayName: "Ana Ruiz",
  name: { givenName: "Ana", familyName: "Ruiz" },
});

app.get("/sso", (request, response, next) => {
  const sign = request.query.sign || "assertion";
  const options = {
    issuer: ISSUER,
    cert: CERTIFICATE,
    key: KEY,
    destination: ACS,
    recipient: ACS,
    lifetimeInSeconds: 300,
    signResponse: sign === "response" || sign === "both",
    signAssertion: sign !== "response",
    signatureAlgorithm: request.query.algorithm || "rsa-sha256",
    digestAlgorithm: request.query.digest || "sha256",
    authnContextClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    nameIdentifierFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    getUserFromRequest: () => user(request.query.as),
    getPostURL: (audience, document, ignored, done) => done(null, ACS),
    sessionIndex: request.query.session,
  };
  if (!request.query.SAMLRequest) options.audience = AUDIENCE;
  if (SIGNING_CERTIFICATE) options.signingCert = SIGNING_CERTIFICATE;
  samlp.auth(options)(request, response, next);
});

// Who signs out, by the request of ours that the browser brings, or, with ?as=…&session=…, at the provider; then it tells us.
const kept = new Map();
const store = {
  save: (request, state, done) => {
    const id = `state-${kept.size}`;
    kept.set(id, state);
    done(null, id);
  },
  load: (request, id, options, done = options) => done(null, kept.get(id)),
  update: (request, id, state, done) => done(null, kept.set(id, state)),
};
app.get("/slo", (request, response, next) => {
  const { as: nameId, session: sessionIndex } = request.query;
  const participant = { serviceProviderId: AUDIENCE, nameId, sessionIndex, serviceProviderLogoutURL: SLO, cert: SIGNING_CERTIFICATE };
  participant.nameIdFormat = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
  participant.binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
  const sessionParticipants = new SessionParticipants([participant]);
  const options = { issuer: ISSUER, cert: CERTIFICATE, key: KEY, deflate: true, protocolBinding: participant.binding, sessionParticipants, store };
  request.body = {};
  samlp.logout({ ...options, signatureAlgorithm: "rsa-sha256", digestAlgorithm: "sha256" })(request, response, next);
});

const endpoints = { redirectEndpointPath: "/sso", postEndpointPath: "/sso", logoutEndpointPaths: { redirect: "/slo" } };
app.get("/metadata", samlp.metadata({ issuer: ISSUER, cert: CERTIFICATE, ...endpoints }));

app.use((failed, request, response, next) => response.status(400).send(failed.message));

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
