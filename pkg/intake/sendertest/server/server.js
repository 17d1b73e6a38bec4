// A system that pushes: webhooks signed by standardwebhooks, security event tokens signed by jose. As an issuer it serves
// its configuration and keys. Prints its port on stdout; ends when stdin does.
import { createServer } from "node:http";
import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { Webhook } from "standardwebhooks";

const algorithms = ["ES256", "RS256", "PS256", "EdDSA"];
let served = [];
let generation = 0;
const stranger = await generateKeyPair("ES256");

const make = async () => {
    generation++;
    return Promise.all(algorithms.map(async (alg) => {
        const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
        return { alg, kid: `${alg}-${generation}`, publicKey, privateKey };
    }));
};
served = await make();

const sign = async ({ claims, alg = "ES256", typ = "secevent+jwt", key }) => {
    if (alg === "none") return new UnsecuredJWT(claims).encode();
    const own = served.findLast((k) => (key ? k.kid === key : k.alg === alg)) ?? served.at(-1);
    const header = { alg, typ, kid: own.kid };
    if (alg === "HS256") {
        const secret = new TextEncoder().encode(await exportSPKI(own.publicKey));
        return new SignJWT(claims).setProtectedHeader(header).sign(secret);
    }
    const by = key === "stranger" ? stranger.privateKey : own.privateKey;
    return new SignJWT(claims).setProtectedHeader(header).sign(by);
};

const push = async ({ url, secret, id, at, body }) => {
    const when = at ? new Date(at * 1000) : new Date();
    const response = await fetch(url, {
        method: "POST",
        body,
        headers: {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": String(Math.floor(when.getTime() / 1000)),
            "webhook-signature": new Webhook(secret).sign(id, when, body),
        },
    });
    return { Status: response.status, Body: await response.text(), Retry: response.headers.get("retry-after") ?? "" };
};

const answers = {
    "/.well-known/ssf-configuration": () => ({ issuer: origin, jwks_uri: `${origin}/jwks` }),
    "/jwks": async () => ({
        keys: await Promise.all(served.map(async (k) => ({ ...await exportJWK(k.publicKey), kid: k.kid, alg: k.alg, use: "sig" }))),
    }),
    "/token": async (request) => ({ Token: await sign(request) }),
    "/webhook": push,
    "/rotate": async ({ keep }) => {
        served = [...(keep ? served : []), ...await make()];
        return {};
    },
};

let origin = "";
const listener = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const answer = answers[request.url];
    response.statusCode = answer ? 200 : 404;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer ? await answer(text ? JSON.parse(text) : {}) : {}));
}).listen(0, "127.0.0.1", () => {
    origin = `http://127.0.0.1:${listener.address().port}`;
    console.log(listener.address().port);
});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
