import { parseArgs } from 'node:util';
import type { PipelineOptions } from './pipeline.ts';

/** How to call the simulation. */
export const simulateUsage = `usage: npm run simulate -- pipeline [--seed N] [--runs K] [--patients N] [--faults F] [--seconds S] [--json] [--verbose]

  --seed N      first seed; the same seed gives the same run (default 1)
  --runs K      how many seeds, one after another (default 1)
  --patients N  registered patients; one more is not registered (default 3)
  --faults F    things that go wrong before the quiet period (default 6)
  --seconds S   seconds of recording that each device plays (default 480)
  --json        one JSON object a run
  --verbose     the roles' log lines too`;

export interface SimulateArguments {
  readonly seed: number;
  readonly runs: number;
  readonly isJson: boolean;
  readonly isVerbose: boolean;
  readonly options: Partial<PipelineOptions>;
  /** The arguments that make another call the same but for the seed. */
  readonly again: string;
}

const limits = {
  seed: [0, 2 ** 31],
  runs: [1, 100_000],
  patients: [1, 1_000],
  faults: [0, 1_000],
  seconds: [10, 86_400],
} as const;

/** The arguments, or a sentence that says what is wrong with them. */
export function parseArguments(args: readonly string[]): SimulateArguments | string {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read(args);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { values, positionals } = parsed;
  if (positionals.length !== 1 || positionals[0] !== 'pipeline') return 'say which scenario: pipeline';
  const numbers: Partial<Record<keyof typeof limits, number>> = {};
  for (const name of Object.keys(limits) as (keyof typeof limits)[]) {
    const text = values[name];
    if (text === undefined) continue;
    const [min, max] = limits[name];
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      return `--${name} is a whole number from ${min} to ${max}`;
    numbers[name] = value;
  }
  const { seed = 1, runs = 1, patients, faults, seconds } = numbers;
  const named = { patients, faults, seconds };
  return {
    seed,
    runs,
    isJson: values.json,
    isVerbose: values.verbose,
    options: {
      ...(patients === undefined ? {} : { patients }),
      ...(faults === undefined ? {} : { faults }),
      ...(seconds === undefined ? {} : { recordingSeconds: seconds }),
    },
    again: Object.entries(named)
      .flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]))
      .join(' '),
  };
}

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seed: text,
      runs: text,
      patients: text,
      faults: text,
      seconds: text,
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
}
