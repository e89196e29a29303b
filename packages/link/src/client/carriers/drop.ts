import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage, type Timer } from '@pulsemesh/base';
import { FrameReader, framedPacketBytesMax, framePackets } from '../../framing.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import { BaseCarrier, packetBytesMaxDefault } from './base-carrier.ts';
import type { CarrierDependencies } from './connect.ts';

/** Files that may lie in the folder for the server: past it the carrier is not writable. */
export const dropFilesMax = 1024;
/** Bytes of one file taken in; a longer one is set aside. */
export const dropFileBytesMax = 4 * framedPacketBytesMax;
/** Files read in one look. */
const filesPerLookMax = 256;
const lookMsDefault = 200;
const ending = '.packets';

export interface DropOptions {
  readonly id: string;
  /** The folder, or mounted stick, that both ends use. */
  readonly folder: string;
  /** How often to look, milliseconds; default 200. */
  readonly lookMs?: number;
}

/**
 * Opens a carrier of files: each turn's packets in one file, written under another name and renamed, so that nobody reads half
 * of one. Files that were read are removed; one that cannot be read is renamed to `*.bad`.
 */
export async function openDrop(options: DropOptions, deps: CarrierDependencies): Promise<DropCarrier> {
  const toServer = path.join(options.folder, 'to-server', options.id);
  const toAgent = path.join(options.folder, 'to-agent', options.id);
  try {
    await mkdir(toServer, { recursive: true });
    await mkdir(toAgent, { recursive: true });
  } catch (error) {
    throw new CarrierError('connect-failed', `the drop folder cannot be used: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  return new DropCarrier({ ...options, toServer, toAgent }, deps);
}

export class DropCarrier extends BaseCarrier {
  readonly transport = 'drop';
  readonly connection = {};
  readonly packetBytesMax = packetBytesMaxDefault;
  readonly #folders: { readonly toServer: string; readonly toAgent: string };
  readonly #lookMs: number;
  readonly #deps: CarrierDependencies;
  #waiting: Uint8Array[] = [];
  #filesLeft = dropFilesMax;
  #written = 0;
  #isWriting = false;
  #timer: Timer | null = null;

  constructor(
    options: DropOptions & { readonly toServer: string; readonly toAgent: string },
    deps: CarrierDependencies,
  ) {
    super(options.id);
    this.#folders = options;
    this.#lookMs = options.lookMs ?? lookMsDefault;
    this.#deps = deps;
  }

  override start(handler: Parameters<BaseCarrier['start']>[0]): void {
    super.start(handler);
    if (!this.isClosed) this.#lookLater();
  }

  protected override hasRoom(): boolean {
    return this.#filesLeft > 0 && !this.#isWriting;
  }

  protected override transmit(packet: Uint8Array): void {
    if (this.#waiting.length >= dropFilesMax) return;
    this.#waiting.push(packet);
    if (this.#isWriting) return;
    this.#isWriting = true;
    queueMicrotask(() => void this.#write());
  }

  protected override release(): void {
    this.#timer?.cancel();
  }

  async #write(): Promise<void> {
    const packets = this.#waiting;
    this.#waiting = [];
    // Names sort in the order of writing.
    this.#written += 1;
    const name = String(this.#written).padStart(12, '0');
    try {
      const draft = path.join(this.#folders.toServer, `${name}.draft`);
      await writeFile(draft, framePackets(packets), { flush: true });
      await rename(draft, path.join(this.#folders.toServer, `${name}${ending}`));
      this.#filesLeft -= 1;
    } catch (error) {
      this.close(asCarrierError(error));
      return;
    }
    this.#isWriting = false;
    if (this.#waiting.length > 0 && !this.isClosed) {
      this.#isWriting = true;
      await this.#write();
    } else this.tellWritable();
  }

  #lookLater(): void {
    this.#timer = this.#deps.clock.setTimer(() => void this.#look(), this.#lookMs);
  }

  async #look(): Promise<void> {
    try {
      const names = await readdir(this.#folders.toAgent);
      const ready = names.filter((name) => name.endsWith(ending)).sort();
      for (const name of ready.slice(0, filesPerLookMax)) {
        if (this.isClosed) return;
        await this.#take(path.join(this.#folders.toAgent, name));
      }
      const lying = (await readdir(this.#folders.toServer)).filter((name) => name.endsWith(ending)).length;
      const wasWritable = this.isWritable;
      this.#filesLeft = dropFilesMax - lying;
      if (!wasWritable && this.isWritable) this.tellWritable();
    } catch (error) {
      this.close(asCarrierError(error));
    }
    if (!this.isClosed) this.#lookLater();
  }

  async #take(file: string): Promise<void> {
    const { size } = await stat(file);
    const packets: Uint8Array[] = [];
    const reader = new FrameReader();
    try {
      if (size > dropFileBytesMax) throw new CarrierError('protocol', 'a file longer than any of ours');
      reader.push(await readFile(file), (packet) => packets.push(packet));
      if (!reader.isAtBoundary) throw new CarrierError('protocol', 'a file that ends in the middle');
    } catch {
      await rename(file, `${file}.bad`);
      return;
    }
    // Delivered before it is removed: a file read twice is harmless, one not read is a loss.
    for (const packet of packets) this.deliver(packet);
    await rm(file, { force: true });
  }
}
