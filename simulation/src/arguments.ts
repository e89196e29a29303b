import { parseArgs } from 'node:util';
import { scenarios } from './scenarios/index.ts';
import type { OptionValues, Scenario, ScenarioOption, ScenarioOptions } from './scenarios/scenario.ts';

/** What was asked for, checked. */
export interface SimulateArguments {
  readonly scenario: Scenario;
  readonly values: OptionValues;
  /** The first seed. */
  readonly seed: number;
  readonly runs: number;
  readonly isJson: boolean;
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
  readonly hasRealCrypto: boolean;
  readonly plotFile?: string;
  /** The options that make another call the same but for the seed. */
  readonly again: string;
}

const common = {
  seed: { about: 'first seed; the same seed gives the same run', default: 1, min: 0, max: 2 ** 31 },
  runs: { about: 'how many seeds, one after another', default: 1, min: 1, max: 100_000 },
} as const satisfies ScenarioOptions;

const columns = 26;

/** How to call the simulation: all of it, or one scenario. */
export function simulateUsage(scenario?: Scenario): string {
  const head = `usage: npm run simulate -- ${scenario?.name ?? 'SCENARIO'} [options]`;
  const shared = [
    ...describeOptions(common),
    `  ${'--json'.padEnd(columns)}one JSON object a run`,
    `  ${'--plot FILE'.padEnd(columns)}a picture of the (last) run, SVG`,
    `  ${'--quiet'.padEnd(columns)}no progress on standard error`,
    `  ${'--real-crypto'.padEnd(columns)}seal join answers and compute proofs for real: the same run, more slowly`,
    `  ${'--verbose'.padEnd(columns)}log lines of the code that is run, where a scenario has any`,
  ];
  if (scenario !== undefined) {
    return [head, '', scenario.about, '', ...describeOptions(scenario.options), '', ...shared].join('\n');
  }
  const width = Math.max(...scenarios.map(({ name }) => name.length)) + 2;
  return [
    `${head}   (SCENARIO --help tells its options)`,
    '',
    'Runs the real protocol code under a seeded clock, network and disk, checks what was promised, and exits with 1 and',
    'the command that replays it when something broke.',
    '',
    ...scenarios.map(({ name, about }) => `  ${name.padEnd(width)}${about}`),
    '',
    ...shared,
    '',
    'Examples:',
    '  $ npm run simulate -- rings --nodes 1000 --seed 7 --plot rings.svg',
    '  $ npm run simulate -- faults --runs 20 --json',
  ].join('\n');
}

function describeOptions(options: ScenarioOptions): string[] {
  return Object.entries(options).map(([name, option]) => {
    const value = 'choices' in option ? option.choices.join('|') : 'file' in option ? 'FILE' : 'N';
    const left = `--${name} ${value}`.padEnd(columns);
    return `  ${left.endsWith(' ') ? left : `${left} `}${option.about} (default ${option.default === '' ? 'none' : option.default})`;
  });
}

/** What is asked for, a request for help, or a sentence that says what is wrong with it. */
export function parseArguments(args: readonly string[]): SimulateArguments | { help: Scenario | undefined } | string {
  const name = args.find((argument) => !argument.startsWith('-'));
  const scenario = name === undefined ? undefined : scenarios.find((one) => one.name === name);
  if (args.includes('--help') || args.includes('-h')) return { help: scenario };
  const names = scenarios.map((one) => one.name).join(', ');
  if (scenario === undefined)
    return name === undefined ? `say which scenario: ${names}` : `no scenario "${name}": ${names}`;
  try {
    return check(scenario, read(args, scenario));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

type Texts = Readonly<Record<string, string | boolean | undefined>>;

function read(args: readonly string[], scenario: Scenario): Texts {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(Object.keys({ ...scenario.options, ...common }).map((name) => [name, text])),
      plot: text,
      json: { type: 'boolean' },
      quiet: { type: 'boolean' },
      verbose: { type: 'boolean' },
      'real-crypto': { type: 'boolean' },
    },
  });
  if (positionals.length !== 1) throw new Error(`one scenario at a time, not also ${positionals.slice(1).join(' ')}`);
  return values as Texts;
}

function check(scenario: Scenario, texts: Texts): SimulateArguments | string {
  const values: Record<string, number | string> = {};
  for (const [name, option] of Object.entries({ ...scenario.options, ...common })) {
    const text = texts[name];
    const value = typeof text === 'string' ? parseValue(option, text) : option.default;
    if (value === undefined) return `--${name} is ${rangeOf(option)}`;
    values[name] = value;
  }
  const { seed, runs, ...own } = values;
  const again = Object.keys(scenario.options).flatMap((name) => {
    return typeof texts[name] === 'string' ? [`--${name} ${texts[name]}`] : [];
  });
  return {
    scenario,
    values: own,
    seed: seed as number, // of the options in `common`
    runs: runs as number,
    isJson: texts['json'] === true,
    isVerbose: texts['verbose'] === true,
    isQuiet: texts['quiet'] === true,
    hasRealCrypto: texts['real-crypto'] === true,
    ...(typeof texts['plot'] === 'string' ? { plotFile: texts['plot'] } : {}),
    again: again.join(' '),
  };
}

function parseValue(option: ScenarioOption, text: string): number | string | undefined {
  if ('choices' in option) return option.choices.includes(text) ? text : undefined;
  if ('file' in option) return text;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const isWhole = option.isFraction === true || Number.isInteger(value);
  return isWhole && value >= option.min && value <= option.max ? value : undefined;
}

function rangeOf(option: ScenarioOption): string {
  if ('choices' in option) return `one of ${option.choices.join(', ')}`;
  if ('file' in option) return 'the name of a file';
  return `a ${option.isFraction === true ? '' : 'whole '}number from ${option.min} to ${option.max}`;
}
