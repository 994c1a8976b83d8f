"""Florin as clients see it that know nothing of its code; scripts/foreign_clients runs this.

kcat asks for deposits, Python's confluent-kafka for withdrawals, Kafka's Java console producer for
transfers: each request twice, some that a rule refuses, and one message a client that is no request.
Then Florin stops, and

- kcat, confluent-kafka and the Java console consumer, each with read_committed, read the same messages
  from every topic: place, key, headers, value;
- every event's key is its `ce_subject` and lies in the partition that Java's murmur2 gives it; `ce_id` is
  unique, and a key's events come in the order of their records;
- what is told is what `florin export` holds, each once: by type, record and amount;
- the balances are what the requests come to, each counted once.
"""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
import uuid

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    Producer,
    TopicPartition,
)

FLORIN, KAFKA, WORK, REQUESTS = (*sys.argv[1:4], int(sys.argv[4]))
BROKERS = os.environ["KAFKA_BROKERS"]
ACCOUNTS = 7
FIRST_DEPOSIT = 1_000_000
TOO_MUCH = 9_000_000_000
WAIT_SECONDS = 120
ASKED = ["deposit-requests", "withdrawal-requests", "transfer-requests"]
# The topics on which an event may be told, by the kind of its command and what came of it.
TOLD = {
    ("open_account", "completed"): {"account-events": 1},
    ("deposit", "completed"): {"transaction-events": 2, "deposit-completed": 1},
    ("deposit", "refused"): {"transaction-events": 1, "deposit-failed": 1},
    ("withdrawal", "completed"): {"transaction-events": 2, "withdrawal-responses": 1},
    ("withdrawal", "refused"): {"transaction-events": 1, "withdrawal-responses": 1},
    ("transfer", "completed"): {"transaction-events": 2, "transfer-responses": 1},
    ("transfer", "refused"): {"transaction-events": 1, "transfer-responses": 1},
}

Message = collections.namedtuple("Message", "topic partition offset key headers value")


def murmur2(data):
    """Java's partitioner's hash of a key, without its sign."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return (h ^ (h >> 15)) & 0x7FFFFFFF


def until(what, condition):
    """Waits for a condition, and gives what it gave."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            sys.exit(f"not within {WAIT_SECONDS} s: {what}")
        time.sleep(0.1)


class Florin:
    """A server of this run's own."""

    def __init__(self):
        self.data = os.path.join(WORK, "data")
        self.log = open(os.path.join(WORK, "florin.log"), "w+")
        environment = dict(os.environ, FLORIN__KAFKA__BROKERS=BROKERS)
        command = [FLORIN, "serve", "--port", "0", "--data-dir", self.data]
        # Away from the repository: no settings file is found there.
        self.process = subprocess.Popen(
            command, cwd=WORK, env=environment, stdout=self.log, stderr=self.log
        )
        self.base = until("Florin listens", self.address)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def address(self):
        if self.process.poll() is not None:
            sys.exit(open(self.log.name).read())
        for line in open(self.log.name):
            if line.startswith("Florin listens on http:"):
                return line.split()[3].rstrip(",")
        return None

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data, headers)
        with self.opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def account(self):
        body = {"holder_name": "Ada Lovelace", "country_code": "GB"}
        account = self.ask("/accounts", body)["id"]
        self.ask(f"/accounts/{account}/deposit", {"amount": FIRST_DEPOSIT})
        return account

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            sys.exit(open(self.log.name).read())

    def export(self):
        lines = subprocess.run(
            [FLORIN, "export", "--data-dir", self.data], check=True, capture_output=True
        ).stdout.splitlines()
        return [json.loads(line) for line in lines]


def request(amount, **ends):
    return {
        "operation_id": str(uuid.uuid4()),
        "amount": amount,
        "timestamp": "2025-01-01T00:00:00Z",
        "idempotency_key": str(uuid.uuid4()),
        **ends,
    }


def by_kcat(topic, messages):
    lines = "".join(f"{key}\t{value}\n" for key, value in messages)
    command = ["kcat", "-P", "-b", BROKERS, "-t", topic, "-K", "\t"]
    subprocess.run(command, input=lines, text=True, check=True)


