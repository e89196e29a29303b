import { equalBytes, type PeerId } from '@pulsemesh/wire';
import { RecentMap } from '../clustering/recent-map.ts';
import { type Descriptor, isGenuine } from '../descriptor.ts';
import { messageLimits, type NearbyMessage, type NearMessage, type PullMessage, type ViewMessage } from '../message.ts';
import type { Hash } from '../sampling/keyed-hash.ts';
import { nameFilter, seemsNamed } from './name-filter.ts';

/** Parameters of {@link ShortAnswers}. */
export const shortAnswerLimits = {
  /** Descriptors remembered: those heard last. */
  heardMax: 128,
  /** Questions whose answers are looked out for. */
  askedMax: 64,
  /** With less of what answers hold known before, a question does not say what is: that would cost more than it spares. */
  knownShareMin: 0.2,
  /** Weight of what was counted before, at each answer. */
  decay: 0.9,
} as const;

type Question = PullMessage | NearMessage;
type Answer = ViewMessage | NearbyMessage;

interface Heard {
  readonly descriptor: Descriptor;
  readonly name: Hash;
}

/**
 * In a network of a hundred most of what an answer holds is known to the asker. It says with its question, in a Bloom filter
 * salted by the nonce, what it heard in answers lately; what is in there is named in the answer by the first 8 bytes of its
 * signature instead of being sent whole (about 150 bytes each). What the filter takes for known without right is missing from
 * that answer, and not from the next. In large networks, where hardly anything is known, questions say nothing.
 */
export class ShortAnswers {
  readonly #heard = new RecentMap<number, Heard>(shortAnswerLimits.heardMax);
  readonly #asked = new RecentMap<string, true>(shortAnswerLimits.askedMax);
  /** Descriptors of the last answers, and those of them that were known before. */
  #offered = 0;
  #known = 0;

  /** The question as it is sent, which says what is known where that is worth its bytes. */
  ask<T extends Question>(to: PeerId, question: T): T {
    this.#asked.set(askedKey(to, question), true);
    if (this.#known === 0 || this.#known < shortAnswerLimits.knownShareMin * this.#offered) return question;
    const names = Array.from(this.#heard.entries(), ([, { name }]) => name);
    return { ...question, knows: nameFilter(names, question.nonce) };
  }

  /** The answer as it is sent to who asked `question`. */
  answer<T extends Answer>({ knows, nonce }: Question, answer: T): T {
    if (knows === undefined) return answer;
    const known = new Set(answer.descriptors.filter((one) => seemsNamed(hashOf(shortNameOf(one)), knows, nonce)));
    if (known.size === 0) return answer;
    const others = answer.descriptors.filter((one) => !known.has(one));
    return { ...answer, descriptors: others, named: [...known].map(shortNameOf) };
  }

  /** An answer as it would be in full. What is named and not known here, or was never asked for, is left out. */
  read<T extends Answer>(from: PeerId, answer: T): T {
    const { named = [], ...whole } = answer;
    if (this.#asked.delete(askedKey(from, answer)) === undefined) return whole as T;
    const known = named.flatMap((name) => this.#heardAs(name) ?? []);
    this.#offered = shortAnswerLimits.decay * this.#offered + named.length + answer.descriptors.length;
    this.#known = shortAnswerLimits.decay * this.#known + known.length;
    for (const one of answer.descriptors) if (this.#hear(one)) this.#known += 1;
    return { ...(whole as T), descriptors: [...answer.descriptors, ...known] };
  }

  #heardAs(name: Uint8Array): Descriptor | undefined {
    const descriptor = this.#heard.get(keyOf(hashOf(name)))?.descriptor;
    return descriptor !== undefined && equalBytes(shortNameOf(descriptor), name) ? descriptor : undefined;
  }

  /** Whether the descriptor was known; it is from now on. */
  #hear(descriptor: Descriptor): boolean {
    if (!isGenuine(descriptor)) return false;
    const name = hashOf(shortNameOf(descriptor));
    const isKnown = this.#heard.peek(keyOf(name)) !== undefined;
    this.#heard.set(keyOf(name), { descriptor, name });
    return isKnown;
  }
}

/** The first bytes of a descriptor's signature: another version has another name, and nobody chooses his. */
export function shortNameOf({ bytes }: Descriptor): Uint8Array {
  const at = bytes.length - signatureBytes;
  return bytes.subarray(at, at + messageLimits.shortNameBytes);
}

const signatureBytes = 64;

function hashOf(name: Uint8Array): Hash {
  const view = new DataView(name.buffer, name.byteOffset, name.byteLength);
  return { first: view.getInt32(0, true), second: view.getInt32(4, true) };
}

/** 53 bits of a name. */
function keyOf({ first, second }: Hash): number {
  return (first >>> 0) * 2 ** 21 + (second >>> 11);
}

/** A question and its answer go by the same key. */
function askedKey(peer: PeerId, { kind, nonce }: Question | Answer): string {
  return `${kind === 'pull' || kind === 'view' ? 'pull' : 'near'}/${nonce}/${peer}`;
}
