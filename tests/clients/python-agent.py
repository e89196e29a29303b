"""The Python client as a process of a test: commands come as lines of JSON, each is answered by one line."""

import json
import queue
import sys
import threading

from pulsemesh_link import Contact, Identity, Link, LinkError, Relay, open_envelope, seal_envelope

config = json.loads(sys.argv[1])
identity = Identity(bytes.fromhex(config.pop('seed')))
writing = threading.Lock()
topics = queue.Queue()


def say(**answer):
    with writing:
        print(json.dumps(answer), flush=True)


def echo(stream, _caller):
    for message in stream:
        stream.send(message)


def cut_after(number, command):
    if (number + 1) % command.get('cutEvery', 1_000_000) == 0:
        link.cut()


def perform(command):
    kind, to = command['do'], bytes.fromhex(command.get('to', ''))
    if kind == 'status':
        link.session(command.get('seconds', 20))
        return {'transport': link.transport, 'address': identity.address.hex(), 'carriers': link.carriers_count,
                'sessions': link.sessions_count}
    if kind == 'carriers':
        # Answers how many sessions there were by then.
        while link.carriers_count < command['count']:
            threading.Event().wait(0.02)
        return link.sessions_count
    if kind == 'send':
        for number in range(command['count']):
            relay.send(to, f'{command["text"]} {number}'.encode(), wait=False)
            cut_after(number, command)
        relay.flush()
        return True
    if kind == 'receive':
        texts = []
        for number in range(command['count']):
            texts.append(relay.receive(30).envelope.decode())
            cut_after(number, command)
        relay.acknowledge()
        return texts
    if kind == 'request':
        return relay.request(to, command['name'], command['text'].encode()).decode()
    if kind == 'stream':
        # One message after the other, of the lengths given; answers the lengths that came back the same.
        stream = relay.stream(to, command['name'])
        same = []
        for length in command['lengths']:
            message = bytes(number % 251 for number in range(length))
            stream.send(message)
            if stream.receive() == message:
                same.append(length)
        stream.end()
        return {'same': same, 'end': stream.receive()}
    if kind == 'use':
        link.use(command['transport'])
        return True
    if kind == 'subscribe':
        relay.subscribe(to, topics.put)
        return True
    if kind == 'topic':
        return topics.get(timeout=30).decode()
    if kind == 'publish':
        relay.publish(to, command['text'].encode())
        return True
    if kind == 'seal':
        sealing_key = bytes.fromhex(command['key'])
        return seal_envelope(identity, sealing_key, command['text'].encode(), command['context']).hex()
    if kind == 'sendSealed':
        contact = Contact(bytes.fromhex(command['publicKey']), bytes.fromhex(command['sealingKey']))
        return relay.send_sealed(contact, command['text'].encode()).hex()
    if kind == 'receiveSealed':
        sender, content = relay.open_sealed(relay.receive(30))
        relay.acknowledge()
        return {'from': sender.hex(), 'text': content.decode()}
    if kind == 'open':
        opened = open_envelope(identity, bytes.fromhex(command['envelope']), command['context'])
        return {'from': opened.sender_key.hex(), 'text': opened.content.decode()}
    raise ValueError(kind)


def run(command):
    try:
        say(id=command['id'], value=perform(command))
    except LinkError as error:
        say(id=command['id'], error=error.code)


with Link(identity=identity, **config) as link:
    relay = Relay(link)
    relay.serve('python.echo', echo)
    relay.answer('python.reverse', lambda message, _caller: message[::-1])
    for line in sys.stdin:
        threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
