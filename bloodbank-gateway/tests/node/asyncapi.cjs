// Asks the official parser of AsyncAPI whether a document is valid. Run by tests/gateway/documents.rs.
//
//   NODE_PATH=$(./scripts/node.sh) node asyncapi.cjs asyncapi.json
"use strict";

const { readFile } = require("node:fs/promises");
const { Parser } = require("@asyncapi/parser");

async function main() {
  const text = await readFile(process.argv[2], "utf8");
  const { document, diagnostics } = await new Parser().parse(text);
  // 0 is an error; what follows it is advice.
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 0);
  for (const { path, message } of errors) console.log(`/${path.join("/")}: ${message}`);
  if (errors.length > 0 || !document) process.exit(1);
  console.log(`valid: ${document.version()}, ${document.allChannels().length} channels, ${document.allMessages().length} messages`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
