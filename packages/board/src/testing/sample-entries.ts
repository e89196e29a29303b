import { createSigner, sha256 } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import type { Author } from '../board.ts';
import type { EntryBodies, TaskBody } from '../entries/bodies.ts';

/** An author with its peer id. */
export interface TestAuthor extends Author {
  readonly peerId: PeerId;
}

/** The same author for the same name; nobody else has its key. */
export function testAuthor(name: string): TestAuthor {
  const { publicKey, sign } = createSigner(sha256(new TextEncoder().encode(`author ${name}`)));
  return { publicKey, sign, peerId: peerIdOfEd25519(publicKey) };
}

/** 64 hex digits that name nothing. */
export const someHash = 'a5'.repeat(32);

/** A training task that its aggregator sums, for whoever enrolled. */
export function sampleTask(changes: Partial<TaskBody> = {}): TaskBody {
  return {
    title: 'Rhythm from three hospitals',
    purpose: 'research/rhythm',
    work: {
      kind: 'training',
      model: { family: 'rhythm', inputs: 32, hidden: [24, 16], parameters: 1_313 },
      algorithm: 'fedavg',
      proximal: 0,
      localEpochs: 1,
      batchSize: 32,
      learningRate: 0.01,
      weightDecay: 0,
      seed: 7,
    },
    query: { name: 'windows', version: 1, columns: ['rr'] },
    invited: [],
    aggregator: null,
    sitesMin: 2,
    sitesMax: 10,
    sum: { range: 8, steps: 65_536, neighbours: 'all', threshold: 2 },
    privacy: null,
    rounds: 3,
    stepMs: 60_000,
    deadlineMs: Date.UTC(2027, 0, 1),
    codeHash: someHash,
    ...changes,
  };
}

/** A site's yes to `task`. */
export function sampleContract(task: string): EntryBodies['contract'] {
  return {
    task,
    action: 'sign',
    limits: { epsilonMax: null, roundsMax: 10, patientsMin: 10 },
    data: { query: 'windows', queryVersion: 1, patients: 40, records: 4_000, consentsHash: someHash },
  };
}

/** An enrolment of `author`'s own key. */
export function sampleEnrolment(author: TestAuthor, name: string): EntryBodies['key'] {
  return { action: 'enrol', subject: author.peerId, name, card: new TextEncoder().encode(`card of ${name}`) };
}
