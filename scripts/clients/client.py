"""Sends requests by one of Python's clients: client.py requests|httpx|aiohttp URL CASES COUNT."""

import asyncio
import json
import sys

kind, url, cases, count = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3])), int(sys.argv[4])
listed = [cases[(number * 7 + number // len(cases)) % len(cases)] for number in range(count)]
errors = []


def check(case, status, body):
    if case["status"] not in (0, status):
        errors.append(f"{case['method']} {case['path']}: {status}")
    elif case["path"] == "/openapi.json" and case["method"] == "GET":
        json.loads(body)


def headers(case):
    return {"Content-Type": "application/json"} if case["body"] else {}


def failed(case, error):
    errors.append(f"{case['method']} {case['path']} ({len(case['body'] or '')} bytes): {error!r}")


def by_requests():
    import requests
    session = requests.Session()
    for case in listed:
        try:
            answer = session.request(case["method"], url + case["path"], data=case["body"],
                                     headers=headers(case), timeout=60)
            check(case, answer.status_code, answer.content)
        except Exception as error:
            failed(case, error)


def by_httpx():
    import httpx
    with httpx.Client(timeout=60) as client:
        for case in listed:
            try:
                answer = client.request(case["method"], url + case["path"], content=case["body"],
                                        headers=headers(case))
                check(case, answer.status_code, answer.content)
            except Exception as error:
                failed(case, error)


async def by_aiohttp():
    import aiohttp
    left = iter(listed)

    async def work(session):
        for case in left:
            try:
                async with session.request(case["method"], url + case["path"], data=case["body"],
                                           headers=headers(case)) as answer:
                    check(case, answer.status, await answer.read())
            except Exception as error:
                failed(case, error)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work(session) for _ in range(8)))


if kind == "aiohttp":
    asyncio.run(by_aiohttp())
else:
    {"requests": by_requests, "httpx": by_httpx}[kind]()
for error in errors[:10]:
    print(error)
print(f"{count} requests, {len(errors)} errors")
sys.exit(1 if errors else 0)
