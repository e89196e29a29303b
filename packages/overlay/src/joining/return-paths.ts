import type { PeerId } from '@pulsemesh/wire';
import type { JoinAnswerAddress } from './join-answer.ts';

/** Where a query came from and went: its answers come from there and go back here. */
export interface ReturnPath {
  readonly from: PeerId;
  /** How many answers each may still give. Nobody where it ended here; more than one where it came round again. */
  readonly to: Map<PeerId, number>;
  /** Layers that an answer may have which comes from there. */
  layersMost: number;
  /** What is handed back is sealed anew to this asker; null for an open query. */
  readonly sealedTo: JoinAnswerAddress | null;
  readonly untilMs: number;
  /** How often the query was here. */
  visits: number;
}

/** The ways back of queries for a while; when there are too many the oldest is forgotten. */
export class ReturnPaths {
  readonly #pathsMax: number;
  /** In the order of running out, as all live equally long. */
  readonly #paths = new Map<string, ReturnPath>();

  constructor(pathsMax: number) {
    this.#pathsMax = pathsMax;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** The path of a query id. */
  get(id: string, nowMs: number): ReturnPath | undefined {
    const path = this.#paths.get(id);
    return path !== undefined && path.untilMs > nowMs ? path : undefined;
  }

  set(id: string, path: ReturnPath, nowMs: number): void {
    this.expire(nowMs);
    this.#paths.delete(id);
    if (this.#paths.size >= this.#pathsMax) this.#paths.delete(this.#paths.keys().next().value as string); // not empty
    this.#paths.set(id, path);
  }

  expire(nowMs: number): void {
    for (const [id, { untilMs }] of this.#paths) {
      if (untilMs > nowMs) break;
      this.#paths.delete(id);
    }
  }
}
