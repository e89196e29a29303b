/** Limits of what an entry may say; past them it is no entry. */
export const entryLimits = {
  /** Characters of a title, a name, a purpose. */
  titleCharactersMax: 200,
  /** Characters of free text: an announcement, a reason. */
  textCharactersMax: 8_000,
  reasonCharactersMax: 500,
  /** Bytes of a contact card. */
  cardBytesMax: 8 * 1024,
  /** Sites of a task, a round or a survivor set. */
  sitesMax: 256,
  columnsMax: 256,
  questionsMax: 64,
  binsMax: 1_024,
  quantilesMax: 32,
  layersMax: 16,
  roundsMax: 10_000,
  /** Of one round; each has fresh keys. */
  attemptsMax: 100,
  stepsMax: 64,
  parametersMax: 100_000_000,
  /** Bytes of weights inside an entry. */
  weightsBytesMax: 32 * 1024,
  /** Cohorts of a catalogue. */
  cohortsMax: 64,
  recordedHoursMax: 1_000_000,
  /** Bytes of an offer and of the proof of a step. */
  offerBytesMax: 4 * 1024,
  proofBytesMax: 16 * 1024,
} as const;
