// A SAML identity provider, Auth0's samlp, whose users are whoever the address names: /sso?as=ana@northwind.test&sign=assertion
const express = require("express");
const samlp = require("samlp");

const { ISSUER, CERTIFICATE, KEY, AUDIENCE, ACS, SIGNING_CERTIFICATE } = process.env;
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
  };
  if (!request.query.SAMLRequest) options.audience = AUDIENCE;
  if (SIGNING_CERTIFICATE) options.signingCert = SIGNING_CERTIFICATE;
  samlp.auth(options)(request, response, next);
});

app.get("/metadata", samlp.metadata({ issuer: ISSUER, cert: CERTIFICATE, redirectEndpointPath: "/sso", postEndpointPath: "/sso" }));

app.use((failed, request, response, next) => response.status(400).send(failed.message));

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
