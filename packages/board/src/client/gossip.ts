import { type Clock, errorCode, type Logger, startTicker } from '@pulsemesh/base';
import { noteLimits } from '../notes/note.ts';
import type { BoardClient } from './board-client.ts';
import { EvidenceRefusedError, evidenceCharactersMax, formatEvidence, parseEvidence } from './evidence.ts';

/** What carries gossip to the others who use a board: a relay's topic or messages, a shared folder, a mail. Neither order nor delivery is needed. */
export interface GossipChannel {
  /** Hands a message to the others, as far as it can. */
  send(message: Uint8Array): Promise<void>;
  /** Called with each message of another; until disposed. */
  onMessage(handler: (message: Uint8Array) => void): Disposable;
}

export const gossipLimits = {
  /** How often the own head is shown, when it changed. */
  periodMs: 30_000,
  /** Messages of others that are looked at between two periods; checking a signature costs, and strangers may send. */
  messagesPerPeriodMax: 256,
  messageBytesMax: Math.max(noteLimits.bytesMax, evidenceCharactersMax) + 1,
} as const;

/** The first byte of a message says what follows. */
const kinds = { checkpoint: 1, evidence: 2 } as const;

export interface Gossip extends Disposable {
  /** Shows the own head, or the evidence, now. */
  tell(): Promise<void>;
  /** Messages that were refused, by why. */
  readonly refusals: Readonly<Record<'size' | 'flood' | 'kind' | 'not-ours' | 'evidence', number>>;
}

/**
 * Shows others the newest checkpoint that this client verified, and compares theirs: a board that shows different people different things
 * is found by any two of them. Evidence goes round too, and each checks it before believing it.
 */
export function startGossip(
  board: Pick<BoardClient, 'head' | 'evidence' | 'hear' | 'hearEvidence'>,
  /** The board's verifier key, for the files of evidence. */
  boardKey: string,
  channel: GossipChannel,
  dependencies: { readonly clock: Clock; readonly logger: Logger },
): Gossip {
  const refusals = { size: 0, flood: 0, kind: 0, 'not-ours': 0, evidence: 0 };
  const refuse = (why: keyof typeof refusals): void => {
    refusals[why] += 1;
  };
  let told: unknown = null;
  let heardCount = 0;
  const tell = async () => {
    const { evidence, head } = board;
    const said = evidence ?? head;
    if (said === null || said === told) return;
    const body =
      evidence === null ? (head as Uint8Array) : new TextEncoder().encode(formatEvidence(evidence, boardKey));
    const message = new Uint8Array(1 + body.length);
    message[0] = evidence === null ? kinds.checkpoint : kinds.evidence;
    message.set(body, 1);
    await channel.send(message);
    told = said;
  };
  const hear = async (message: Uint8Array) => {
    if (message.length < 2 || message.length > gossipLimits.messageBytesMax) return refuse('size');
    heardCount += 1;
    if (heardCount > gossipLimits.messagesPerPeriodMax) return refuse('flood');
    const body = message.subarray(1);
    if (message[0] === kinds.checkpoint) {
      if ((await board.hear(body)) === 'not-ours') refuse('not-ours');
    } else if (message[0] === kinds.evidence) {
      await board.hearEvidence(parseEvidence(new TextDecoder().decode(body)).evidence);
    } else refuse('kind');
  };
  const onFailed = (error: unknown) => {
    if (error instanceof EvidenceRefusedError) refuse('evidence');
    else dependencies.logger.warn('gossip about the board failed', { code: errorCode(error) });
  };
  const listening = channel.onMessage((message) => void hear(message).catch(onFailed));
  const period = async () => {
    heardCount = 0;
    await tell();
  };
  const ticker = startTicker(dependencies.clock, gossipLimits.periodMs, period, onFailed);
  return {
    tell,
    refusals,
    [Symbol.dispose]() {
      ticker.stop();
      listening[Symbol.dispose]();
    },
  };
}
