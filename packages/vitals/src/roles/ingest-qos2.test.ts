import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createMemoryTables } from '@pulsemesh/store';
import mqtt from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IngestRole } from './ingest.ts';
import { type FakeStorage, IngestWorld } from './ingest-world.testing.ts';

let world: IngestWorld;
let stack: AsyncDisposableStack;
let storage: FakeStorage;
beforeEach(() => {
  world = new IngestWorld();
  stack = new AsyncDisposableStack();
  storage = world.storage();
  world.aggregation();
});
afterEach(() => stack.disposeAsync());

const original = '{"userId":"QmWearer","heartrate":"75.52868227718442"}';

/** A device that says exactly which packets go over the wire, and when. */
class WireDevice {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('error', () => {});
  }

  /** Connects with a session that is kept (clean false); resolves to "session present". */
  static async connect(ingest: IngestRole, clientId = 'watch'): Promise<{ device: WireDevice; isPresent: boolean }> {
    const socket = connect(Number(new URL(ingest.mqttUrl).port), '127.0.0.1');
    await once(socket, 'connect');
    stack.defer(() => void socket.destroy());
    const device = new WireDevice(socket);
    const id = Buffer.from(clientId);
    device.send(0x10, Buffer.concat([Buffer.from('00044d5154540400003c', 'hex'), text(id)]));
    const connack = await device.receive(4);
    expect(connack.toString('hex')).toMatch(/^2002..00$/);
    return { device, isPresent: connack[2] === 1 };
  }

  publish(messageId: number, isDuplicate = false, payload = original): void {
    const body = Buffer.concat([text(Buffer.from('vitals')), uint16(messageId), Buffer.from(payload)]);
    this.send(isDuplicate ? 0x3c : 0x34, body);
  }

  release(messageId: number): void {
    this.send(0x62, uint16(messageId));
  }

  send(head: number, body: Buffer): void {
    this.#socket.write(Buffer.concat([Buffer.from([head, body.length]), body]));
  }

  async receive(length: number): Promise<Buffer> {
    await world.until(() => this.#received.length >= length);
    const packet = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return packet;
  }

  async answered(kind: 'pubrec' | 'pubcomp', messageId: number): Promise<void> {
    const head = kind === 'pubrec' ? 0x50 : 0x70;
    expect(await this.receive(4)).toEqual(Buffer.concat([Buffer.from([head, 2]), uint16(messageId)]));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function text(bytes: Buffer): Buffer {
  return Buffer.concat([uint16(bytes.length), bytes]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

describe('QoS 2 over crashes', () => {
  it('takes a message sent again after the broker died once, and answers each packet again', async () => {
    const tables = createMemoryTables();
    const first = await world.ingest({}, tables);
    const { device, isPresent } = await WireDevice.connect(first);
    expect(isPresent).toBe(false);
    device.publish(5);
    await device.answered('pubrec', 5);
    await first[Symbol.asyncDispose]();

    const second = await world.ingest({}, tables);
    const again = await WireDevice.connect(second);
    expect(again.isPresent).toBe(true);
    again.device.publish(5, true);
    await again.device.answered('pubrec', 5);
    again.device.release(5);
    await again.device.answered('pubcomp', 5);
    await second[Symbol.asyncDispose]();

    const third = stack.use(await world.ingest({}, tables));
    const last = await WireDevice.connect(third);
    expect(last.isPresent).toBe(false);
    last.device.release(5);
    await last.device.answered('pubcomp', 5);
    await world.settled(third.drain());
    expect(world.stored(storage, 'QmWearer')).toHaveLength(1);
  });

  it('takes the next message under an id once the one before it was released', async () => {
    const tables = createMemoryTables();
    const ingest = stack.use(await world.ingest({}, tables));
    const { device } = await WireDevice.connect(ingest);
    for (let count = 0; count < 3; count += 1) {
      device.publish(9);
      await device.answered('pubrec', 9);
      device.release(9);
      await device.answered('pubcomp', 9);
    }
    await world.until(() => world.stored(storage, 'QmWearer').length === 3);
    expect(tables.count('ingest.qos2')).toBe(0);
  });

  it('takes a message once whose acknowledgement the device never saw', async () => {
    const tables = createMemoryTables();
    const ingest = stack.use(await world.ingest({}, tables));
    const { device } = await WireDevice.connect(ingest);
    device.publish(7);
    await world.until(() => tables.count('ingest.qos2') === 1);
    device.destroy();
    const again = await WireDevice.connect(ingest);
    again.device.publish(7, true);
    await again.device.answered('pubrec', 7);
    await world.until(() => ingest.status().batchesWaiting === 0);
    expect(world.stored(storage, 'QmWearer')).toHaveLength(1);
  });

  it('keeps the ids of different clients apart', async () => {
    const ingest = stack.use(await world.ingest());
    for (const clientId of ['one', 'two']) {
      const { device } = await WireDevice.connect(ingest, clientId);
      device.publish(1);
      await device.answered('pubrec', 1);
    }
    await world.until(() => world.stored(storage, 'QmWearer').length === 2);
  });

  it('gets each message of a real client once while the broker dies again and again', async () => {
    const tables = createMemoryTables();
    let ingest = await world.ingest({}, tables);
    const port = Number(new URL(ingest.mqttUrl).port);
    const client = mqtt.connect(ingest.mqttUrl, { clean: false, clientId: 'watch', reconnectPeriod: 20, keepalive: 0 });
    client.on('error', () => {});
    stack.defer(() => client.endAsync(true));
    const total = 60;
    let acknowledged = 0;
    for (let count = 0; count < total; count += 1) {
      client.publish('vitals', `{"userId":"QmWearer","heartrate":"${60 + count}"}`, { qos: 2 }, (error) => {
        if (error === undefined || error === null) acknowledged += 1;
      });
    }
    const poll = (condition: () => boolean) =>
      expect.poll(
        async () => {
          await world.clock.advance(10);
          return condition();
        },
        { timeout: 30_000, interval: 1 },
      );
    for (const wanted of [5, 20, 40]) {
      await poll(() => acknowledged >= wanted || acknowledged === total).toBe(true);
      await ingest[Symbol.asyncDispose]();
      ingest = await world.ingest({ mqtt: { port } }, tables);
    }
    await poll(() => acknowledged === total).toBe(true);
    await world.settled(ingest.drain());
    await ingest[Symbol.asyncDispose]();
    expect(world.stored(storage, 'QmWearer')).toHaveLength(total);
  });
});
