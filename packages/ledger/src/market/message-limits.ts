/** Limits of what people write to each other; past them it is no message. */
export const messageLimits = {
  /** A whole message: what a mailbox of the relay takes (1 MiB), less envelope and padding. */
  messageBytesMax: 900 * 1024,
  /** Characters of a title or the name of an organisation. */
  titleCharactersMax: 200,
  /** Characters of a purpose as `research/rhythm`. */
  purposeCharactersMax: 100,
  explanationCharactersMax: 4_000,
  noteCharactersMax: 1_000,
  /** Characters of a FHIR Consent in canonical JSON. */
  consentCharactersMax: 16_384,
  saltBytes: 32,
  /** Who holds one grant: the first may deliver on the ledger, the others stand in. */
  custodiansMin: 2,
  custodiansMax: 5,
  /** ERC-7913 bytes: a verifier's address and a key; RSA keys are the longest. */
  signerBytesMax: 1_024,
  /** An EIP-712 signature of an account or contract account, or a passkey's ABI-encoded assertion. */
  signatureBytesMax: 8_192,
  envelopeBytesMax: 256 * 1024,
  /** Sealed records in one page, and all of a page's bytes. */
  rowsMax: 2_048,
  sealedBytesMax: 64 * 1024,
  pageMax: 1_000_000,
  /** Receipts in one message. */
  receiptsMax: 64,
  recordedHoursMax: 1_000_000,
  /** The agreed interval: at most ten years of recording. */
  intervalSecondsMax: 10 * 366 * 24 * 3600,
  /** Reads are served for at most ten years. */
  accessForSecondsMax: 10 * 366 * 24 * 3600,
} as const;
