// Writes a program that publishes payloads with the client that @hey-api/openapi-ts made of an OpenAPI document, and that holds them
// against the types of openapi-typescript.
//
//   node clients.cjs DOCUMENT PAYLOADS FOLDER
//
// PAYLOADS is a JSON object of payloads by the paths of the document. FOLDER holds `hey/` and `schema.ts`. The program `FOLDER/publish.ts` takes the address of the gateway.
const fs = require("node:fs");
const path = require("node:path");

const [documentFile, payloadsFile, folder] = process.argv.slice(2);
const document = JSON.parse(fs.readFileSync(documentFile, "utf8"));
const payloads = JSON.parse(fs.readFileSync(payloadsFile, "utf8"));

const camel = (id) => id.replace(/[._]+(.)/g, (_, letter) => letter.toUpperCase());
const calls = [];
for (const [address, payload] of Object.entries(payloads)) {
    const { post } = document.paths[address];
    const name = camel(post.operationId);
    const fields = post.parameters.filter((parameter) => parameter.in === "path").map((parameter) => parameter.name);
    const values = JSON.stringify(Object.fromEntries(fields.map((field) => [field, payload[field]])));
    const body = JSON.stringify(payload);
    calls.push(`
    const typed${calls.length}: paths[${JSON.stringify(address)}]["post"]["requestBody"]["content"]["application/json"] = ${body};
    void typed${calls.length};
    report(${JSON.stringify(post.operationId)}, await sdk.${name}({ body: ${body}${fields.length ? `, path: ${values}` : ""} }));`);
}

fs.writeFileSync(path.join(folder, "publish.ts"), `
import * as sdk from "./hey";
import { client } from "./hey/client.gen";
import type { paths } from "./schema";

declare const process: { argv: string[]; exitCode: number };

type Answer = { data?: { event_id: string }; error?: unknown; response?: Response };

function report(operation: string, answer: Answer): void {
    const { data, error } = answer;
    console.log(JSON.stringify({ operation, status: answer.response?.status, event_id: data?.event_id, error }));
}

async function main(): Promise<void> {
    client.setConfig({ baseUrl: process.argv[2] });
${calls.join("\n")}
}

main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
`);
fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
        strict: true,
        target: "es2022",
        module: "commonjs",
        moduleResolution: "node10",
        lib: ["es2022", "dom", "dom.iterable"],
        types: [],
        outDir: "out",
    },
    // Not `include`, which passes over folders whose name begins with a point.
    files: ["publish.ts"],
}));
