/** Limits of access records, receipts and what follows them. */
export const accessLimits = {
  /** Characters of a purpose. */
  purposeCharactersMax: 128,
  /** Characters of a reason: a code, or what a clinician wrote in an emergency. */
  reasonCharactersMax: 200,
  recordBytesMax: 2 * 1024,
  /** A reader's signed request. */
  requestBytesMax: 1024,
  /** A signed checkpoint inside a receipt: the log's signature and those of a few witnesses. */
  checkpointBytesMax: 8 * 1024,
  /** Hashes of an inclusion proof: a log of 2^40 leaves. */
  pathHashesMax: 41,
  receiptBytesMax: 16 * 1024,
} as const;

/** Bytes of a salt: what keeps a public leaf from being guessed. */
export const saltBytes = 16;
