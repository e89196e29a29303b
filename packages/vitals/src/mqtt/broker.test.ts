import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { createPrometheusMeter, createSystemClock, silentLogger } from '@pulsemesh/base';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type IncomingPublish,
  type MqttBroker,
  type MqttBrokerDependencies,
  type MqttLimits,
  type Refusal,
  startMqttBroker,
} from './broker.ts';
import { refusalTopic } from './refusal-topic.ts';
import type { IncomingIds } from './session-persistence.ts';

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const item of stack.splice(0).reverse()) await item[Symbol.asyncDispose]();
});

interface Taken extends IncomingPublish {
  readonly settle: (refusal: Refusal | null) => void;
}

async function start(
  take: (message: Taken) => void = (message) => queueMicrotask(() => message.settle(null)),
  extra: {
    limits?: Partial<MqttLimits>;
    ids?: IncomingIds;
    authenticate?: MqttBrokerDependencies['authenticate'];
  } = {},
) {
  const meter = createPrometheusMeter();
  const broker = await startMqttBroker(extra.limits === undefined ? {} : { limits: extra.limits }, {
    onPublish: (message, settle) => take({ ...message, settle }),
    ids: extra.ids ?? memoryIds(),
    ...(extra.authenticate === undefined ? {} : { authenticate: extra.authenticate }),
    clock: createSystemClock(),
    logger: silentLogger,
    meter,
  });
  stack.push(broker);
  return { broker, meter };
}

function memoryIds(): IncomingIds & { readonly known: Set<string> } {
  const known = new Set<string>();
  return {
    known,
    has: (clientId, messageId) => known.has(`${clientId}/${messageId}`),
    hasAny: (clientId) => [...known].some((key) => key.startsWith(`${clientId}/`)),
    release: async (clientId, messageId) => void known.delete(`${clientId}/${messageId}`),
    releaseAll: async () => {},
  };
}

async function connect(broker: MqttBroker, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0, ...options });
  client.on('error', () => {});
  stack.push({ [Symbol.asyncDispose]: () => client.endAsync(true) });
  return client;
}

function closeOf(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    client.once('close', () => resolve());
  });
}

