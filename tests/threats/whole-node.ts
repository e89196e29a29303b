import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLogger,
  createPrometheusMeter,
  createSeededRandom,
  createSystemClock,
  createSystemRandom,
} from '@pulsemesh/base';
import { ApiClient, parseNodeConfig, readToken } from '@pulsemesh/node';
import type { LiveEvent } from '@pulsemesh/node/api';
import { type RunningNode, startNode } from '@pulsemesh/node/process';
import { encodeMessage } from '@pulsemesh/vitals/devices';
import type { Reading, UserId } from '@pulsemesh/vitals/readings';
import { generateRecording, seriesOf, toReadings } from '@pulsemesh/vitals/recordings';
import mqtt, { type MqttClient } from 'mqtt';

/** A directory of a test's own, removed when disposed. */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'pulsemesh-threats-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Every role in one process over real files, its log at `debug` kept in memory. Dispose to stop. */
export class WholeNode implements AsyncDisposable {
  readonly lines: string[];
  readonly api: ApiClient;
  readonly metrics: () => Promise<string>;
  readonly mqttUrl: string;
  readonly origin: string;
  readonly #node: RunningNode;

  private constructor(
    node: RunningNode,
    parts: { readonly lines: string[]; readonly token: string; readonly metrics: () => Promise<string> },
  ) {
    this.#node = node;
    this.lines = parts.lines;
    this.metrics = parts.metrics;
    this.origin = `http://127.0.0.1:${node.ports['http']}`;
    this.mqttUrl = `mqtt://127.0.0.1:${node.ports['mqtt']}`;
    this.api = new ApiClient({ url: this.origin, token: parts.token });
  }

  /** `keyFile` lies outside `data`, as on a machine where the disk is stolen and the key is not. */
  static async start(place: { readonly data: string; readonly keyFile: string; readonly smtpPort: number }) {
    const config = parseNodeConfig({
      name: 'whole',
      roles: ['storage', 'aggregation', 'prediction', 'notification', 'gateway', 'ingest'],
      dataDirectory: place.data,
      keyFile: place.keyFile,
      mqtt: { port: 0 },
      http: { port: 0 },
      smtp: {
        host: '127.0.0.1',
        port: place.smtpPort,
        from: 'alerts@pulsemesh.example',
        pageUrl: 'http://localhost:1',
      },
    });
    const lines: string[] = [];
    const logger = createLogger({ level: 'debug' }, { write: (line) => void lines.push(line) });
    const meter = createPrometheusMeter({ instance: 'whole' });
    const deps = { clock: createSystemClock(), random: createSystemRandom(), logger, meter };
    const node = await startNode(config, { passphrase: null, smtpPassword: null }, deps);
    const token = readToken(join(place.data, 'token')) ?? '';
    return new WholeNode(node, { lines, token, metrics: () => meter.text() });
  }

  /** Resolves with the first live event that `isIt` takes. */
  async heard(isIt: (event: LiveEvent) => boolean): Promise<LiveEvent> {
    const ended = new AbortController();
    try {
      for await (const event of this.api.live(ended.signal)) if (isIt(event)) return event;
    } finally {
      ended.abort();
    }
    throw new Error('the live stream ended');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node[Symbol.asyncDispose]();
  }
}

/** Ten minutes of fibrillation as the wearer's device measures it, from `startMs`. */
export function fibrillation(userId: string, startMs: number): readonly Reading[] {
  const stretches = [{ rhythm: 'fibrillation', seconds: 600 }] as const;
  const recording = generateRecording({ name: 'fibrillation', stretches }, { random: createSeededRandom(7) });
  return [...toReadings(seriesOf(recording, 'rr'), { userId: userId as UserId, startMs })];
}

/** Publishes each reading under QoS 1 and waits until all are acknowledged. */
export async function publishAll(client: MqttClient, readings: readonly Reading[]): Promise<void> {
  await Promise.all(
    readings.map((reading) => client.publishAsync('readings', encodeMessage(reading, 'v1'), { qos: 1 })),
  );
}

export function connectDevice(url: string, clientId: string): Promise<MqttClient> {
  return mqtt.connectAsync(url, { clientId, reconnectPeriod: 0 });
}

/** Path and content of every file below `directory`. */
export function filesBelow(directory: string): readonly { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: readFileSync(path) }));
}
