import assert from 'node:assert/strict';
import { Condition, createSeededRandom, type Random } from '@pulsemesh/base';
import { equalBytes, toHex } from '@pulsemesh/wire';
import { type Carrier, type CarrierHandler, type TransportName, transportNames } from '../carrier.ts';

/** The two functions of a test runner that a contract suite uses. */
export interface ContractRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}

/** Both ends of one carrier, connected and started. Disposing closes them and whatever was opened for them. */
export interface CarrierPair extends AsyncDisposable {
  readonly client: Carrier;
  readonly server: Carrier;
  /** Cuts every connection below the carrier, without a word. Absent where there is none (a folder). */
  cut?(): void;
}

/** A transport as the contract tests it. */
export interface CarrierSubject {
  readonly name: string;
  readonly transport: TransportName;
  /** Opens a pair; each end is started with its handler at once. */
  connect(client: CarrierHandler, server: CarrierHandler): Promise<CarrierPair>;
  /**
   * Whose closing is heard of at the other end at once. Where it is not, the other end finds out by its own limits (a stream or poll
   * nobody asks for any more), and the contract does not wait for it.
   */
  readonly tellsClose: { readonly client: boolean; readonly server: boolean };
}

/** What every {@link Carrier} does, both ends of it, over real connections. */
export function runCarrierContract(runner: ContractRunner, subject: CarrierSubject): void {
  const { describe, it } = runner;
  describe(`${subject.name}: the contract of a Carrier`, () => {
    describeIdentity(it, subject);
    describeCarrying(it, subject);
    describeEnds(it, subject);
  });
}

type It = ContractRunner['it'];

function describeIdentity(it: It, subject: CarrierSubject): void {
  it('says what it is at both ends', async () => {
    await using pair = await openPair(subject);
    for (const { carrier } of [pair.client, pair.server]) {
      assert.equal(carrier.transport, subject.transport);
      assert.ok(transportNames.includes(carrier.transport));
      assert.match(carrier.id, /^[0-9a-f]{32}$/);
      assert.ok(carrier.packetBytesMax >= 4096);
    }
  });
}

function describeCarrying(it: It, subject: CarrierSubject): void {
  it('carries packets of every length up to its limit, both ways, unchanged', async () => {
    await using pair = await openPair(subject);
    const random = createSeededRandom(1);
    const max = Math.min(pair.client.carrier.packetBytesMax, pair.server.carrier.packetBytesMax);
    const lengths = [1, 2, 125, 126, 127, 1000, 16_384, 65_535, 65_536, max];
    for (const [from, to] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      for (const length of lengths) {
        const packet = random.bytes(length);
        await from.sendWhenWritable(packet);
        assert.ok(equalBytes(await to.nextPacket(), packet), `a packet of ${length} bytes`);
      }
    }
  });

  it('carries each of many packets once, both ways at the same time', async () => {
    await using pair = await openPair(subject);
    const random = createSeededRandom(2);
    const up = manyPackets(random, 300);
    const down = manyPackets(random, 300);
    await Promise.all([pair.client.sendAll(up), pair.server.sendAll(down)]);
    assertSame(await pair.server.packets(up.length), up);
    assertSame(await pair.client.packets(down.length), down);
  });

  it('gives bytes that stay as they are when more arrive', async () => {
    await using pair = await openPair(subject);
    const random = createSeededRandom(3);
    const sent = manyPackets(random, 50);
    await pair.client.sendAll(sent);
    const received = await pair.server.packets(sent.length);
    const before = received.map(toHex);
    await pair.client.sendAll(manyPackets(random, 50));
    await pair.server.packets(50);
    assert.ok(received.map(toHex).join() === before.join());
  });

  it('answers what the other end sends from within its handler', async () => {
    await using pair = await openPair(subject);
    pair.server.answer = (packet) => pair.server.carrier.send(packet);
    const random = createSeededRandom(4);
    for (let round = 0; round < 20; round += 1) {
      const packet = random.bytes(1 + random.integer(500));
      await pair.client.sendWhenWritable(packet);
      assert.ok(equalBytes(await pair.client.nextPacket(), packet));
    }
  });
}

