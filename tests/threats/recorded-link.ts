import { connect, createServer, type Socket } from 'node:net';
import {
  type Carrier,
  type ClientSession,
  createClientSession,
  createDialer,
  createNodeConnectors,
  drawCarrierId,
  type LinkIdentity,
  type LinkSession,
  type TransportName,
} from '@pulsemesh/link';
import type { RelayLink } from '@pulsemesh/relay/client';
import { dependencies, relayIdentity } from './relayed-agents.ts';

const connectors = createNodeConnectors({
  ...dependencies,
  dialer: createDialer({ proxy: { kind: 'none' } }, dependencies),
});

/** A carrier of one transport to the server at `url`. */
export async function openCarrier(transport: TransportName, url: string): Promise<Carrier> {
  const connector = connectors[transport];
  if (connector === undefined) throw new Error(`no ${transport} here`);
  const id = drawCarrierId(dependencies.random);
  return connector({ url: new URL(url), id, signal: new AbortController().signal });
}

/** A link on one transport that keeps every packet that goes and comes, and lets old ones come again. */
export class RecordedLink implements RelayLink, AsyncDisposable {
  readonly sent: Uint8Array[] = [];
  readonly received: Uint8Array[] = [];
  readonly #identity: LinkIdentity;
  readonly #handlers = new Set<(session: LinkSession) => void>();
  #client: ClientSession | null = null;
  #deliver: (packet: Uint8Array) => void = () => {};

  constructor(identity: LinkIdentity) {
    this.#identity = identity;
  }

  get session(): LinkSession | null {
    return this.#client;
  }

  onSession(handler: (session: LinkSession) => void): Disposable {
    this.#handlers.add(handler);
    if (this.#client !== null) handler(this.#client);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** A new session on this transport, after the old one. */
  async renew(transport: TransportName, url: string): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
    const { peerId: server } = relayIdentity;
    const client = createClientSession({ identity: this.#identity, server, software: 'recorded' }, dependencies);
    const attach = async () => {
      const carrier = this.#record(await openCarrier(transport, url));
      await client.attach(carrier);
      client.use(carrier);
    };
    // Who replays under the id of a poll may cut it: the session goes on with another carrier.
    client.onCarrierClosed((_carrier, _reason, wasActive) => {
      if (wasActive && client.status.state !== 'closed') attach().catch(() => {});
    });
    await attach();
    await client.established;
    this.#client = client;
    for (const handler of this.#handlers) handler(client);
  }

  #record(carrier: Carrier): Carrier {
    return {
      transport: carrier.transport,
      id: carrier.id,
      get packetBytesMax() {
        return carrier.packetBytesMax;
      },
      get isWritable() {
        return carrier.isWritable;
      },
      get connection() {
        return carrier.connection;
      },
      start: (handler) => {
        this.#deliver = (packet) => handler.onPacket(packet);
        carrier.start({
          ...(handler.onLost === undefined ? {} : { onLost: () => handler.onLost?.() }),
          onPacket: (packet) => {
            this.received.push(packet.slice());
            handler.onPacket(packet);
          },
          onWritable: () => handler.onWritable(),
          onClosed: (reason) => handler.onClosed(reason),
        });
      },
      send: (packet) => {
        this.sent.push(packet.slice());
        carrier.send(packet);
      },
      close: (reason) => carrier.close(reason),
    };
  }

  /** As if the server, or somebody in between, sent these once more. */
  deliverAgain(packets: readonly Uint8Array[]): void {
    for (const packet of packets) this.#deliver(packet.slice());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
  }
}

/** Passes TCP connections on and keeps what each client said, from its first byte to its last. */
export class RecordingProxy implements AsyncDisposable {
  readonly url: string;
  readonly #target: number;
  readonly #said: Buffer[][];
  readonly #close: () => Promise<void>;

  private constructor(target: number, port: number, said: Buffer[][], close: () => Promise<void>) {
    this.#target = target;
    this.url = `http://127.0.0.1:${port}`;
    this.#said = said;
    this.#close = close;
  }

  static async start(target: number): Promise<RecordingProxy> {
    const said: Buffer[][] = [];
    const sockets = new Set<Socket>();
    const server = createServer((front) => {
      const words: Buffer[] = [];
      said.push(words);
      const back = connect({ host: '127.0.0.1', port: target });
      front.on('data', (bytes) => void words.push(bytes));
      front.pipe(back).pipe(front);
      for (const [socket, other] of [
        [front, back],
        [back, front],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return new RecordingProxy(target, port, said, async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  get connections(): number {
    return this.#said.length;
  }

  /** Says to the server, on new connections, all that clients said; ends each when the server has answered or hung up. */
  async sayAgain(): Promise<number> {
    const answers = await Promise.all(this.#said.map((words) => sayTo(this.#target, Buffer.concat(words))));
    return answers.filter((isAnswered) => isAnswered).length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function sayTo(port: number, bytes: Buffer): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.on('close', () => resolve(false));
  socket.on('data', () => {
    resolve(true);
    socket.end();
  });
  // Said to the end before it is hung up: the first answer can come before that.
  socket.write(bytes);
  return promise;
}
