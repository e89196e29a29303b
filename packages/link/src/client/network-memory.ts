import { DecodeError } from '@pulsemesh/wire';
import { type TransportName, transportNames } from '../carrier.ts';
import { packetBytesMaxDefault } from './carriers/base-carrier.ts';
import { packetBytesMin } from './carriers/outbox.ts';
import { pollWaitMsMax } from './carriers/poll-wait.ts';
import { heartbeatMsMin, heartbeatMsStart, soundMs } from './ladder-timing.ts';
import type { LadderMemo } from './ladder-types.ts';

/** What worked on one network for one server. Holds no address and no name. */
export interface NetworkRecord extends LadderMemo {
  /** The longest packet that passed where a body limit was met, bytes. */
  readonly packetBytesMax: Readonly<Partial<Record<TransportName, number>>>;
  /** What long polls were left to wait, milliseconds; null: not limited. */
  readonly pollWaitMs: number | null;
}

/** Keeps records by an opaque key (a hash of the server's URL and hints of the local network). Losing it costs milliseconds. */
export interface NetworkMemory {
  /** Null: nothing known. Never rejects. */
  recall(key: string): Promise<NetworkRecord | null>;
  /** Never rejects. */
  remember(key: string, record: NetworkRecord): Promise<void>;
}

/** Records kept; the oldest go first. */
export const networkRecordsMax = 64;
/** Text of a memory read in, characters. */
export const networkMemoryTextMax = 256 * 1024;
const keyPattern = /^[0-9a-f]{16,64}$/;

/** Records by key, the one written last at the end. */
export type NetworkRecords = ReadonlyMap<string, NetworkRecord>;

/** The records with one more; past `networkRecordsMax` the oldest is left out. */
export function withRecord(records: NetworkRecords, key: string, record: NetworkRecord): NetworkRecords {
  const others = [...records].filter(([other]) => other !== key);
  return new Map([...others.slice(-(networkRecordsMax - 1)), [key, record]]);
}

/** As text (JSON), for {@link parseNetworkRecords}. */
export function formatNetworkRecords(records: NetworkRecords): string {
  return `${JSON.stringify({ version: 1, networks: Object.fromEntries(records) })}\n`;
}

/** @throws {DecodeError} when the text is not what `formatNetworkRecords` makes; numbers out of range are brought into it. */
export function parseNetworkRecords(text: string): NetworkRecords {
  if (text.length > networkMemoryTextMax) throw new DecodeError('a network memory that is too long');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DecodeError('a network memory that is not JSON', { cause: error });
  }
  if (!isObject(value) || value['version'] !== 1 || !isObject(value['networks'])) {
    throw new DecodeError('a network memory of another kind');
  }
  const entries = Object.entries(value['networks']).slice(-networkRecordsMax);
  return new Map(entries.filter(([key]) => keyPattern.test(key)).map(([key, record]) => [key, parseRecord(record)]));
}

function parseRecord(value: unknown): NetworkRecord {
  if (!isObject(value)) throw new DecodeError('a network record that is none');
  const wait = value['pollWaitMs'];
  const winner = transportNames.find((name) => name === value['winner']) ?? null;
  return {
    winner,
    heartbeatMs: parseNumbers(value['heartbeatMs'], heartbeatMsMin, heartbeatMsStart),
    lifetimeMs: parseNumbers(value['lifetimeMs'], soundMs, 86_400_000),
    packetBytesMax: parseNumbers(value['packetBytesMax'], packetBytesMin, packetBytesMaxDefault),
    pollWaitMs: typeof wait === 'number' ? Math.max(0, Math.min(pollWaitMsMax, wait)) : null,
  };
}

function parseNumbers(value: unknown, min: number, max: number): Partial<Record<TransportName, number>> {
  const numbers: Partial<Record<TransportName, number>> = {};
  if (!isObject(value)) return numbers;
  for (const name of transportNames) {
    const number = value[name];
    if (typeof number === 'number') numbers[name] = Math.max(min, Math.min(max, number));
  }
  return numbers;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A memory that lasts as long as the process. */
export function createMemoryOnly(): NetworkMemory {
  let records: NetworkRecords = new Map();
  return {
    recall: async (key) => records.get(key) ?? null,
    remember: async (key, record) => {
      records = withRecord(records, key, record);
    },
  };
}
