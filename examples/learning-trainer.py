"""A trainer in Python for federated learning: a site's node asks it, sealed, through a relay; it answers with new weights.

    PYTHONPATH=clients/python python3 examples/learning-trainer.py --url https://relay.example:8443 --server 12D3KooW… \
        --identity trainer.key --node PUBLIC_KEY_HEX --node-sealing-key SEALING_KEY_HEX

It answers only the node that is named. Here it trains a logistic regression with nothing but the standard library; put your own
model into `train` and `score`. The messages are described in packages/learning/README.md.
"""

import argparse
import array
import json
import math
import random
import sys
import threading

from pulsemesh_link import EnvelopeError, Identity, Link, Relay, open_envelope, seal_envelope

CONTEXT = 'pulsemesh/learning/trainer/1'
PARTS_MAX = 2731
RUNS_MAX = 4


def train(state, rows, labels, settings):
    """Weights after the local epochs: mini-batches of plain gradient descent, the bias last."""
    work, weights = settings['work'], list(state['weights'])
    chance = random.Random(settings['seed'])
    batch = work['batchSize']
    order = list(range(len(rows)))
    for _ in range(work['localEpochs']):
        chance.shuffle(order)
        for first in range(0, len(order), batch):
            part = order[first:first + batch]
            gradient = [0.0] * len(weights)
            for row in part:
                error = (score_of(weights, rows[row]) - labels[row]) / len(part)
                for index, value in enumerate(rows[row]):
                    gradient[index] += error * value
                gradient[-1] += error
            for index, start in enumerate(state['weights']):
                held = work['proximal'] * (weights[index] - start)
                weights[index] -= work['learningRate'] * (gradient[index] + held)
    return weights


def score_of(weights, row):
    total = weights[-1] + sum(weight * value for weight, value in zip(weights, row))
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))


def answer_whole(header, body):
    """Reads a whole message and gives the answer's numbers."""
    inputs, count, parameters = header['inputs'], header['rows'], header['parameters']
    numbers = array.array('f')
    floats = 4 * (2 * inputs + parameters + count * inputs)
    numbers.frombytes(body[:floats])
    if sys.byteorder == 'big':
        numbers.byteswap()
    labels = body[floats:]
    if len(labels) != count:
        raise ValueError('the body is not as long as its header says')
    means, scales = numbers[:inputs], numbers[inputs:2 * inputs]
    weights = numbers[2 * inputs:2 * inputs + parameters]
    values = numbers[2 * inputs + parameters:]
    rows = [[(values[row * inputs + index] - means[index]) * scales[index] for index in range(inputs)] for row in range(count)]
    if header['kind'] == 'train':
        return train({'weights': weights}, rows, labels, header['settings'])
    return [score_of(weights, row) for row in rows]


class Trainer:
    """Puts the parts of messages together and answers each: with nothing until the last, then with numbers."""

    def __init__(self):
        self._runs = {}
        self._lock = threading.Lock()

    def take(self, message):
        length = int.from_bytes(message[:4], 'little')
        header = json.loads(message[4:4 + length])
        if header['version'] != 1 or not 0 < header['parts'] <= PARTS_MAX:
            raise ValueError('another version, or too long')
        with self._lock:
            parts = self._runs.setdefault(header['run'], [])
            if header['part'] != len(parts):
                raise ValueError('a part out of order')
            parts.append(message[4 + length:])
            while len(self._runs) > RUNS_MAX:
                del self._runs[next(iter(self._runs))]
            if len(parts) < header['parts']:
                return b''
            del self._runs[header['run']]
        answer = array.array('f', answer_whole(header, b''.join(parts)))
        if sys.byteorder == 'big':
            answer.byteswap()
        return answer.tobytes()


def main():
    options = argparse.ArgumentParser(description='Trains for a site of a federated learning task.')
    options.add_argument('--url', required=True)
    options.add_argument('--server', required=True)
    options.add_argument('--identity', required=True)
    options.add_argument('--node', required=True, help="the node's public key, hex")
    options.add_argument('--node-sealing-key', required=True, help='from its contact card, hex')
    options.add_argument('--ca')
    given = options.parse_args()
    identity, node = Identity.load_or_create(given.identity), bytes.fromhex(given.node)
    trainer = Trainer()

    def answer(envelope, _caller):
        opened = open_envelope(identity, envelope, CONTEXT)
        # Whoever sealed it is who asks, whatever the relay says.
        if opened.sender_key != node:
            raise EnvelopeError('not the node that is trained for')
        return seal_envelope(identity, bytes.fromhex(given.node_sealing_key), trainer.take(opened.content), CONTEXT)

    with Link(given.url, identity, server=given.server, ca_file=given.ca) as link:
        relay = Relay(link)
        relay.answer('learning.train', answer)
        link.session(60)
        print(json.dumps({'publicKey': identity.public_key.hex(), 'sealingKey': identity.sealing_key.hex()}), flush=True)
        sys.stdin.read()


if __name__ == '__main__':
    main()
