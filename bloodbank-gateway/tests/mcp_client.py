"""Uses an MCP server of Bloodbank as an agent does: the official client for Python, over HTTP or stdio. It must know the
events of bloodbank-domains. Run by tests/gateway/mcp.rs.

    mcp_client.py [--mode legacy|auto] [--without FEATURE]... --url http://localhost:8682/mcp
    mcp_client.py [--mode legacy|auto] [--without FEATURE]... -- bb mcp

`--without executor` where nobody executes `agent.thread.prompt`; `--without history` where the bus keeps none;
`--without github` where agents may not publish `github.#`.
"""

import argparse
import asyncio
import json
import os

from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.types import Implementation

TOOLS = {
    "publish_event", "publish_llm_prompt", "publish_llm_response", "publish_artifact", "list_events",
    "get_event_schema", "trace_event", "execute_command", "command_status", "query_events",
}


async def ok(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, f"{tool}: {result.content}"
    return result.structured_content


async def refused(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} was not refused: {result}"
    return result.content[0].text


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--mode", choices=["legacy", "auto"], default="auto")
    parser.add_argument("--without", action="append", choices=["executor", "history", "github"], default=[])
    parser.add_argument("--url")
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()
    if bool(arguments.url) == bool(arguments.command):
        parser.error("give either --url or a command")
    return arguments


async def main(arguments):
    server = arguments.url
    if not server:
        program, *rest = arguments.command
        server = StdioServerParameters(command=program, args=rest, env=dict(os.environ))
    info = Implementation(name="claude-code", version="9.9")
    async with Client(server, mode=arguments.mode, client_info=info) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == TOOLS, set(tools) ^ TOOLS
        prompt_schema = tools["publish_llm_prompt"].input_schema
        assert set(prompt_schema["required"]) == {"provider", "prompt"}, prompt_schema
        assert "correlation_ids" in prompt_schema["properties"]

        events = (await ok(client, "list_events", pattern="llm.*"))["events"]
        assert [event["key"] for event in events] == ["llm.error", "llm.prompt", "llm.response"], events
        commands = (await ok(client, "list_events", kind="command"))["events"]
        assert "agent.thread.prompt" in [event["key"] for event in commands]
        schema = await ok(client, "get_event_schema", key="llm.prompt")
        assert schema["schema"]["title"] == "LlmPrompt"

        prompt = await ok(client, "publish_llm_prompt", provider="anthropic", prompt="why?")
        response = await ok(client, "publish_llm_response", provider="anthropic", response="because",
                            correlation_ids=[prompt["event_id"]])
        artifact = await ok(client, "publish_artifact", action="created", kind="file", uri="file:///a",
                            correlation_ids=[response["event_id"]])
        assert artifact["event_type"] == "artifact.created"
        generic = await ok(client, "publish_event", key="llm.prompt", payload={"provider": "x", "prompt": "y"},
                           event_id="11111111-2222-4333-8444-555555555555")
        assert generic["event_id"] == "11111111-2222-4333-8444-555555555555"

        trace = await ok(client, "trace_event", event_id=response["event_id"])
        assert [event["event_type"] for event in trace["events"]] == ["llm.prompt", "llm.response", "artifact.created"]
        assert all(event["app"] == "claude-code" for event in trace["events"]), trace
        drawing = await ok(client, "trace_event", event_id=response["event_id"], format="mermaid")
        assert drawing["drawing"].startswith("flowchart")

        if "executor" not in arguments.without:
            reply = await ok(client, "execute_command", key="agent.thread.prompt",
                             payload={"provider": "echo", "prompt": "are you there?"}, timeout_seconds=30)
            assert reply["reply"]["event_type"] == "agent.thread.response", reply

        if "history" in arguments.without:
            assert "history" in await refused(client, "query_events", pattern="artifact.#")
        else:
            history = (await ok(client, "query_events", pattern="artifact.#", limit=5))["events"]
            assert history[0]["event_id"] == artifact["event_id"], history
            assert history[0]["source"]["type"] == "agent" and history[0]["source"]["app"] == "claude-code"
            assert history[0]["agent_context"]["type"] == "claude-code"

        fault = await refused(client, "publish_llm_prompt", provider="", prompt="x")
        assert "/provider" in fault, fault
        assert "did you mean `llm.prompt`" in await refused(client, "publish_event", key="llm.promt", payload={})
        assert "is not a command" in await refused(client, "execute_command", key="llm.prompt", payload={})
        if "github" in arguments.without:
            assert "agents may not publish" in await refused(client, "publish_event", key="github.pr.created",
                                                             payload={"pr": 1})

        resources = (await client.list_resources()).resources
        uris = {str(resource.uri) for resource in resources}
        assert {"bloodbank://schemas/llm.prompt", "bloodbank://asyncapi"} <= uris, uris
        for resource in resources:
            content = (await client.read_resource(str(resource.uri))).contents[0]
            assert isinstance(json.loads(content.text), dict)
    print("everything holds")


asyncio.run(main(arguments()))
