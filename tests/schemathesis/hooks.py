"""Proves the sender of three in four requests that schemathesis makes up, and counts what became of them.

The proof is made over the bytes that go out, so it is added last. One in four keeps what was made up for
it: a proof that is missing or wrong has documented answers too.
"""

import atexit
import base64
import collections
import hashlib
import hmac
import itertools
import json
import os
import time
import urllib.parse
import uuid

import requests
import schemathesis

EVENTBRIDGE_KEY = os.environ["EVENTBRIDGE_KEY"]
TRIGGER_KEY = os.environ["TRIGGER_KEY"].encode()
# Signs a message as the sandbox's SNS does.
SIGNER = os.environ["SIGNER"]
SUMMARY = os.environ["SUMMARY"]

# What the answers say where the sender is not proved.
UNPROVED = {401, 403, 429}

numbers = collections.defaultdict(itertools.count)
statuses = collections.defaultdict(collections.Counter)
# Calls of the hooks, and those of them that a proof let in.
asked = passed = 0
slowest = 0.0


class Sender(requests.auth.AuthBase):
    def __call__(self, request):
        path = urllib.parse.urlsplit(request.url).path
        sign = SENDERS.get(path)
        if request.method == "POST" and sign and next(numbers[path]) % 4 != 3:
            sign(request)
            request.proved = True
        return request


def content(request):
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)


def eventbridge(request):
    request.headers["x-api-key"] = EVENTBRIDGE_KEY


def trigger(request):
    message, now = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    text = b".".join([message.encode(), now.encode(), content(request)])
    signature = base64.b64encode(hmac.digest(TRIGGER_KEY, text, hashlib.sha256)).decode()
    request.headers.update(
        {"webhook-id": message, "webhook-timestamp": now, "webhook-signature": f"v1,{signature}"}
    )


def sns(request):
    """The text that was made up as `Message`, or else the whole body, in a message that is signed."""
    text = content(request).decode(errors="replace")
    try:
        text = json.loads(text)["Message"]
    except (KeyError, TypeError, ValueError):
        pass
    signed = requests.post(SIGNER, data=str(text).encode(errors="replace"), timeout=10)
    signed.raise_for_status()
    request.prepare_body(signed.content, None)
    request.headers["x-amz-sns-message-type"] = "Notification"
    request.headers.pop("x-amz-sns-rawdelivery", None)


SENDERS = {"/hooks/eventbridge": eventbridge, "/hooks/trigger": trigger, "/hooks/sns": sns}

schemathesis.auth.set_from_requests(Sender())


@schemathesis.hook
def after_call(context, case, response):
    global slowest, asked, passed
    slowest = max(slowest, response.elapsed)
    if case.method == "POST" and case.operation.path in SENDERS:
        asked += 1
        passed += getattr(response.request, "proved", False) and response.status_code not in UNPROVED
    statuses[f"{case.method} {case.operation.path}"][response.status_code] += 1


@atexit.register
def tell():
    calls = sum(sum(counts.values()) for counts in statuses.values())
    share = passed / asked if asked else None
    for place, counts in sorted(statuses.items()):
        print(f"{place:24} " + ", ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
    print(f"{calls} calls, the slowest answer took {slowest:.2f} s")
    if share is not None:
        print(f"{passed} of {asked} calls of the hooks ({share:.0%}) passed authentication")
    with open(SUMMARY, "w") as file:
        json.dump({"calls": calls, "share": share}, file)
