import type { PeerId } from '@pulsemesh/wire';

/** Limits of {@link Wants}. */
export const wantsLimits = {
  /** Events waited for at once; also what one peer may make us wait for is a quarter of it. */
  wantsMax: 1_024,
  wantsPerPeerMax: 256,
  /** Peers that told us of one event and are remembered. */
  announcersMax: 8,
  /** An event is waited for so long before the next announcer is asked, milliseconds. */
  answerMs: 2_000,
} as const;

/** An event to ask for, and whom. */
export interface Ask {
  readonly peer: PeerId;
  readonly topicKey: string;
  readonly route: Uint8Array;
  readonly id: Uint8Array;
}

interface Want {
  readonly topicKey: string;
  readonly route: Uint8Array;
  readonly id: Uint8Array;
  /** Who is asked, then who is next. */
  readonly announcers: PeerId[];
  deadlineMs: number;
}

/** Events that others told us of and that are not here yet: asked of one announcer after the other. */
export class Wants {
  readonly #wants = new Map<string, Want>();
  readonly #countOfPeer = new Map<PeerId, number>();
  readonly #countOfTopic = new Map<string, number>();
  #dueAtMs = Number.POSITIVE_INFINITY;

  /** When {@link wake} may have something to do, unix milliseconds. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** `peer` has the event. True where it is to be asked now; `full` where no more can be waited for. */
  announce(key: string, ask: Ask, nowMs: number): boolean | 'full' {
    const known = this.#wants.get(key);
    if (known !== undefined) {
      const isNew = known.announcers.length < wantsLimits.announcersMax && !known.announcers.includes(ask.peer);
      if (isNew) known.announcers.push(ask.peer);
      return false;
    }
    const count = this.#countOfPeer.get(ask.peer) ?? 0;
    if (count >= wantsLimits.wantsPerPeerMax) return 'full';
    if (this.#wants.size >= wantsLimits.wantsMax && !this.#makeRoom(ask.topicKey)) return 'full';
    this.#countOfPeer.set(ask.peer, count + 1);
    const { topicKey, route, id } = ask;
    add(this.#countOfTopic, topicKey, 1);
    const deadlineMs = nowMs + wantsLimits.answerMs;
    this.#wants.set(key, { topicKey, route, id, announcers: [ask.peer], deadlineMs });
    this.#dueAtMs = Math.min(this.#dueAtMs, deadlineMs);
    return true;
  }

  /** The topic with the most gives up the oldest, where it has more: who invents events in one topic keeps none from another. */
  #makeRoom(topicKey: string): boolean {
    const [most, count] = [...this.#countOfTopic].reduce((one, other) => (other[1] > one[1] ? other : one));
    if (count <= 1 + (this.#countOfTopic.get(topicKey) ?? 0)) return false;
    const [key, want] = [...this.#wants].find(([, one]) => one.topicKey === most) as [string, Want]; // it has some
    this.#forget(key, want);
    return true;
  }

  /** The event is here. Returns who was being asked for it. */
  arrived(key: string): PeerId | undefined {
    const want = this.#wants.get(key);
    if (want === undefined) return undefined;
    this.#forget(key, want);
    return want.announcers[0];
  }

  /** Forgets what is wanted of a topic that was left. */
  drop(topicKey: string): void {
    for (const [key, want] of this.#wants) if (want.topicKey === topicKey) this.#forget(key, want);
  }

  /** Whom to ask next, where an announcer did not answer. */
  wake(nowMs: number): Ask[] {
    const asks: Ask[] = [];
    if (this.#dueAtMs > nowMs) return asks;
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    for (const [key, want] of this.#wants) {
      if (want.deadlineMs <= nowMs) {
        this.#forget(key, want);
        const [, ...announcers] = want.announcers;
        const peer = announcers[0];
        if (peer === undefined) continue;
        want.deadlineMs = nowMs + wantsLimits.answerMs;
        this.#wants.set(key, { ...want, announcers });
        add(this.#countOfPeer, peer, 1);
        add(this.#countOfTopic, want.topicKey, 1);
        asks.push({ peer, topicKey: want.topicKey, route: want.route, id: want.id });
      }
      this.#dueAtMs = Math.min(this.#dueAtMs, want.deadlineMs);
    }
    return asks;
  }

  #forget(key: string, want: Want): void {
    this.#wants.delete(key);
    add(this.#countOfPeer, want.announcers[0] as PeerId, -1); // who is asked
    add(this.#countOfTopic, want.topicKey, -1);
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
