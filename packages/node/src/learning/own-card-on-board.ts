import { join } from 'node:path';
import { Condition, errorCode, sleep } from '@pulsemesh/base';
import type { BoardClient } from '@pulsemesh/board/client';
import { type Identity, identityFileNames, readCardFile } from '@pulsemesh/identity';
import type { Enrolment } from '@pulsemesh/learning';
import { equalBytes } from '@pulsemesh/wire';
import type { NodeDependencies } from '../process/node-context.ts';

const cardLookMs = 60_000;
/** While it is not there others cannot write to this party. */
const cardRetryMs = 5_000;

/** The card that lies in the data directory. @throws {Condition} `card-missing`; what reading throws. */
export async function readOwnCard(dataDirectory: string) {
  const card = await readCardFile(join(dataDirectory, identityFileNames.card));
  if (card === null) throw new Condition('card-missing', 'the contact card is not in the data directory any more');
  return card;
}

/** Whose card goes where. */
export interface CardOnBoard {
  readonly board: BoardClient;
  readonly identity: Identity;
  /** What enrols the key, once the card is current. */
  readonly enrolment: () => Promise<Enrolment>;
}

/** Puts the card on the board, and each later one, so that others seal to the key in use. Until aborted. */
export async function keepCardOnBoard(
  { board, identity, enrolment }: CardOnBoard,
  signal: AbortSignal,
  { clock, logger }: NodeDependencies,
): Promise<void> {
  while (!signal.aborted) {
    let waitMs = cardLookMs;
    try {
      const { name, card } = await enrolment();
      await board.refresh({ signal });
      const own = board.entries('key').findLast(({ body }) => body.subject === identity.peerId);
      if (own?.body.action === 'revoke') return logger.error('the key of this party is revoked on the board');
      const isCurrent = own?.body.card !== undefined && equalBytes(own.body.card, card) && own.body.name === name;
      const action = own === undefined ? 'enrol' : 'rotate';
      if (!isCurrent)
        await board.publish('key', { action, subject: identity.peerId, name, card }, identity, { signal });
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('the card is not on the board yet', { code: errorCode(error) });
      waitMs = cardRetryMs;
    }
    await sleep(clock, waitMs, { signal }).catch(() => {});
  }
}