function describeEnds(it: It, subject: CarrierSubject): void {
  for (const side of ['client', 'server'] as const) {
    it(`closes in good order from the ${side}, once, and says nothing after it`, async () => {
      await using pair = await openPair(subject);
      const [near, far] = side === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
      near.carrier.close(null);
      assert.deepEqual(near.ends, [null]);
      near.carrier.close(new Condition('test', 'a second close changes nothing'));
      near.carrier.send(new Uint8Array(10));
      assert.deepEqual(near.ends, [null]);
      assert.equal(near.carrier.isWritable, false);
      if (subject.tellsClose[side]) await far.closed();
      assert.equal(far.eventsAfterEnd + near.eventsAfterEnd, 0);
    });

    it(`closes from the ${side} with a reason`, async () => {
      await using pair = await openPair(subject);
      const [near, far] = side === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
      const reason = new Condition('test', 'over', { retryable: true });
      near.carrier.close(reason);
      assert.deepEqual(near.ends, [reason]);
      if (subject.tellsClose[side]) await far.closed();
      assert.equal(far.eventsAfterEnd + near.eventsAfterEnd, 0);
    });
  }

  it('after a cut ends or goes on at each end, and never gives a packet that was not sent', async () => {
    await using pair = await openPair(subject);
    if (pair.pair.cut === undefined) return;
    const random = createSeededRandom(5);
    const known = new Set<string>();
    const draw = () => {
      const packet = random.bytes(2000);
      known.add(toHex(packet));
      return packet;
    };
    await pair.client.sendWhenWritable(draw());
    await pair.server.nextPacket();
    await pair.server.sendWhenWritable(draw());
    await pair.client.nextPacket();
    for (const end of [pair.client, pair.server]) if (end.carrier.isWritable) end.carrier.send(draw());
    pair.pair.cut();
    await pair.client.closedOrWritable();
    if (pair.client.ends.length === 0 || subject.tellsClose.client) await pair.server.closedOrWritable();
    for (const end of [pair.client, pair.server]) {
      for (const packet of end.taken()) assert.ok(known.has(toHex(packet)));
      assert.ok(end.ends.length <= 1);
      assert.equal(end.eventsAfterEnd, 0);
    }
  });
}

function manyPackets(random: Random, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => random.bytes(1 + random.integer(3000)));
}

/** The same packets, each as often, in any order: with two requests under way one can overtake the other. */
function assertSame(actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  const text = (packets: readonly Uint8Array[]) => packets.map(toHex).sort().join();
  assert.ok(text(actual) === text(expected), 'other packets than were sent');
}

interface OpenPair extends AsyncDisposable {
  readonly pair: CarrierPair;
  readonly client: End;
  readonly server: End;
}

async function openPair(subject: CarrierSubject): Promise<OpenPair> {
  const client = new End();
  const server = new End();
  const pair = await subject.connect(client, server);
  client.use(pair.client);
  server.use(pair.server);
  return { pair, client, server, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

/** One end of a pair: takes down its events, and waits for them. */
class End implements CarrierHandler {
  readonly ends: (Condition | null)[] = [];
  eventsAfterEnd = 0;
  #carrier: Carrier | null = null;
  #packets: Uint8Array[] = [];
  #wake: (() => void)[] = [];

  use(carrier: Carrier): void {
    this.#carrier = carrier;
  }

  get carrier(): Carrier {
    assert.ok(this.#carrier !== null);
    return this.#carrier;
  }

  /** What to do with a packet; default: keep it for `packets`. */
  answer: ((packet: Uint8Array) => void) | null = null;

  onPacket(packet: Uint8Array): void {
    if (this.answer !== null) this.answer(packet);
    else this.#packets.push(packet);
    this.#happened();
  }

  onWritable(): void {
    this.#happened();
  }

  onLost(): void {
    this.#happened();
  }

  onClosed(reason: Condition | null): void {
    this.#happened();
    this.ends.push(reason);
  }

  async sendWhenWritable(packet: Uint8Array): Promise<void> {
    await this.#until(() => this.carrier.isWritable, 'writable');
    this.carrier.send(packet);
  }

  async sendAll(packets: readonly Uint8Array[]): Promise<void> {
    for (const packet of packets) await this.sendWhenWritable(packet);
  }

  async nextPacket(): Promise<Uint8Array> {
    const [packet] = await this.packets(1);
    assert.ok(packet !== undefined);
    return packet;
  }

  async packets(count: number): Promise<Uint8Array[]> {
    await this.#until(() => this.#packets.length >= count, `${count} packets`);
    return this.#packets.splice(0, count);
  }

  taken(): Uint8Array[] {
    return this.#packets.splice(0);
  }

  async closed(): Promise<void> {
    while (this.ends.length === 0) await this.#event();
  }

  async closedOrWritable(): Promise<void> {
    while (this.ends.length === 0 && !this.carrier.isWritable) await this.#event();
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.ends.length > 0) throw this.ends[0] ?? new Condition('test', `closed before: ${what}`);
      await this.#event();
    }
  }

  #happened(): void {
    if (this.ends.length > 0) this.eventsAfterEnd += 1;
    // Waiters go on in a later turn: a handler must not run into the carrier that is calling it.
    const wake = this.#wake;
    this.#wake = [];
    for (const each of wake) each();
  }

  #event(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}
