import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createNoteVerifier } from '@pulsemesh/board/verify';
import { createSigner } from '@pulsemesh/crypto';
import { type Identity, identityOfSeed } from '@pulsemesh/identity';

// What the processes of the kill test have in common.

export const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};

export const origin = 'board.test/kill';
export const boardSigner = createSigner(new Uint8Array(32).fill(99));
export const policy = {
  board: createNoteVerifier(origin, boardSigner.publicKey, 'ed25519'),
  witnesses: [],
  quorum: 0,
};

/** The identity of agent number `number`; 0 is the aggregator's. */
export function identityOf(number: number): Identity {
  return identityOfSeed(new Uint8Array(32).fill(100 + number));
}
