/**
 * The load, a process of its own: `publisher.ts JSON-OF-LoadPlan`. Publishes version 1 readings of many patients with
 * QoS 1, each connection keeping a window of unacknowledged messages full, or paced where a rate is given. Prints one JSON
 * {@link LoadResult}; with `marks`, also one line per marked reading as it is sent.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { percentile } from '../report.ts';
import { type MqttSocket, openMqttSocket } from './mqtt-socket.ts';

export interface LoadPlan {
  readonly url: string;
  readonly topic: string;
  readonly connections: number;
  /** Unacknowledged messages per connection. */
  readonly inFlightMax: number;
  readonly patients: number;
  readonly readingsPerPatient: number;
  /** Recording time of the first reading, milliseconds since 1970. */
  readonly startMs: number;
  /** Counter of each patient's first reading. */
  readonly seqFrom: number;
  /** Readings a second over all patients; 0 = as fast as acknowledged. */
  readonly ratePerSecond: number;
  /** From this reading on the first `irregularPatients` beat irregularly. */
  readonly irregularPatients: number;
  readonly irregularFrom: number;
}

export interface LoadResult {
  readonly sent: number;
  readonly acked: number;
  readonly seconds: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

/** The name of patient number `index` in every load. */
export function loadUserId(index: number): string {
  return `bench-${String(index).padStart(6, '0')}`;
}

/** A small generator for intervals: the load must not depend on anything but its plan. */
function pseudoRandom(seed: number): number {
  const mixed = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

function messageOf(plan: LoadPlan, patient: number, index: number): string {
  const isIrregular = patient < plan.irregularPatients && index >= plan.irregularFrom;
  const spread = isIrregular ? 500 : 30;
  const rr = Math.round(800 + spread * (pseudoRandom(patient * 7919 + index * 104_729) - 0.5));
  const t = plan.startMs + index * 1000;
  return `{"userId":"${loadUserId(patient)}","t":${t},"heartrate":"${(60_000 / rr).toFixed(6)}","rr":[${rr}],"seq":${plan.seqFrom + index}}`;
}

class Connection {
  readonly #plan: LoadPlan;
  readonly #sentAt = new Map<number, number>();
  readonly latenciesMs: number[] = [];
  #mqtt: MqttSocket | undefined;
  #nextId = 1;
  #wake: (() => void) | undefined;
  acked = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
  }

  async open(clientId: string): Promise<void> {
    this.#mqtt = await openMqttSocket(this.#plan.url, clientId, (packet) => {
      if (packet.cmd !== 'puback' || packet.messageId === undefined) return;
      const sentAt = this.#sentAt.get(packet.messageId);
      if (sentAt === undefined) return;
      this.#sentAt.delete(packet.messageId);
      this.latenciesMs.push(performance.now() - sentAt);
      this.acked += 1;
      this.#wake?.();
    });
  }

  async publish(payload: string): Promise<void> {
    while (this.#sentAt.size >= this.#plan.inFlightMax) await this.#ack();
    const messageId = this.#nextId;
    this.#nextId = (this.#nextId % 65_535) + 1;
    this.#sentAt.set(messageId, performance.now());
    this.#mqtt?.write({
      cmd: 'publish',
      topic: this.#plan.topic,
      payload,
      qos: 1,
      messageId,
      dup: false,
      retain: false,
    });
  }

  async finish(): Promise<void> {
    while (this.#sentAt.size > 0) await this.#ack();
    this.#mqtt?.socket.destroy();
  }

  #ack(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Drives one connection through its share of the patients, second by second of recording time. */
async function drive(
  plan: LoadPlan,
  connection: Connection,
  share: readonly number[],
  startedAt: number,
): Promise<number> {
  let sent = 0;
  const perSecond = plan.ratePerSecond / plan.connections;
  for (let index = 0; index < plan.readingsPerPatient; index += 1) {
    for (const patient of share) {
      if (perSecond > 0 && sent % 8 === 0) {
        const aheadMs = startedAt + (sent / perSecond) * 1000 - performance.now();
        if (aheadMs > 2) await wait(aheadMs);
      }
      await connection.publish(messageOf(plan, patient, index));
      sent += 1;
      if (patient < plan.irregularPatients) {
        process.stdout.write(`${JSON.stringify({ mark: loadUserId(patient), index, wallMs: Date.now() })}\n`);
      }
    }
  }
  await connection.finish();
  return sent;
}

async function main(plan: LoadPlan): Promise<void> {
  const connections = await Promise.all(
    Array.from({ length: plan.connections }, async (_, index) => {
      const connection = new Connection(plan);
      await connection.open(`bench-load-${index}`);
      return connection;
    }),
  );
  const startedAt = performance.now();
  const sent = await Promise.all(
    connections.map((connection, index) => {
      const share: number[] = [];
      for (let patient = index; patient < plan.patients; patient += plan.connections) share.push(patient);
      return drive(plan, connection, share, startedAt);
    }),
  );
  const latencies = connections.flatMap((connection) => connection.latenciesMs);
  const result: LoadResult = {
    sent: sent.reduce((sum, count) => sum + count, 0),
    acked: connections.reduce((sum, connection) => sum + connection.acked, 0),
    seconds: (performance.now() - startedAt) / 1000,
    ackP50Ms: percentile(latencies, 0.5),
    ackP99Ms: percentile(latencies, 0.99),
  };
  process.stdout.write(`${JSON.stringify({ result })}\n`);
}

const plan = process.argv[2];
if (plan !== undefined && process.argv[1]?.endsWith('publisher.ts')) await main(JSON.parse(plan) as LoadPlan); // our own caller's JSON
