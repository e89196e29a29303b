import { VirtualClock } from '@pulsemesh/base/testing';
import { type AnyBoardEntry, type EntryBodies, signEntry } from '@pulsemesh/board';
import {
  type BoardLog,
  cosignText,
  createBoardHttp,
  formatNote,
  openBoardLog,
  parseNote,
} from '@pulsemesh/board/server';
import { sampleTask, type TestAuthor, testAuthor } from '@pulsemesh/board/testing';
import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { createSigner } from '@pulsemesh/crypto';
import { accountant, openPrivacyBook } from '@pulsemesh/learning';
import { PartyWorld, startPlainRun } from '@pulsemesh/learning/testing';
import type { BoardPlaceView } from '@pulsemesh/node/api';
import { createMemoryTables } from '@pulsemesh/store/memory';
import type { FromFollower, Line, ToFollower } from './messages.ts';
import { serveFollower } from './serve-follower.ts';

// A real board for tests: signed entries in a real log, cosigned by two witnesses; a finished run of real parties on it.

const origin = 'board.test/memory';
const boardSigner = createSigner(new Uint8Array(32).fill(7));
const witnesses = [1, 2].map((number) => ({
  name: `witness.example/${number}`,
  signer: createSigner(new Uint8Array(32).fill(number)),
}));

/** Whom of {@link TestBoard} to believe. */
export const testPlace: BoardPlaceView = {
  key: formatVerifierKey(createNoteVerifier(origin, boardSigner.publicKey, 'ed25519')),
  witnesses: witnesses.map(({ name, signer }) =>
    formatVerifierKey(createNoteVerifier(name, signer.publicKey, 'cosignature/v1')),
  ),
  quorum: 2,
  authorities: [],
};

/** A board over a log in memory, as an HTTP handler; {@link TestBoard.lie} gives everybody another history from then on. */
export class TestBoard {
  #log: BoardLog;
  /** Cosignatures stop where a test says so. */
  cosigning = true;
  #leaves: Uint8Array[] = [];

  private constructor(log: BoardLog) {
    this.#log = log;
  }

  static async open(leaves: readonly Uint8Array[] = []): Promise<TestBoard> {
    const board = new TestBoard(await newLog());
    await board.append(leaves);
    return board;
  }

  get size(): number {
    return this.#leaves.length;
  }

  async append(leaves: readonly Uint8Array[]): Promise<void> {
    this.#leaves.push(...leaves);
    for (const leaf of leaves) await this.#log.append(leaf);
  }

  /** From here on it shows a log that has `leaf` in place of the one at `index`, as if it had always been so. */
  async lie(index: number, leaf: Uint8Array): Promise<void> {
    await this.cut([...this.#leaves.with(index, leaf), announcement('What came after')]);
  }

  /** From here on it shows these leaves. */
  async cut(leaves: readonly Uint8Array[]): Promise<void> {
    this.#log = await newLog();
    this.#leaves = [];
    await this.append(leaves);
  }

  get leaves(): readonly Uint8Array[] {
    return this.#leaves;
  }

  /** Below `/board`. */
  readonly answer = (request: Request): Promise<Response> => {
    const shown = () =>
      this.cosigning ? cosigned(this.#log.checkpoint.note, this.#log.checkpoint.text) : this.#log.checkpoint.note;
    return createBoardHttp({ log: this.#log, shown, admit: null }, { clock: new VirtualClock() })(request, 'test');
  };
}

/** The leaf of an announcement. */
export function announcement(
  title: string,
  author: TestAuthor = testAuthor('board office'),
  createdMs = 1_700_000_000_000,
) {
  return signEntry({ kind: 'announcement', body: { title, text: `${title}: all of it.` }, createdMs }, origin, author);
}

const hospitals = ['North hospital', 'East hospital', 'South hospital'];

/**
 * Leaves of a run of three hospitals and an aggregator, from task to evaluations, by real parties under a virtual clock that begins at
 * `startMs`; and of a second task that waits for sites.
 */
export async function leavesOfRun(startMs: number): Promise<readonly Uint8Array[]> {
  const world = new PartyWorld();
  await world.clock.advance(Math.max(0, startMs - world.clock.now()));
  const { work } = sampleTask();
  const privacy = { epsilonMax: 8, delta: 1e-5, normMax: 1, noiseMultiplier: 2, unit: 'site' } as const;
  const run = await startPlainRun(world, {
    sites: 3,
    rounds: 2,
    task: { title: 'Rhythm from three hospitals', work, privacy },
    accountant,
    book: () => openPrivacyBook({ purposeEpsilonMax: null }, { tables: createMemoryTables() }),
  });
  await world.until(run.all, 60 * 60_000);
  const says = <Kind extends 'key' | 'evaluation' | 'task'>(kind: Kind, body: EntryBodies[Kind], who: string) =>
    world.until(world.board.publish(kind, body, world.agent(who).signer), 60_000);
  const model = world.board.entries('model')[0]?.body.hash ?? '';
  for (const [index, name] of hospitals.entries()) {
    const agent = world.agent(`site ${index + 1}`);
    const card = Uint8Array.of(1);
    await says('key', { action: 'rotate', subject: agent.peer, name, card }, agent.name);
    const auc = [0.941, 0.902, 0.917][index] ?? 0;
    await says('evaluation', { task: run.taskId, model, auc, runningAuc: 0.91, patients: 40 }, agent.name);
  }
  const invited = [1, 2, 3].map((site) => world.agent(`site ${site}`).peer);
  const deadlineMs = world.clock.now() + 30 * 86_400_000;
  await says('task', sampleTask({ title: 'Rhythm at night', invited, sitesMin: 3, deadlineMs }), 'analyst');
  const entries: AnyBoardEntry[] = [];
  world.board.onEntry((entry) => void entries.push(entry))[Symbol.dispose]();
  return entries.map(({ leaf }) => leaf);
}

/** A follower in this very thread, before a board; messages are copied as between threads. */
export function followerHere(answer: (request: Request) => Promise<Response>): Line<ToFollower, FromFollower> {
  let toPage: (message: FromFollower) => void = () => {};
  let toFollower: (message: ToFollower) => void = () => {};
  const fetch = ((input: string, init?: RequestInit) =>
    answer(new Request(`http://page.test${input}`, { headers: init?.headers ?? {} }))) as typeof globalThis.fetch;
  serveFollower(
    {
      post: (message) => queueMicrotask(() => toPage(structuredClone(message))),
      onMessage: (handler) => {
        toFollower = handler;
      },
      close: () => {},
    },
    { clock: new VirtualClock(), fetch },
  );
  return {
    post: (message) => queueMicrotask(() => toFollower(structuredClone(message))),
    onMessage: (handler) => {
      toPage = handler;
    },
    close: () => {
      toPage = () => {};
    },
  };
}

function newLog(): Promise<BoardLog> {
  return openBoardLog({ store: createMemoryTables(), signer: boardSigner, origin });
}

function cosigned(note: Uint8Array, text: string): Uint8Array {
  const cosignatures = witnesses.map(({ name, signer }) => cosignText(text, name, signer, 1_767_225_600));
  return formatNote({ text, signatures: [...parseNote(note).signatures, ...cosignatures] });
}
