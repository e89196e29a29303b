import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Condition, errorCode, errorForLog, type Logger, startTicker } from '@pulsemesh/base';
import type { Carrier, CarrierHandler, ConnectionFacts } from '../carrier.ts';
import { FrameReader, framePackets } from '../framing.ts';
import { CarrierEvents } from './carrier-events.ts';
import type { ServerContext } from './context.ts';
import { carrierOver } from './refusal.ts';

/** Limits of the file drop. Past each the file, folder or packet waits, or is set aside where it is bad. */
export interface DropLimits {
  /** How often the folder is looked at. */
  readonly scanMs: number;
  /** Carriers, one folder each; further folders wait. */
  readonly carriersMax: number;
  /** Files read from one carrier in one scan. */
  readonly filesPerScanMax: number;
  /** Files of one carrier that nobody fetched yet; past it the carrier is not writable. */
  readonly unreadFilesMax: number;
  /** A longer file is set aside. */
  readonly fileBytesMax: number;
  /** Bad files kept for a person to look at; past it they are deleted. */
  readonly quarantinedMax: number;
  /** A carrier whose folder shows nothing new for this long is over; a stick can be under way for a day. */
  readonly idleMs: number;
}

export const dropLimits: DropLimits = {
  scanMs: 500,
  carriersMax: 256,
  filesPerScanMax: 64,
  unreadFilesMax: 64,
  fileBytesMax: 8 * 1024 * 1024,
  quarantinedMax: 100,
  idleMs: 48 * 3_600_000,
};

const idForm = /^[0-9a-f]{32}$/;
const fileForm = /^[0-9A-Za-z_-]{1,100}\.packets$/;
const connection: ConnectionFacts = { tls: 'plaintext' };

export interface DropServer extends AsyncDisposable {
  /** Looks at the folder now. */
  scan(): Promise<void>;
}

/**
 * Serves the file drop in `folder`: reads `to-server/<ID>/*.packets`, writes `to-agent/<ID>/*.packets`, each first under another name
 * and then renamed, so that nobody ever sees half a file. Names are ids and numbers, never paths; links are not followed.
 */
export async function startDropServer(
  options: { readonly folder: string; readonly limits?: Partial<DropLimits> },
  deps: { readonly context: ServerContext; readonly logger: Logger },
): Promise<DropServer> {
  const drop = new DropFolder(options.folder, { ...dropLimits, ...options.limits }, deps.context);
  await drop.prepare();
  const ticker = startTicker(
    deps.context.clock,
    drop.limits.scanMs,
    () => drop.scan(),
    (error) => deps.logger.warn('the drop folder cannot be used', errorForLog(error)),
  );
  return {
    scan: () => drop.scan(),
    async [Symbol.asyncDispose]() {
      ticker.stop();
      await drop.settled();
    },
  };
}

class DropFolder {
  readonly limits: DropLimits;
  readonly #folder: string;
  readonly #context: ServerContext;
  readonly #carriers = new Map<string, DropCarrier>();
  #scan: Promise<void> = Promise.resolve();

  constructor(folder: string, limits: DropLimits, context: ServerContext) {
    this.#folder = folder;
    this.limits = limits;
    this.#context = context;
  }

