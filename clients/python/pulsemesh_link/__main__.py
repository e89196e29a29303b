"""A small program that shows the client: python3 -m pulsemesh_link --help."""

import argparse
import sys

from . import Identity, LinkError, Link, Relay, address_of_key, key_of_peer_id


def main():
    parser = argparse.ArgumentParser(prog='python3 -m pulsemesh_link', description='Talks to agents through a Pulsemesh relay.')
    parser.add_argument('--url', required=True, help='https://host:port of the relay')
    parser.add_argument('--server', help='the relay\'s peer id; without it only TLS says who it is')
    parser.add_argument('--identity', default='pulsemesh.key', help='file with this agent\'s key; made when it is not there')
    parser.add_argument('--transport', action='append', choices=['websocket', 'long-poll'], help='may be given twice')
    parser.add_argument('--ca', help='PEM file of certificates to trust')
    parser.add_argument('--proxy', help='http://[user:password@]host:port')
    parser.add_argument('--timeout', type=float, default=30.0, help='seconds')
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('whoami', help='prints this agent\'s peer id and the transport that passed')
    send = commands.add_parser('send', help='stores lines of standard input in an agent\'s mailbox (not sealed: a demonstration)')
    send.add_argument('to', help='peer id')
    receive = commands.add_parser('receive', help='prints what comes')
    receive.add_argument('--count', type=int, default=0, help='ends after so many; 0: never')
    request = commands.add_parser('request', help='one question, one answer')
    request.add_argument('to', help='peer id')
    request.add_argument('name')
    request.add_argument('text')
    arguments = parser.parse_args()
    identity = Identity.load_or_create(arguments.identity)
    transports = arguments.transport or ['websocket', 'long-poll']
    with Link(arguments.url, identity, arguments.server, transports, arguments.ca, arguments.proxy) as link:
        link.session(arguments.timeout)
        run(link, Relay(link), arguments)


def run(link, relay, arguments):
    if arguments.command == 'whoami':
        print(link.identity.peer_id, link.transport)
    elif arguments.command == 'send':
        for line in sys.stdin.buffer:
            relay.send(address(arguments.to), line.rstrip(b'\n'), timeout=arguments.timeout)
    elif arguments.command == 'receive':
        received = 0
        while arguments.count == 0 or received < arguments.count:
            print(relay.receive(timeout=float(2**31)).envelope.decode(errors='replace'), flush=True)
            received += 1
        relay.acknowledge()
    else:
        answer = relay.request(address(arguments.to), arguments.name, arguments.text.encode(), arguments.timeout)
        print(answer.decode(errors='replace'))


def address(peer_id):
    return address_of_key(key_of_peer_id(peer_id))


if __name__ == '__main__':
    try:
        main()
    except (LinkError, ValueError, OSError) as problem:
        sys.exit(f'pulsemesh: {problem}')
    except KeyboardInterrupt:
        pass
