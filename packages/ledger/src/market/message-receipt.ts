import { z } from 'zod';
import type { AccessReceipt } from '../access/access-types.ts';
import { bytes, hash, peer, seconds, timeMs } from './message-parts.ts';

const pathMax = 64;
const checkpointBytesMax = 8 * 1024;
const requestBytesMax = 4 * 1024;
const countMax = Number.MAX_SAFE_INTEGER;

const record = z.strictObject({
  kind: z.enum(['read', 'release', 'denied', 'asked', 'refused', 'accepted', 'revoked', 'emergency']),
  grantId: hash,
  ordinal: z.int().min(0).max(countMax),
  reader: peer,
  atMs: timeMs,
  request: hash,
  purpose: z.string().max(100),
  fromSeconds: seconds,
  untilSeconds: seconds,
  records: z.int().min(0).max(countMax),
  bytes: z.int().min(0).max(countMax),
  reason: z.string().max(500).nullable(),
});

/** Its shape; whether it is true says `verifyAccessReceipt`. */
export const receipt: z.ZodType<AccessReceipt> = z.strictObject({
  record,
  salt: bytes(16),
  index: z.int().min(0).max(countMax),
  path: z.array(bytes(32)).max(pathMax),
  checkpoint: bytes(1, checkpointBytesMax),
  request: bytes(1, requestBytesMax).nullable(),
  signature: bytes(64),
});
