import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { MulticastError, multicastReason } from './errors.ts';
import { createOnLink, type LanNetwork, splitZone } from './lan-networks.ts';
import { lanGroup } from './lan-parameters.ts';
import type { HelloSource } from './lan-peer.ts';

/** Hellos on one network, while it is open. */
export interface HelloSocket extends AsyncDisposable {
  readonly network: LanNetwork;
  /** Nobody is told whether it arrives. */
  announce(bytes: Uint8Array): void;
  answer(to: HelloSource, bytes: Uint8Array): void;
}

/** What a socket tells its owner. */
export interface HelloSocketHandlers {
  readonly onHello: (bytes: Uint8Array, from: HelloSource) => void;
  /** It does not work, or not any longer. */
  readonly onError: (error: MulticastError) => void;
  /** A datagram came from elsewhere than the network. */
  readonly onStranger: () => void;
}

/** Opens hellos on a network; who disposes what it gives leaves the group. */
export type OpenHellos = (network: LanNetwork, handlers: HelloSocketHandlers) => Promise<HelloSocket>;

/**
 * Hellos by UDP multicast, neither leaving the link (TTL and hops 1). There are two sockets. One listens on the group's
 * port, which all processes of a machine share; a datagram for one process would reach any of them there. So the other,
 * bound to the network's address and a port of its own, sends, and gets the answers.
 * @throws {MulticastError}
 */
export async function openMulticast(network: LanNetwork, handlers: HelloSocketHandlers): Promise<HelloSocket> {
  await using stack = new AsyncDisposableStack();
  const fail = (error: unknown) => new MulticastError(multicastReason(error), network.name, error);
  const listen = (socket: Socket, isAnswer: boolean) => {
    const isOnLink = createOnLink(network);
    socket.on('error', (error) => handlers.onError(fail(error)));
    socket.on('message', (bytes, remote) => {
      const [address, zone] = splitZone(remote.address);
      if (!isOnLink(address) || (zone !== undefined && zone !== network.zone)) handlers.onStranger();
      else handlers.onHello(bytes, { family: network.family, address, port: remote.port, isAnswer });
    });
  };
  try {
    const heard = stack.adopt(newSocket(network), close);
    const own = stack.adopt(newSocket(network), close);
    await Promise.all([bind(heard, { port: lanGroup.port }), bind(own, { address: scoped(network.address, network) })]);
    heard.addMembership(lanGroup[network.family], interfaceOf(network));
    own.setMulticastInterface(interfaceOf(network));
    own.setMulticastTTL(1);
    own.setTTL(1);
    listen(heard, false);
    listen(own, true);
    const send = (bytes: Uint8Array, port: number, address: string) => {
      own.send(bytes, port, scoped(address, network), (error) => {
        if (error !== null) handlers.onError(fail(error));
      });
    };
    const rest = stack.move();
    return {
      network,
      announce: (bytes) => send(bytes, lanGroup.port, lanGroup[network.family]),
      answer: ({ port, address }, bytes) => send(bytes, port, address),
      [Symbol.asyncDispose]: () => rest.disposeAsync(),
    };
  } catch (error) {
    throw fail(error);
  }
}

function newSocket({ family }: LanNetwork): Socket {
  const socket = createSocket({
    type: family === 'ip4' ? 'udp4' : 'udp6',
    reuseAddr: true,
    ipv6Only: family === 'ip6',
  });
  socket.unref(); // hellos keep no process alive
  return socket;
}

async function bind(socket: Socket, to: { readonly port?: number; readonly address?: string }): Promise<void> {
  socket.bind({ exclusive: true, ...to });
  await once(socket, 'listening');
}

async function close(socket: Socket): Promise<void> {
  try {
    socket.close();
  } catch {
    return; // it is closed already
  }
  await once(socket, 'close');
}

function interfaceOf({ family, address, zone }: LanNetwork): string {
  return family === 'ip4' ? address : `::%${zone}`;
}

/** IPv6 addresses of a link say which link they are on. */
function scoped(address: string, { family, zone }: LanNetwork): string {
  const isOfLink = /^(fe80:|ff02:)/i.test(address);
  return family === 'ip6' && isOfLink ? `${address}%${zone}` : address;
}
