import { z } from 'zod';

const place = z.object({ url: z.string(), token: z.string() });

export const consentPlaySettingsSchema = z.object({
  /** API of the patients' home, and of the researcher's node. */
  home: place,
  research: place,
  /** Peer id of the home, as the catalogue names it. */
  homePeer: z.string(),
  /** The patient whose request is left for whoever plays, and the one whose device agrees by itself. */
  waitingUserId: z.string(),
  agreeingUserId: z.string(),
  /** Where the page is that a passkey would be made for. */
  page: z.object({ origin: z.string(), rpId: z.string() }),
  /** 64 hex digits: the passkey of the demo's own patient. */
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  /** Where the recordings of the demo begin. */
  fromMs: z.number(),
  logFile: z.string(),
});

export type ConsentPlaySettings = z.output<typeof consentPlaySettingsSchema>;
