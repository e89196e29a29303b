import { Condition } from '@pulsemesh/base';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { z } from 'zod';
import { formatVerifierKey, parseVerifierKey } from '../notes/keys.ts';
import { assertPolicy, type BoardPolicy, witnessesMax } from '../receipt/policy.ts';

/** Where a board is and whom of it to believe: what an operator hands to those who use the board. */
export interface BoardPlace {
  readonly url: string;
  readonly policy: BoardPolicy;
  /** Who may revoke keys that are not their own. */
  readonly authorities: readonly PeerId[];
}

/** A policy file is not one, or makes no sense. */
export class PolicyFileError extends Condition {
  override readonly name = 'PolicyFileError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('board-policy', `the board's policy cannot be used: ${reason}`, { facts: { reason }, ...options });
  }
}

const charactersMax = 64 * 1024;

const schema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(512),
  key: z.string().max(1_024),
  witnesses: z.array(z.string().max(1_024)).max(witnessesMax).default([]),
  quorum: z.int().min(0).max(witnessesMax).optional(),
  authorities: z.array(z.string().max(64)).max(256).default([]),
});

/**
 * Reads a policy: JSON `{url, key, witnesses, quorum, authorities}`, keys in the form of C2SP signed-note. Without `quorum` more than half
 * of the witnesses must have cosigned.
 * @throws {PolicyFileError}
 */
export function parsePolicyFile(text: string): BoardPlace {
  if (text.length > charactersMax) throw new PolicyFileError('the file is too long');
  try {
    const { url, key, witnesses, quorum, authorities } = schema.parse(JSON.parse(text));
    const policy = {
      board: parseVerifierKey(key),
      witnesses: witnesses.map(parseVerifierKey),
      quorum: quorum ?? (witnesses.length === 0 ? 0 : Math.floor(witnesses.length / 2) + 1),
    };
    assertPolicy(policy);
    return { url, policy, authorities: authorities.map(parsePeerId) };
  } catch (error) {
    throw new PolicyFileError(reasonOf(error), { cause: error });
  }
}

/** The file of a policy. */
export function formatPolicyFile({ url, policy, authorities }: BoardPlace): string {
  const fields = {
    url,
    key: formatVerifierKey(policy.board),
    witnesses: policy.witnesses.map(formatVerifierKey),
    quorum: policy.quorum,
    authorities,
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return `${error.issues[0]?.path.map(String).join('.') ?? ''} is not valid`;
  if (error instanceof SyntaxError) return 'it is not JSON';
  return error instanceof Error ? error.message : 'it is not valid';
}
