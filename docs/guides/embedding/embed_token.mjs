// An embed token for one viewer. Needs Node.js alone.
import { createHmac } from "node:crypto";

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const head = encoded({ alg: "HS256", typ: "JWT" });
const claims = encoded({
  sharing_token: process.env.SHARING_TOKEN,
  exp: Math.floor(Date.now() / 1000) + 600,
  fixed_parameters: { region: ["EU", "US"], timerange: "last 7 days" },
});
const signature = createHmac("sha256", process.env.EMBED_SECRET).update(`${head}.${claims}`).digest("base64url");
console.log(`${head}.${claims}.${signature}`);