describe('the MQTT broker', () => {
  it('acknowledges QoS 1 only after the message was taken', async () => {
    const taken: Taken[] = [];
    const { broker } = await start((message) => taken.push(message));
    const client = await connect(broker);
    let isAcknowledged = false;
    const acknowledged = client.publishAsync('vitals', 'one', { qos: 1 }).then(() => {
      isAcknowledged = true;
    });
    // A ping that follows would overtake a withheld acknowledgement only if nothing was withheld.
    await expect.poll(() => taken.length).toBe(1);
    expect(Buffer.from(taken[0]?.payload ?? []).toString()).toBe('one');
    expect(isAcknowledged).toBe(false);
    taken[0]?.settle(null);
    await acknowledged;
  });

  it('reads no more from a client whose messages wait, so that memory stays bounded', async () => {
    const taken: Taken[] = [];
    const { broker } = await start((message) => taken.push(message));
    const socket = connectSocket(broker.port, '127.0.0.1');
    stack.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
    socket.write(Buffer.from('101000044d5154540402003c000474657374', 'hex'));
    await once(socket, 'data');
    const publish = Buffer.concat([Buffer.from([0x30, 0x80 | 0x66, 0x01, 0, 1, 0x76]), Buffer.alloc(227, 0x20)]);
    const sentMax = 20_000;
    for (let sent = 0; sent < sentMax; sent += 1) socket.write(publish);
    await expect.poll(() => taken.length).toBeGreaterThan(0);
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    // One read of a socket is at most 64 KiB, and what Node keeps unread as much again.
    expect(taken.length * publish.length).toBeLessThan(256 * 1024);
    let settled = 0;
    await expect
      .poll(
        () => {
          for (; settled < taken.length; settled += 1) taken[settled]?.settle(null);
          return taken.length;
        },
        { timeout: 30_000, interval: 5 },
      )
      .toBe(sentMax);
  });

  it('explains a refusal to the client it concerns, acknowledges, and goes on', async () => {
    const { broker } = await start((message) => {
      const isBad = Buffer.from(message.payload).toString() === 'bad';
      queueMicrotask(() => message.settle(isBad ? { code: 'message-not-json', explanation: 'why' } : null));
    });
    const client = await connect(broker, { clientId: 'watch-1' });
    const other = await connect(broker, { clientId: 'watch-2' });
    for (const each of [client, other]) await each.subscribeAsync(refusalTopic(each.options.clientId ?? ''));
    const heard: string[] = [];
    other.on('message', (_topic, payload) => heard.push(payload.toString()));
    const explained = new Promise<[string, Buffer]>((resolve) => {
      client.once('message', (...message) => resolve([message[0], message[1]]));
    });
    await client.publishAsync('vitals', 'bad', { qos: 1 });
    const [topic, payload] = await explained;
    expect(topic).toBe('pulsemesh/refusals/watch-1');
    expect(JSON.parse(String(payload))).toEqual({ code: 'message-not-json', explanation: 'why' });
    await client.publishAsync('vitals', 'good', { qos: 1 });
    await other.publishAsync('vitals', 'good', { qos: 1 });
    expect(heard).toEqual([]);
  });

  it('explains no more than so many refusals a second', async () => {
    const { broker } = await start((message) => queueMicrotask(() => message.settle({ code: 'c', explanation: 'e' })), {
      limits: { explanationsPerSecondMax: 1 },
    });
    const client = await connect(broker, { clientId: 'watch-1' });
    await client.subscribeAsync(refusalTopic('watch-1'));
    let heard = 0;
    client.on('message', () => {
      heard += 1;
    });
    for (let count = 0; count < 50; count += 1) await client.publishAsync('vitals', 'bad', { qos: 1 });
    expect(heard).toBeLessThanOrEqual(5);
  });

  it('refuses every subscription but to the own refusals', async () => {
    const { broker } = await start();
    const client = await connect(broker, { clientId: 'watch-1' });
    for (const topic of ['#', 'vitals', '$share/group/vitals', '$SYS/#', refusalTopic('watch-2')]) {
      await expect(client.subscribeAsync(topic)).rejects.toThrow(/Unspecified error|128|error/i);
    }
    await client.subscribeAsync(refusalTopic('watch-1'));
  });

  it('lets a login bring its own readings only, and refuses a wrong one', async () => {
    const taken: Taken[] = [];
    const { broker } = await start(
      (message) => {
        taken.push(message);
        queueMicrotask(() => message.settle(null));
      },
      {
        authenticate: async ({ username, password }) =>
          username === 'ada' && Buffer.from(password ?? []).toString() === 'token' ? new Set(['watch-1']) : null,
      },
    );
    await expect(connect(broker, { username: 'ada', password: 'guess' })).rejects.toThrow(/[Nn]ot authorized/);
    const client = await connect(broker, { username: 'ada', password: 'token' });
    await client.publishAsync('vitals', 'x', { qos: 1 });
    expect(taken[0]?.allowedUserIds).toEqual(new Set(['watch-1']));
  });

  it('closes a connection that announces a packet past the limit, before reading it', async () => {
    const { broker, meter } = await start(undefined, { limits: { packetBytesMax: 1_000 } });
    const client = await connect(broker);
    const closed = closeOf(client);
    client.publish('vitals', Buffer.alloc(1_001), { qos: 1 });
    await closed;
    await expect.poll(() => meter.text()).toContain('mqtt_connections_closed_total{reason="packet-too-large"} 1');
  });

  it('closes a connection past its number of clients and serves the others', async () => {
    const { broker } = await start(undefined, { limits: { clientsMax: 1 } });
    const first = await connect(broker);
    const second = connectSocket(broker.port, '127.0.0.1');
    second.resume();
    await once(second, 'close');
    await first.publishAsync('vitals', 'x', { qos: 1 });
  });

  it('closes a connection that says nothing', async () => {
    const { broker } = await start(undefined, { limits: { connectTimeoutMs: 20 } });
    const socket = connectSocket(broker.port, '127.0.0.1');
    socket.resume();
    await once(socket, 'close');
  });

  it('closes a client with too many QoS 2 messages it never releases', async () => {
    const taken: Taken[] = [];
    const { broker } = await start((message) => taken.push(message), { limits: { incomingIdsMax: 3 } });
    const client = await connect(broker);
    const closed = closeOf(client);
    for (let count = 0; count < 4; count += 1) client.publish('vitals', 'x', { qos: 2 });
    await closed;
    expect(taken.length).toBeLessThanOrEqual(3);
  });

  it('takes a refused QoS 2 message off the stream too', async () => {
    const { broker } = await start((message) => queueMicrotask(() => message.settle({ code: 'c', explanation: 'e' })), {
      limits: { incomingIdsMax: 2 },
    });
    const client = await connect(broker);
    for (let count = 0; count < 10; count += 1) await client.publishAsync('vitals', 'bad', { qos: 2 });
  });

  it('says that the port is taken', async () => {
    const { broker } = await start();
    const again = startMqttBroker(
      { port: broker.port },
      {
        onPublish: () => {},
        ids: memoryIds(),
        clock: createSystemClock(),
        logger: silentLogger,
        meter: createPrometheusMeter(),
      },
    );
    await expect(again).rejects.toMatchObject({ code: 'mqtt-listen' });
  });
});