  async prepare(): Promise<void> {
    for (const name of ['to-server', 'to-agent', 'quarantine'])
      await mkdir(join(this.#folder, name), { recursive: true });
  }

  /** One scan after the other. */
  scan(): Promise<void> {
    this.#scan = this.settled().then(() => this.#scanOnce());
    return this.#scan;
  }

  settled(): Promise<void> {
    return this.#scan.catch(() => {});
  }

  async #scanOnce(): Promise<void> {
    const entries = await readdir(join(this.#folder, 'to-server'), { withFileTypes: true });
    for (const entry of entries) if (entry.isDirectory() && idForm.test(entry.name)) await this.#read(entry.name);
    for (const [id, carrier] of this.#carriers) {
      await carrier.flush(join(this.#folder, 'to-agent', id));
      carrier.endIfIdle();
    }
  }

  async #read(id: string): Promise<void> {
    const folder = join(this.#folder, 'to-server', id);
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => fileForm.test(entry.name)).map((entry) => entry.name);
    if (names.length === 0) return;
    const carrier = this.#carriers.get(id) ?? this.#open(id);
    if (carrier === null) return;
    for (const name of names.sort().slice(0, this.limits.filesPerScanMax)) {
      const path = join(folder, name);
      const bytes = await readRegular(path, this.limits.fileBytesMax);
      const isSound = bytes !== null && carrier.deliver(bytes);
      if (isSound) await rm(path, { force: true });
      else await this.#setAside(path, `${id}-${name}`);
    }
  }

  #open(id: string): DropCarrier | null {
    const { carriers } = this.#context;
    if (this.#carriers.size >= this.limits.carriersMax || carriers.refusalFor('') !== null) return null;
    const carrier = new DropCarrier(id, this.limits, this.#context, () => this.#carriers.delete(id));
    this.#carriers.set(id, carrier);
    carriers.open(carrier);
    return carrier;
  }

  async #setAside(path: string, name: string): Promise<void> {
    this.#context.events.requestRefused('drop-file');
    const quarantine = join(this.#folder, 'quarantine');
    const isFull = (await readdir(quarantine)).length >= this.limits.quarantinedMax;
    if (isFull) await rm(path, { force: true, recursive: true });
    else await rename(path, join(quarantine, name));
  }
}

/** The content of a file; null where it is not a file itself (a link, a folder) or longer than `bytesMax`. */
async function readRegular(path: string, bytesMax: number): Promise<Uint8Array | null> {
  if (!(await lstat(path)).isFile()) return null;
  // Where the system has it, also against a link put there since; Windows makes links only for administrators.
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const { size } = await file.stat();
    return size > bytesMax ? null : await file.readFile();
  } finally {
    await file.close();
  }
}

class DropCarrier implements Carrier {
  readonly transport = 'drop';
  readonly id: string;
  readonly connection = connection;
  readonly packetBytesMax: number;
  readonly #limits: DropLimits;
  readonly #context: ServerContext;
  readonly #events: CarrierEvents;
  readonly #onOver: () => void;
  #packets: Uint8Array[] = [];
  #packetBytes = 0;
  #unreadFiles = 0;
  #written = 0;
  #activeAtMs: number;

  constructor(id: string, limits: DropLimits, context: ServerContext, onOver: () => void) {
    this.id = id;
    this.#limits = limits;
    this.#context = context;
    this.#onOver = onOver;
    this.packetBytesMax = context.limits.packetBytesMax;
    this.#activeAtMs = context.clock.monotonicMs();
    const onSilent = (reason: Condition) => this.close(reason);
    this.#events = new CarrierEvents({ ...context.limits, onSilent }, { clock: context.clock });
  }

  get isWritable(): boolean {
    if (this.#events.isClosed) return false;
    return this.#unreadFiles < this.#limits.unreadFilesMax && this.#packetBytes < this.#context.limits.bufferedBytesMax;
  }

  start(handler: CarrierHandler): void {
    this.#events.start(handler);
  }

  send(packet: Uint8Array): void {
    if (!this.isWritable) return;
    this.#packets.push(packet);
    this.#packetBytes += packet.length;
  }

  /** Takes a file's content; false where it is not packets. */
  deliver(bytes: Uint8Array): boolean {
    this.#activeAtMs = this.#context.clock.monotonicMs();
    const reader = new FrameReader({ packetBytesMax: this.packetBytesMax });
    try {
      reader.push(bytes, (packet) => this.#events.packet(packet));
    } catch (error) {
      if (errorCode(error) !== 'decode') throw error;
      return false;
    }
    return reader.isAtBoundary;
  }

  /** Writes what waits as one file, durable before it gets its name. */
  async flush(folder: string): Promise<void> {
    const wasWritable = this.isWritable;
    await mkdir(folder, { recursive: true });
    this.#unreadFiles = (await readdir(folder)).filter((name) => fileForm.test(name)).length;
    if (this.#packets.length > 0 && this.#unreadFiles < this.#limits.unreadFilesMax) {
      const body = framePackets(this.#packets);
      this.#packets = [];
      this.#packetBytes = 0;
      this.#written += 1;
      // Sorted by name is sorted by time, across restarts of the server too.
      const name = `${String(this.#context.clock.now()).padStart(15, '0')}-${String(this.#written).padStart(9, '0')}`;
      const file = await open(join(folder, `${name}.partial`), 'w');
      try {
        await file.writeFile(body);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(join(folder, `${name}.partial`), join(folder, `${name}.packets`));
      this.#unreadFiles += 1;
    }
    if (!wasWritable && this.isWritable) this.#events.writable();
  }

  endIfIdle(): void {
    const idleMs = this.#context.clock.monotonicMs() - this.#activeAtMs;
    if (idleMs > this.#limits.idleMs) this.close(carrierOver.idle(this.#limits.idleMs));
  }

  close(reason: Condition | null): void {
    if (this.#events.isClosed) return;
    this.#onOver();
    if (this.#events.closed(reason)) this.#context.carriers.over(this, reason);
  }
}
