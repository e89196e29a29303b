import { createSeededRandom, type Logger, type Random, silentLogger, silentMeter, sleep } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { Board, EntryBodies, EntryKind } from '@pulsemesh/board';
import { createMemoryBoard, type MemoryBoard, type MemoryReader } from '@pulsemesh/board/testing';
import { createBox, createSigner, type Signer } from '@pulsemesh/crypto';
import { calmMail, type MailWeather, SimulatedMail } from '@pulsemesh/relay/testing';
import { createMemoryTables, type TableChange, type TableStore } from '@pulsemesh/store';
import { MortalLife } from '@pulsemesh/store/testing';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import type { PartyLimits } from '../party/limits.ts';
import { openParties, type Parties } from '../party/parties.ts';
import type { Party, Post } from '../party/party.ts';
import { type CrashPlan, mortalBoard, type PartyPoint } from './crashing.ts';

/** Late and out of order. */
const shuffledMail: MailWeather = { ...calmMail, isShuffled: true };

export interface PartyWorldOptions {
  readonly seed?: number;
  readonly weather?: Partial<MailWeather>;
  /** How long until others see an entry, milliseconds; default 50. */
  readonly boardDelayMs?: number;
  readonly crashes?: CrashPlan;
  /** How long an agent that crashed is away, milliseconds; default 500. */
  readonly restartMs?: number;
  readonly limits?: Partial<PartyLimits>;
  /** Sees everything that an agent hands to its post, in all its lives, and may say that it goes out as something else: a liar's hand. */
  readonly onSend?: (from: PeerId, to: PeerId, bytes: Uint8Array) => Uint8Array | null;
  /** Sees everything an agent publishes. */
  readonly onPublish?: <Kind extends EntryKind>(author: PeerId, kind: Kind, body: EntryBodies[Kind]) => void;
}

/** A party's program: what it does with its party in a run. */
export type PartyProgram<Result> = (party: Party, agent: WorldAgent) => Promise<Result>;

/**
 * Parties in one process, under a virtual clock: a post that is late, out of order and gives things twice, a board, agents that crash
 * at chosen points and come back with their disks. One seed, one course of events. For tests.
 */
export class PartyWorld {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly board: MemoryBoard;
  readonly post: SimulatedMail;
  readonly options: PartyWorldOptions;
  readonly #agents = new Map<string, WorldAgent>();

  constructor(options: PartyWorldOptions = {}) {
    this.options = options;
    this.random = createSeededRandom(options.seed ?? 1);
    this.board = createMemoryBoard({ delayMs: options.boardDelayMs ?? 50 }, { clock: this.clock });
    this.post = new SimulatedMail({ ...shuffledMail, ...options.weather }, { clock: this.clock, random: this.random });
  }

  /** The agent of this name, made at the first call. */
  agent(name: string): WorldAgent {
    const known = this.#agents.get(name);
    if (known !== undefined) return known;
    const agent = new WorldAgent(this, name, createSeededRandom(this.random.integer(2 ** 32)));
    this.#agents.set(name, agent);
    return agent;
  }

  /** Moves the clock until the promise settles. @throws what it rejects with, or an error after `withinMs` of virtual time. */
  async until<Value>(promise: Promise<Value>, withinMs: number, stepMs = 1000): Promise<Value> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let passedMs = 0; passedMs < withinMs && !isSettled; passedMs += stepMs) await this.clock.advance(stepMs);
    if (!isSettled) throw new Error(`not settled after ${withinMs} ms of virtual time`);
    return promise;
  }
}

/** One agent of a world: a key, a disk, and lives one after another. */
export class WorldAgent {
  readonly name: string;
  readonly signer: Signer;
  readonly peer: PeerId;
  readonly disk: TableStore = createMemoryTables();
  readonly reader: MemoryReader;
  readonly logger: Logger = silentLogger;
  readonly #world: PartyWorld;
  readonly #random: Random;
  readonly #boxKey: Uint8Array;
  #lives = 0;
  #life: MortalLife<PartyPoint> | null = null;
  /** Of the life there is. */
  parties: Parties | null = null;

  constructor(world: PartyWorld, name: string, random: Random) {
    this.#world = world;
    this.name = name;
    this.#random = random;
    this.signer = createSigner(random.bytes(32));
    this.#boxKey = random.bytes(32);
    this.peer = peerIdOfEd25519(this.signer.publicKey);
    this.reader = world.board.reader();
  }

  /** How often it was started. */
  get lives(): number {
    return this.#lives;
  }

  /** Points of the present life where it could have crashed. */
  get points(): number {
    return this.#life?.points ?? 0;
  }

  /** Ends the present life, if there is one. */
  crash(): void {
    this.#life?.die();
  }

  /** Runs the program in a run, over all crashes, to its end. The agent takes its mail for as long as the world goes on. */
  async run<Result>(run: string, program: PartyProgram<Result>): Promise<Result> {
    for (;;) {
      const life = this.#begin();
      const outcome = await Promise.race([
        this.#live(life, run, program).then((result) => ({ result })),
        life.died.then(() => null),
      ]);
      if (outcome !== null) return outcome.result;
      await sleep(this.#world.clock, this.#world.options.restartMs ?? 500);
    }
  }

  #begin(): MortalLife<PartyPoint> {
    const [agent, number, crashes] = [this.name, this.#lives, this.#world.options.crashes];
    const life = new MortalLife<PartyPoint>(
      (point, kind) => crashes?.({ agent, life: number, number: point, kind }) ?? null,
    );
    this.#lives += 1;
    this.#life = life;
    return life;
  }

  async #live<Result>(life: MortalLife<PartyPoint>, run: string, program: PartyProgram<Result>): Promise<Result> {
    const { clock, options } = this.#world;
    const store = life.store(this.disk);
    this.parties = await openParties(
      {
        post: this.#post(life, store),
        board: this.#board(life),
        author: this.signer,
        store,
        box: createBox(this.#boxKey, { random: this.#random }),
        lock: null,
        // The board tells its readers by itself.
        limits: { boardPollMs: 60_000, ...options.limits },
      },
      { clock, random: this.#random, logger: silentLogger, meter: silentMeter },
    );
    using party = await this.parties.open(run);
    return await program(party, this);
  }

  #post(life: MortalLife<PartyPoint>, store: TableStore): Post<readonly TableChange[]> {
    const post = this.#world.post.end(this.peer, store, () => life.isAlive);
    const { onSend } = this.#world.options;
    return {
      self: this.peer,
      send: (to, bytes) => {
        const sent = onSend === undefined ? bytes : onSend(this.peer, to, bytes);
        return life.at('send', () => (sent === null ? Promise.resolve() : post.send(to, sent)));
      },
      receive: (handler) => post.receive((from, bytes, mark) => life.seen(handler(from, bytes, mark))),
    };
  }

  #board(life: MortalLife<PartyPoint>): Board {
    const board = mortalBoard(life, this.reader);
    const { onPublish } = this.#world.options;
    if (onPublish === undefined) return board;
    const publish: Board['publish'] = (kind, body, author, wait) => {
      onPublish(this.peer, kind, body);
      return board.publish(kind, body, author, wait);
    };
    return Object.create(board, { publish: { value: publish } }) as Board; // the rest is inherited
  }
}
