import { z } from 'zod';
import { accessLimits } from '../access/access-limits.ts';
import type { AccessReceipt } from '../access/access-types.ts';
import { decodeAccessReceipt, encodeAccessReceipt } from '../access/receipt-codec.ts';
import { bytes } from './message-parts.ts';

/** Travels in the one form that the access log gives it; whether it is true says `verifyAccessReceipt`. */
export const receipt: z.ZodType<AccessReceipt, unknown> = z.codec(
  bytes(1, accessLimits.receiptBytesMax),
  z.custom<AccessReceipt>((value) => typeof value === 'object' && value !== null),
  {
    decode: (encoded, context) => {
      try {
        return decodeAccessReceipt(encoded);
      } catch {
        return refused(context, encoded);
      }
    },
    encode: (value, context) => {
      try {
        return encodeAccessReceipt(value);
      } catch {
        return refused(context, value);
      }
    },
  },
);

function refused(context: { readonly issues: unknown[] }, input: unknown): never {
  context.issues.push({ code: 'custom', message: 'must be an access receipt', input });
  return z.NEVER;
}
