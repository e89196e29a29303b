import { z } from 'zod';
import { boardServiceSchema, witnessSchema } from './board-settings.ts';

const { key, url } = witnessSchema.shape.boards.element.shape;

/** Witnesses that one policy names. */
const witnessesMax = 32;

/** Which board a gateway shows on its page, and whom of it the page believes. */
export const boardPageSchema = z
  .strictObject({
    /** Where the board's HTTP is, with its prefix: `https://board.example/board`. */
    url,
    /** The board's verifier key (C2SP signed-note). */
    key,
    /** Those of its witnesses. */
    witnesses: z.array(key).max(witnessesMax).default([]),
    /** How many of them must have cosigned; default more than half. */
    quorum: z.int().min(0).max(witnessesMax).optional(),
    /** Peers that may revoke keys that are not their own. */
    authorities: boardServiceSchema.shape.authorities,
    /** Certificates (PEM) that may sign the board's, beside the system's. */
    caFile: witnessSchema.shape.caFile,
  })
  .refine(({ quorum = 0, witnesses }) => quorum <= witnesses.length, {
    path: ['quorum'],
    message: 'cannot be more than there are witnesses',
  });

export type BoardPageSettings = z.output<typeof boardPageSchema>;
