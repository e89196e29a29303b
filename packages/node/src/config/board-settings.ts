import { isAbsolute } from 'node:path';
import { z } from 'zod';

const absolutePath = z.string().max(4_096).refine(isAbsolute, 'must be an absolute path');
const peerId = z.string().regex(/^12D3[1-9A-HJ-NP-Za-km-z]{40,60}$/, 'must be an Ed25519 peer id');
const verifierKey = z
  .string()
  .max(1_024)
  .regex(/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$/, 'must be a verifier key: name+id+base64');
const httpUrl = z.url({ protocol: /^https?$/ }).max(512);
const host = z.string().min(1).max(253);
const port = z.int().min(0).max(65_535);
/** Without spaces and plus signs: stands in checkpoints. */
const keyName = z
  .string()
  .max(256)
  .regex(/^[^\s+]+$/, 'must be without spaces and plus signs');

/** Witnesses that one board knows. */
const witnessesMax = 32;

/** What a node with the role `board` serves. */
export const boardServiceSchema = z.strictObject({
  host: host.default('127.0.0.1'),
  /** 0 takes a free one. */
  port: port.default(8480),
  /** Names the log in its checkpoints, for ever; default `pulsemesh/board/` and the peer id. */
  origin: keyName.optional(),
  /** PEM files. Without: plaintext, for a terminating load balancer on the same machine. */
  tls: z.strictObject({ certFile: absolutePath, keyFile: absolutePath }).optional(),
  /** Who cosigns: those with a URL are asked (C2SP tlog-witness), the others come by themselves. */
  witnesses: z
    .array(z.strictObject({ key: verifierKey, url: httpUrl.optional() }))
    .max(witnessesMax)
    .default([]),
  /** Cosignatures a checkpoint has before it is shown; default one where there are witnesses. */
  cosignatures: z.int().min(0).max(witnessesMax).optional(),
  /** Peers that may revoke keys that are not their own. */
  authorities: z.array(peerId).max(256).default([]),
  /** What an author may add a day unless the operator gave it a quota of its own. */
  entriesPerDay: z.int().min(1).max(10_000_000).optional(),
  bytesPerDay: z.int().min(1).max(1e12).optional(),
  /** Authors let in by the configuration, beside those that `pulsemesh board admit` lets in. */
  admitted: z.array(peerId).max(1_000).default([]),
  /** True: whoever reaches it may add. For one machine and for trying out. */
  open: z.boolean().optional(),
});

/** Boards that a node witnesses. */
const witnessedMax = 16;

/** What a node witnesses. */
export const witnessSchema = z.strictObject({
  /** Under which its cosignatures stand, for ever; default `pulsemesh/witness/` and the peer id. */
  name: keyName.optional(),
  boards: z
    .array(z.strictObject({ key: verifierKey, url: httpUrl }))
    .min(1)
    .max(witnessedMax),
  /** Certificates (PEM) that may sign the boards', beside the system's. */
  caFile: absolutePath.optional(),
  /** Where boards can ask it (C2SP tlog-witness); without, it asks them. */
  listen: z.strictObject({ host: host.default('127.0.0.1'), port }).optional(),
});

export type BoardServiceSettings = z.output<typeof boardServiceSchema>;
export type WitnessSettings = z.output<typeof witnessSchema>;
