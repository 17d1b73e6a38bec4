"""Runs the compliance tester of scim2-tester against a server and prints one JSON line: how many checks ended how, and
every check that found something. Arguments: the base URL, the bearer token."""
import json
import sys
from collections import Counter

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server

url, token = sys.argv[1:]
client = SyncSCIMClient(httpx2.Client(base_url=url, headers={"Authorization": "Bearer " + token}, timeout=30))
results = check_server(client)
good = {"SUCCESS", "COMPLIANT", "ACCEPTABLE"}
print(json.dumps({
    "counts": Counter(r.status.name for r in results),
    "found": [f"{r.status.name} {r.resource_type} {r.title}: {r.reason}" for r in results if r.status.name not in good],
}))
