// Uses an MCP server of Bloodbank as an agent does: the official client for TypeScript, over HTTP or stdio. It must know
// the events of bloodbank-domains. Run by tests/gateway/mcp.rs.
//
//   export NODE_PATH=$(./scripts/node.sh)
//   node mcp_client.cjs [--sdk 1|2] [--mode legacy|auto] [--without FEATURE]... --url http://localhost:8682/mcp
//   node mcp_client.cjs [--sdk 1|2] [--mode legacy|auto] [--without FEATURE]... -- bb mcp
//
// `--sdk 1` is the client that most agents still have: it knows only the mode `legacy`. `--without executor` where nobody
// executes `agent.thread.prompt`; `--without history` where the bus keeps none; `--without github` where agents may not
// publish `github.#`.
"use strict";

const assert = require("node:assert/strict");
const { parseArgs } = require("node:util");

const TOOLS = [
  "publish_event", "publish_llm_prompt", "publish_llm_response", "publish_artifact", "list_events", "get_event_schema",
  "trace_event", "execute_command", "command_status", "query_events",
];
const INFO = { name: "claude-code", version: "9.9" };

const { values: options, positionals: command } = parseArgs({
  options: {
    sdk: { type: "string", default: "2" },
    mode: { type: "string", default: "auto" },
    without: { type: "string", multiple: true, default: [] },
    url: { type: "string" },
  },
  allowPositionals: true,
});
if (Boolean(options.url) === command.length > 0) {
  console.error("give either --url or a command");
  process.exit(2);
}

function connection() {
  const [program, ...args] = command;
  const server = { command: program, args, env: process.env, stderr: "inherit" };
  if (options.sdk === "1") {
    const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
    const transport = options.url
      ? new StreamableHTTPClientTransport(new URL(options.url))
      : new StdioClientTransport(server);
    return [new Client(INFO), transport];
  }
  const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
  const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");
  const transport = options.url
    ? new StreamableHTTPClientTransport(new URL(options.url))
    : new StdioClientTransport(server);
  return [new Client(INFO, { versionNegotiation: { mode: options.mode } }), transport];
}

async function main() {
  const [client, transport] = connection();
  await client.connect(transport);
  const ok = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert(!result.isError, `${name}: ${JSON.stringify(result.content)}`);
    return result.structuredContent;
  };
  const refused = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert(result.isError, `${name} was not refused: ${JSON.stringify(result)}`);
    return result.content[0].text;
  };
  const contains = (text, part) => assert(text.includes(part), text);

  const tools = new Map((await client.listTools()).tools.map((tool) => [tool.name, tool]));
  assert.deepEqual([...tools.keys()].sort(), [...TOOLS].sort());
  const schema = tools.get("publish_llm_prompt").inputSchema;
  assert.deepEqual([...schema.required].sort(), ["prompt", "provider"]);
  assert("correlation_ids" in schema.properties);

  const { events } = await ok("list_events", { pattern: "llm.*" });
  assert.deepEqual(events.map((event) => event.key), ["llm.error", "llm.prompt", "llm.response"]);
  assert.equal((await ok("get_event_schema", { key: "llm.prompt" })).schema.title, "LlmPrompt");

  const prompt = await ok("publish_llm_prompt", { provider: "anthropic", prompt: "why?" });
  const response = await ok("publish_llm_response", {
    provider: "anthropic", response: "because", correlation_ids: [prompt.event_id],
  });
  const artifact = await ok("publish_artifact", {
    action: "created", kind: "file", uri: "file:///a", correlation_ids: [response.event_id],
  });
  assert.equal(artifact.event_type, "artifact.created");
  const event_id = "11111111-2222-4333-8444-555555555555";
  const generic = await ok("publish_event", { key: "llm.prompt", payload: { provider: "x", prompt: "y" }, event_id });
  assert.equal(generic.event_id, event_id);

  const trace = await ok("trace_event", { event_id: response.event_id });
  assert.deepEqual(trace.events.map((event) => event.event_type), ["llm.prompt", "llm.response", "artifact.created"]);
  assert(trace.events.every((event) => event.app === "claude-code"), JSON.stringify(trace));
  const { drawing } = await ok("trace_event", { event_id: response.event_id, format: "mermaid" });
  assert(drawing.startsWith("flowchart"), drawing);

  if (!options.without.includes("executor")) {
    const { reply } = await ok("execute_command", {
      key: "agent.thread.prompt", payload: { provider: "echo", prompt: "are you there?" }, timeout_seconds: 30,
    });
    assert.equal(reply.event_type, "agent.thread.response");
  }
  if (options.without.includes("history")) {
    contains(await refused("query_events", { pattern: "artifact.#" }), "history");
  } else {
    const [last] = (await ok("query_events", { pattern: "artifact.#", limit: 5 })).events;
    assert.equal(last.event_id, artifact.event_id);
    assert.equal(last.source.type, "agent");
    assert.equal(last.source.app, "claude-code");
    assert.equal(last.agent_context.type, "claude-code");
  }

  contains(await refused("publish_llm_prompt", { provider: "", prompt: "x" }), "/provider");
  contains(await refused("publish_event", { key: "llm.promt", payload: {} }), "did you mean `llm.prompt`");
  contains(await refused("execute_command", { key: "llm.prompt", payload: {} }), "is not a command");
  if (options.without.includes("github")) {
    contains(await refused("publish_event", { key: "github.pr.created", payload: { pr: 1 } }), "agents may not publish");
  }
  await assert.rejects(client.callTool({ name: "no_such_tool", arguments: {} }));

  const { resources } = await client.listResources();
  const uris = resources.map((resource) => resource.uri);
  for (const uri of ["bloodbank://schemas/llm.prompt", "bloodbank://asyncapi"]) assert(uris.includes(uri), uri);
  for (const uri of uris) {
    const { contents } = await client.readResource({ uri });
    assert.equal(typeof JSON.parse(contents[0].text), "object");
  }
  await client.close();
  console.log("everything holds");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
