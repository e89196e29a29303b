import type { Logger } from '@pulsemesh/base';
import type { Plot } from '../report/plot.ts';

/** A number that a scenario takes from the command line. */
export interface NumberOption {
  readonly about: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Takes fractions; otherwise whole numbers only. */
  readonly isFraction?: boolean;
}

/** One of a few words. */
export interface ChoiceOption {
  readonly about: string;
  readonly default: string;
  readonly choices: readonly string[];
}

/** The name of a file to read; empty for none. */
export interface FileOption {
  readonly about: string;
  readonly default: '';
  readonly file: true;
}

export type ScenarioOption = NumberOption | ChoiceOption | FileOption;

export type ScenarioOptions = Readonly<Record<string, ScenarioOption>>;

/** The values a run is given, one for each option. */
export type OptionValues = Readonly<Record<string, number | string>>;

type ValuesOf<O extends ScenarioOptions> = { readonly [K in keyof O]: O[K] extends NumberOption ? number : string };

/** What a run is given besides its options. */
export interface RunContext {
  readonly seed: number;
  /** Told now and then how far the run is, in virtual time. */
  readonly onProgress: (virtualMs: number, untilVirtualMs: number) => void;
  readonly logger?: Logger;
  /** Whether join answers are really sealed, and proofs really computed; default no: the run is the same either way. */
  readonly hasRealCrypto?: boolean;
}

/** How a run went. */
export interface RunResult {
  /** Numbers worth comparing, each named with its unit where it has one. The same for the same seed and options. */
  readonly figures: Readonly<Record<string, number>>;
  /** What does not hold, in words; empty when all does. */
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly plot?: Plot;
  /** Other facts of the run, for reading, such as the faults that were drawn. */
  readonly details?: unknown;
}

/** Something that can be simulated. */
export interface Scenario {
  readonly name: string;
  /** One line. */
  readonly about: string;
  readonly options: ScenarioOptions;
  run(values: OptionValues, context: RunContext): Promise<RunResult>;
}

/** A scenario whose options are known by name and type inside `run`. */
export function defineScenario<const O extends ScenarioOptions>(scenario: {
  readonly name: string;
  readonly about: string;
  readonly options: O;
  run(values: ValuesOf<O>, context: RunContext): Promise<RunResult>;
}): Scenario {
  // The command line checks every value against its option before it calls.
  return { ...scenario, run: (values, context) => scenario.run(values as ValuesOf<O>, context) };
}
