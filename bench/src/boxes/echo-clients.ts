import { Agent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { identityOfSeed } from '@pulsemesh/identity';
import { connectLink } from '@pulsemesh/link';
import { io } from 'socket.io-client';
import { type BoxWorld, dependencies, serverIdentity, type Way } from './box-world.ts';

/** A client that is connected: sends bytes through the box and waits for them to come back. */
export interface EchoClient {
  echo(): Promise<void>;
  /** The transport in use now. */
  transport(): string;
  close(): Promise<void>;
}

export interface EchoContender {
  readonly name: string;
  /** Connects; rejects when `signal` aborts. */
  connect(world: BoxWorld, signal: AbortSignal): Promise<EchoClient>;
}

const payload = new Uint8Array(64).fill(7);

export const ourLink: EchoContender = {
  name: 'ours',
  async connect({ link: way }, signal) {
    const identity = identityOfSeed(dependencies.random.bytes(32));
    const { url, proxy, trust } = way;
    const options = { url, proxy, trust, identity, server: serverIdentity.peerId, software: 'bench', signal };
    const link = await connectLink(options, dependencies);
    const stream = await link.open('echo', { signal });
    return {
      async echo() {
        stream.write(payload);
        await stream.receive();
      },
      transport: () => link.status.transport ?? 'none',
      close: async () => await link[Symbol.asyncDispose](),
    };
  },
};

/** Socket.IO 4.8 as its documentation configures it. */
export function socketIoClient(name: string, transports: readonly string[], tryAllTransports: boolean): EchoContender {
  return {
    name: `Socket.IO 4.8 ${name}`,
    async connect({ peer: way }, signal) {
      const ca = way.trust.caPems?.join('\n');
      // Its type says string or boolean; its code hands the agent on to Node.
      const agent = way.proxy.kind === 'none' ? {} : { agent: agentOf(way) as unknown as string };
      const options = { transports: [...transports], tryAllTransports, forceNew: true, reconnection: true };
      const socket = io(way.url, { ...options, ...(ca === undefined ? {} : { ca }), ...agent });
      try {
        await new Promise<void>((resolve, reject) => {
          socket.once('connect', resolve);
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      } catch (error) {
        socket.disconnect();
        throw error;
      }
      return {
        echo: () =>
          new Promise<void>((resolve) => {
            socket.once('m', () => resolve());
            socket.emit('m', payload);
          }),
        transport: () => socket.io.engine.transport.name,
        close: async () => void socket.disconnect(),
      };
    },
  };
}

/** One POST and its answer over a connection that stays: the least a box lets through costs. */
export const barePost: EchoContender = {
  name: 'bare POST',
  async connect({ peer: way }) {
    const agent = agentOf(way);
    return {
      echo: () => post(way, agent),
      transport: () => 'POST',
      close: async () => agent.destroy(),
    };
  },
};

function post(way: Way, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(`${way.url}/echo`, { method: 'POST', agent, headers: { 'content-length': 64 } });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      incoming.on('end', resolve);
      incoming.resume();
    });
    outgoing.end(payload);
  });
}

/** An agent whose connections go the way. */
function agentOf(way: Way): Agent {
  const agent = new Agent({ keepAlive: true });
  const url = new URL(way.url);
  const tls = { servername: url.hostname, alpn: ['http/1.1'] };
  agent.createConnection = (_options, onCreate) => {
    way.dialer.connect({ host: url.hostname, port: Number(url.port || 443), tls }).then(
      ({ socket }) => {
        socket.setNoDelay(true);
        onCreate?.(null, socket);
      },
      // Node's type wants a stream beside the error, its code does not.
      (error: Error) => onCreate?.(error, undefined as unknown as Duplex),
    );
    return undefined;
  };
  return agent;
}
