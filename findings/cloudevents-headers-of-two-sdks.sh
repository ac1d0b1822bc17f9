#!/usr/bin/env bash
# One CloudEvent in binary mode over HTTP, from the Python SDK to the JavaScript SDK and back.
#
# One would guess: attributes in headers come out of one SDK as they went into the other; the encoding of headers is what an
#   SDK is for.
# What happens: Python's percent-encodes spaces, quotes, percent signs and what is not ASCII, as the HTTP binding says.
#   JavaScript's neither decodes when it reads (`50%25%20off`), nor encodes when it writes: Python takes its `%41` for an
#   `A`. JavaScript's cuts `time` to milliseconds, and an integer or boolean extension comes back as text, `true` from
#   Python as `True`. In structured mode only the time is cut.
# Versions: cloudevents 2.2.0 for Python, cloudevents 10.0.0 for node.
# Why it matters here: events that are published in binary mode. Keep attributes to what needs no encoding, put free text and
#   numbers into the data, and take no attribute for a position or an exact time.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages cloudevents==2.2.0 python-dateutil==2.9.0.post0 six==1.17.0
node_packages cloudevents@10.0.0

cat >"$work/program.py" <<'PROGRAM'
import json
import sys
from datetime import datetime, timezone

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

NAMES = ("subject", "time", "position", "final")


def write():
    attributes = {
        "id": "1",
        "source": "/orders",
        "type": "order.paid",
        "specversion": "1.0",
        "subject": '50% off "Zoë"',
        "time": datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc),
        "position": 7,
        "final": True,
        "datacontenttype": "application/json",
    }
    event = CloudEvent(attributes, {"total": 5})
    messages = {"binary": to_binary_event(event), "structured": to_structured_event(event)}
    print(json.dumps({mode: {"headers": dict(message.headers), "body": message.body.decode()} for mode, message in messages.items()}))


def read():
    for mode, message in json.load(sys.stdin).items():
        headers = {name: value if isinstance(value, str) else json.dumps(value) for name, value in message["headers"].items()}
        attributes = from_http_event(HTTPMessage(headers, message["body"].encode())).get_attributes()
        shown = {name: str(attributes[name]) if name == "time" else attributes[name] for name in NAMES if name in attributes}
        print(f"from JavaScript to Python, {mode}: {json.dumps(shown, ensure_ascii=False)}")


globals()[sys.argv[1]]()
PROGRAM

cat >"$work/program.mjs" <<'PROGRAM'
import { readFileSync, writeFileSync } from 'node:fs';
import { CloudEvent, HTTP } from 'cloudevents';

for (const [mode, { headers, body }] of Object.entries(JSON.parse(readFileSync('python.json')))) {
    const { subject, time, position, final } = HTTP.toEvent({ headers, body });
    console.log(`from Python to JavaScript, ${mode}: ${JSON.stringify({ subject, time, position, final })}`);
}
const event = new CloudEvent({
    id: '1',
    source: '/orders',
    type: 'order.paid',
    subject: '%41 off',
    time: '2026-01-02T03:04:05.123456Z',
    position: 7,
    final: true,
    datacontenttype: 'application/json',
    data: { total: 5 },
});
writeFileSync('javascript.json', JSON.stringify({ binary: HTTP.binary(event), structured: HTTP.structured(event) }));
PROGRAM

cd "$work"
python3 program.py write >python.json
{
    node program.mjs
    python3 program.py read <javascript.json
} >seen

expect "$work/seen" <<'EXPECTED'
from Python to JavaScript, binary: {"subject":"50%25%20off%20%22Zo%C3%AB%22","time":"2026-01-02T03:04:05.123Z","position":"7","final":"True"}
from Python to JavaScript, structured: {"subject":"50% off \"Zoë\"","time":"2026-01-02T03:04:05.123Z","position":7,"final":true}
from JavaScript to Python, binary: {"subject": "A off", "time": "2026-01-02 03:04:05.123000+00:00", "position": "7", "final": "true"}
from JavaScript to Python, structured: {"subject": "%41 off", "time": "2026-01-02 03:04:05.123000+00:00", "position": 7, "final": true}
EXPECTED
