"""Publishes payloads with the client that openapi-python-client made of an OpenAPI document.

    python generated_client.py DOCUMENT PAYLOADS FOLDER URL

PAYLOADS is a JSON object of payloads by the paths of the document. FOLDER holds the generated package `bloodbank_api`. Prints a line
of JSON for each payload: the operation, the status of the answer, and the id of the event.
"""

import importlib
import json
import re
import sys

document_file, payloads_file, folder, url = sys.argv[1:]
sys.path.insert(0, folder)
from bloodbank_api import Client  # noqa: E402

client = Client(base_url=url)
with open(document_file, encoding="utf-8") as file:
    document = json.load(file)
with open(payloads_file, encoding="utf-8") as file:
    payloads = json.load(file)
schemas = document["components"]["schemas"]

for path, payload in payloads.items():
    operation = document["paths"][path]["post"]
    content = operation["requestBody"]["content"]
    name = operation["operationId"]
    module = re.sub(r"\W", "", operation["tags"][0])
    endpoint = importlib.import_module(f"bloodbank_api.api.{module}.{name}")
    schema = schemas[content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]]
    model = getattr(importlib.import_module("bloodbank_api.models"), schema["title"])
    body = model.from_dict(payload)
    # The segments of the path that are fields of the payload.
    names = [parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "path"]
    fields = {field: getattr(body, field) for field in names}
    response = endpoint.sync_detailed(**fields, client=client, body=body)
    answer = response.parsed.to_dict() if response.parsed else {}
    print(json.dumps({"operation": name, "status": int(response.status_code), "event_id": answer.get("event_id")}))
