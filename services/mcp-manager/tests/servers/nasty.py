"""A tool server that misbehaves on demand. Standard library only, so that it starts at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SIZE = {"type": "object", "properties": {"bytes": {"type": "integer", "minimum": 0}}, "required": ["bytes"]}
DESCRIPTIONS = {
    "echo": TEXT,
    "append": TEXT,
    "hang": EMPTY,
    "crash": EMPTY,
    "append_and_crash": TEXT,
    "append_and_hang": TEXT,
    "flood": SIZE,
    "flood_forever": EMPTY,
    "big": SIZE,
    "big_id_last": SIZE,
    "invalid_json": EMPTY,
    "garbage": EMPTY,
    "fail": EMPTY,
    "rpc_error": EMPTY,
    "grandchildren": EMPTY,
    "environment": EMPTY,
    "progress": EMPTY,
    "chatty": EMPTY,
    "stderr": TEXT,
    "structured": EMPTY,
    "wrong_structure": EMPTY,
    "pid": EMPTY,
}
OUTPUTS = {
    name: {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    for name in ("structured", "wrong_structure")
}


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(request: dict[str, Any], text: str, **more: Any) -> None:
    send({"id": request["id"], "result": {"content": [{"type": "text", "text": text}], **more}})


def append(text: str) -> None:
    with open(os.environ["NASTY_FILE"], "a") as file:  # noqa: PTH123
        file.write(text + "\n")


def call(request: dict[str, Any], name: str, arguments: dict[str, Any]) -> None:  # noqa: PLR0912
    match name:
        case "echo":
            answer(request, arguments["text"])
        case "append":
            append(arguments["text"])
            answer(request, "done")
        case "hang":
            time.sleep(600)
        case "crash":
            sys.stderr.write("about to crash on purpose\n")
            os._exit(3)
        case "append_and_crash":
            append(arguments["text"])
            os._exit(3)
        case "append_and_hang":
            append(arguments["text"])
            time.sleep(600)
        case "flood":
            line = "this is not a message\n" * 100
            for _ in range(arguments["bytes"] // len(line) + 1):
                sys.stdout.write(line)
            answer(request, "flooded")
        case "flood_forever":
            while True:
                sys.stdout.write("{ this is not a message either\n" * 100)
        case "big":
            answer(request, "x" * arguments["bytes"])
        case "big_id_last":
            payload = json.dumps({"content": [{"type": "text", "text": "x" * arguments["bytes"]}]})
            sys.stdout.write(f'{{"result":{payload},"jsonrpc":"2.0","id":{request["id"]}}}\n')
            sys.stdout.flush()
        case "invalid_json":
            sys.stdout.write(f'{{"jsonrpc": "2.0", "id": {request["id"]}, "result": {{"content": [}}\n')
            sys.stdout.flush()
        case "garbage":
            sys.stdout.write("Segmentation fault (just kidding)\n")
            sys.stdout.flush()
        case "fail":
            answer(request, "no such invoice", isError=True)
        case "rpc_error":
            send({"id": request["id"], "error": {"code": -32000, "message": "database is away"}})
        case "grandchildren":
            code = (
                "import os, sys, time, signal\n"
                "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "if os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n"
                "time.sleep(600)\n"
            )
            start, null = [sys.executable, "-c", code], subprocess.DEVNULL
            children = [subprocess.Popen(start, start_new_session=new, stdout=null) for new in (False, True)]
            time.sleep(0.3)
            answer(request, json.dumps({"pid": os.getpid(), "children": [child.pid for child in children]}))
        case "environment":
            answer(request, json.dumps(dict(os.environ)))
        case "progress":
            token = request["params"].get("_meta", {}).get("progressToken")
            for step in range(1, 4):
                notice = {"progressToken": token, "progress": step, "total": 3, "message": f"step {step}"}
                send({"method": "notifications/progress", "params": notice})
                time.sleep(0.02)
            answer(request, "done")
        case "chatty":
            notice = {"level": "info", "data": "x" * 100_000}
            send({"method": "notifications/message", "params": notice})
            send({"id": "s-1", "method": "roots/list"})
            answer(request, sys.stdin.readline())
        case "stderr":
            sys.stderr.write(arguments["text"] + "\n")
            answer(request, "written")
        case "structured":
            answer(request, "n is 5", structuredContent={"n": 5})
        case "wrong_structure":
            answer(request, "n is five", structuredContent={"n": "five"})
        case "pid":
            answer(request, json.dumps({"pid": os.getpid()}))


def tools() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "description": f"Does {name}.",
            "inputSchema": schema,
            **({"outputSchema": OUTPUTS[name]} if name in OUTPUTS else {}),
        }
        for name, schema in DESCRIPTIONS.items()
    ]


def main() -> None:
    if os.environ.get("NASTY_CRASH_AT_START"):
        sys.stderr.write("cannot find my configuration\n")
        sys.exit(4)
    if os.environ.get("NASTY_BANNER"):
        print("Welcome to nasty!", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        match request.get("method"):
            case "initialize":
                version = request["params"]["protocolVersion"]
                info = {"name": "nasty", "version": "1"}
                result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
                send({"id": request["id"], "result": result})
            case "tools/list":
                send({"id": request["id"], "result": {"tools": tools()}})
            case "tools/call":
                call(request, request["params"]["name"], request["params"].get("arguments", {}))
            case "ping":
                send({"id": request["id"], "result": {}})
            case _ if "id" in request:
                send({"id": request["id"], "error": {"code": -32601, "message": "method not found"}})


main()
