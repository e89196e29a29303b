/** Limits of runs; each is reached by a test. */
export const roundLimits = {
  /** A round that failed so often is over, and the task with it. */
  attemptsMax: 5,
  /** How many steps a site waits for what comes next in an attempt, before it takes the attempt for lost. */
  patienceSteps: 3,
  /** And this besides, milliseconds: boards and posts are asked now and then. */
  patienceMs: 30_000,
  /** Neighbours of a site that masks with some of the others only: SecAgg+'s choice for a hundred sites. */
  neighboursMin: 20,
  /** Bytes of what a round starts from. */
  inputBytesMax: 16_000_000,
} as const;