def by_python(topic, messages):
    failed = []
    producer = Producer({"bootstrap.servers": BROKERS})
    for key, value in messages:
        noted = lambda error, _: failed.append(error) if error else None  # noqa: E731
        producer.produce(topic, value, key, on_delivery=noted)
        producer.poll(0)
    producer.flush(30)
    assert not failed, failed


def by_java(topic, messages):
    lines = "".join(f"{key}\t{value}\n" for key, value in messages)
    command = [KAFKA, "tool", "kafka-console-producer", "--topic", topic]
    command += ["--reader-property", "parse.key=true"]
    subprocess.run(command, input=lines, text=True, check=True, stdout=subprocess.PIPE)


def caught_up():
    """Whether Florin has taken everything that was asked for."""
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": "ledger-service"})
    try:
        for topic in ASKED:
            partitions = consumer.list_topics(topic, 10).topics[topic].partitions
            wanted = [TopicPartition(topic, partition) for partition in partitions]
            for one in consumer.committed(wanted, 10):
                low, high = consumer.get_watermark_offsets(one, 10)
                if high > low and one.offset < high:
                    return False
        return True
    finally:
        consumer.close()


def read_by_python():
    settings = {
        "bootstrap.servers": BROKERS,
        "group.id": "foreign-python",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
    consumer = Consumer(settings)
    open_ends = set()
    for name, topic in consumer.list_topics(timeout=10).topics.items():
        if not name.startswith("__") and not name.endswith(".cursor"):
            open_ends |= {(name, partition) for partition in topic.partitions}
    consumer.assign([TopicPartition(*one, OFFSET_BEGINNING) for one in open_ends])
    found, deadline = [], time.monotonic() + WAIT_SECONDS
    while open_ends:
        assert time.monotonic() < deadline, open_ends
        message = consumer.poll(1)
        if message is None:
            continue
        error = message.error()
        if error is None:
            headers = tuple(
                (name, value.decode()) for name, value in message.headers() or ()
            )
            found.append(
                Message(
                    message.topic(),
                    message.partition(),
                    message.offset(),
                    message.key().decode(),
                    headers,
                    message.value().decode(),
                )
            )
        elif error.code() == KafkaError._PARTITION_EOF:
            open_ends.discard((message.topic(), message.partition()))
        else:
            sys.exit(str(error))
    consumer.close()
    return sorted(found)


def read_by_kcat(topics):
    found = []
    for topic in topics:
        command = ["kcat", "-C", "-b", BROKERS, "-t", topic, "-o", "beginning"]
        command += ["-e", "-q", "-J", "-X", "isolation.level=read_committed"]
        lines = subprocess.run(command, check=True, capture_output=True).stdout
        for line in lines.splitlines():
            one = json.loads(line)
            flat = one.get("headers", [])
            headers = tuple(zip(flat[::2], flat[1::2]))
            place = (one["topic"], one["partition"], one["offset"])
            found.append(Message(*place, one["key"], headers, one["payload"]))
    return sorted(found)


def read_by_java(counts):
    found = []
    shown = ["partition", "offset", "headers", "key"]
    for topic, count in counts.items():
        command = [KAFKA, "tool", "kafka-console-consumer", "--topic", topic]
        command += ["--from-beginning", "--isolation-level", "read_committed"]
        command += ["--max-messages", str(count), "--timeout-ms", "30000"]
        for name in shown:
            command += ["--formatter-property", f"print.{name}=true"]
        command += ["--formatter-property", "headers.separator=|"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True)
        for line in lines.stdout.splitlines():
            partition, offset, flat, key, value = line.split("\t", 4)
            pairs = [] if flat == "NO_HEADERS" else flat.split("|")
            headers = tuple(tuple(pair.split(":", 1)) for pair in pairs)
            place = (int(partition.split(":")[1]), int(offset.split(":")[1]))
            found.append(Message(topic, *place, key, headers, value))
    return sorted(found)


def same(one, other, who):
    missing, more = sorted(set(one) - set(other)), sorted(set(other) - set(one))
    assert len(one) == len(other), (who, len(one), len(other), missing[:2], more[:2])
    assert not missing and not more, (who, missing[:2], more[:2])


def hold(messages, records, partitions):
    """Checks the events against each other and against the journal."""
    told = collections.Counter()
    ids, last = set(), {}
    by_sequence = {record["sequence"]: record for record in records}
    for message in messages:
        if message.topic.endswith(".dlq") or message.topic in ASKED:
            continue
        headers = dict(message.headers)
        assert len(headers) == len(message.headers), message
        assert headers["ce_specversion"] == "1.0", message
        assert headers["ce_subject"] == message.key, message
        where = murmur2(message.key.encode()) % partitions[message.topic]
        assert where == message.partition, message
        assert headers["ce_id"] not in ids, message
        ids.add(headers["ce_id"])
        sequence, value = int(headers["ce_sequence"]), json.loads(message.value)
        assert sequence >= last.get((message.topic, message.key), 0), message
        last[message.topic, message.key] = sequence
        record = by_sequence[sequence]
        told[sequence, message.topic] += 1
        if message.topic == "transaction-events":
            amount = record["command"]["amount"]
            # Of what was refused the currency, and so the amount's form, isn't known.
            written = f"{amount // 100}.{amount % 100:02}"
            failed = value["status"] == "FAILED"
            assert value["amount"] == (None if failed else written), message
        elif message.topic != "account-events":
            assert value["amount"] == record["command"]["amount"], message
            assert value.get("idempotency_key") == record["idempotency_key"], message
    wanted = collections.Counter()
    for record in records:
        kind, status = record["command"]["kind"], record["outcome"]["status"]
        if status == "refused" and not (record["idempotency_key"] or record["input"]):
            continue
        for topic, count in TOLD[kind, status].items():
            wanted[record["sequence"], topic] = count
    assert told == wanted, (told - wanted, wanted - told)
    return sum(told.values())


def main():
    florin = Florin()
    accounts = [florin.account() for _ in range(ACCOUNTS)]
    balances = {account: FIRST_DEPOSIT for account in accounts}
    chance = random.Random(1)
    deposits, withdrawals, transfers = [], [], []
    for number in range(REQUESTS):
        one, other = chance.sample(accounts, 2)
        amount = chance.randint(1, 100)
        deposits.append((one, request(amount, account_id=one)))
        balances[one] += amount
        refused = number % 10 == 0
        amount = TOO_MUCH if refused else chance.randint(1, 100)
        withdrawals.append((one, request(amount, account_id=one)))
        balances[one] -= 0 if refused else amount
        ends = {"from_account_id": one, "to_account_id": one if refused else other}
        transfers.append((one, request(7, **ends)))
        if not refused:
            balances[one] -= 7
            balances[other] += 7
    for produce, topic, asked in (
        (by_kcat, "deposit-requests", deposits),
        (by_python, "withdrawal-requests", withdrawals),
        (by_java, "transfer-requests", transfers),
    ):
        lines = [(key, json.dumps(value)) for key, value in asked]
        produce(topic, [*lines, (accounts[0], "this is no request"), *lines])
    until("all requests are taken", caught_up)
    until("all is published", lambda: florin.ask("/health")["outbox"]["records"] == 0)
    for account, balance in balances.items():
        shown = florin.ask(f"/accounts/{account}/balance")["balance"]
        assert shown == balance, (account, shown, balance)
    florin.stop()

    by_python_read = read_by_python()
    counts = collections.Counter(message.topic for message in by_python_read)
    same(by_python_read, read_by_kcat(counts), "kcat")
    same(by_python_read, read_by_java(counts), "the Java console consumer")
    for topic in ASKED:
        assert counts[topic] == 2 * REQUESTS + 1, counts
        assert counts[f"{topic}.dlq"] == 1, counts
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": "foreign-python"})
    topics = consumer.list_topics(timeout=10).topics
    consumer.close()
    partitions = {name: len(topic.partitions) for name, topic in topics.items()}
    events = hold(by_python_read, florin.export(), partitions)
    print(
        f"{3 * REQUESTS} requests by kcat, confluent-kafka and Java, each sent twice, and 3 that are none: "
        f"{events} events, each read once by all three, as the journal has them"
    )


main()
