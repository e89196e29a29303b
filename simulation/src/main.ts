import { writeFileSync } from 'node:fs';
import { type Clock, createLogger, createSystemClock } from '@pulsemesh/base';
import { parseArguments, type SimulateArguments, simulateUsage } from './arguments.ts';
import { drawPlot } from './report/plot.ts';
import { startProgress } from './report/progress.ts';
import type { RunResult } from './scenarios/scenario.ts';

/** Where a simulation says things: results, and apart from them how far it is. */
export interface SimulateOutput {
  readonly write: (line: string) => void;
  readonly tell?: (line: string) => void;
}

/** Runs `simulate SCENARIO …` and says how it went: one line per run, the exit code 1 when a promise broke. */
export async function main(args: readonly string[], output: SimulateOutput): Promise<number> {
  const parsed = parseArguments(args);
  if (typeof parsed === 'string') {
    output.write(`${parsed}\n(\`simulate --help\` tells what there is)`);
    return 2;
  }
  if ('help' in parsed) {
    output.write(simulateUsage(parsed.help));
    return 0;
  }
  const clock = createSystemClock();
  let exitCode = 0;
  for (let run = 0; run < parsed.runs; run += 1) {
    const result = await runOnce(parsed, parsed.seed + run, output, clock);
    if (result.violations.length > 0) exitCode = 1;
  }
  return exitCode;
}

async function runOnce(
  parsed: SimulateArguments,
  seed: number,
  output: SimulateOutput,
  clock: Clock,
): Promise<RunResult> {
  const { scenario, values, hasRealCrypto } = parsed;
  const startedMs = clock.monotonicMs();
  const onProgress = startProgress(parsed.isQuiet ? undefined : output.tell, `${scenario.name} seed ${seed}`, clock);
  const context = {
    seed,
    onProgress,
    hasRealCrypto,
    ...(parsed.isVerbose ? { logger: createLogger({ level: 'debug' }) } : {}),
  };
  const result = await scenario.run(values, context).catch(crashed);
  const realMs = Math.round(clock.monotonicMs() - startedMs);
  const options = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  if (parsed.plotFile !== undefined && result.plot !== undefined) {
    writeFileSync(parsed.plotFile, drawPlot(result.plot, `${scenario.name}: seed ${seed}, ${options.join(', ')}`));
  }
  if (parsed.isJson) {
    const { figures, details, violations, traceHash, virtualMs } = result;
    // What the run cost this machine stands beside the figures: those are the same whenever it is repeated.
    const rssMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
    const said = {
      scenario: scenario.name,
      seed,
      ...values,
      violations,
      traceHash,
      virtualMs,
      realMs,
      rssMiB,
      figures,
    };
    output.write(JSON.stringify(details === undefined ? said : { ...said, details }));
  } else {
    for (const line of describe(parsed, seed, result, realMs)) output.write(line);
  }
  return result;
}

/** An error in the code that is played is the worst that a run can find: it is told with its seed, and other seeds are still played. */
function crashed(error: unknown): RunResult {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { figures: {}, violations: [`the run ended with an error: ${text}`], traceHash: 'none', virtualMs: 0 };
}

function describe(parsed: SimulateArguments, seed: number, result: RunResult, realMs: number): string[] {
  const { figures, violations, traceHash, virtualMs } = result;
  const name = parsed.scenario.name;
  const verdict = violations.length === 0 ? 'holds' : 'BROKEN';
  const times = `${Math.round(virtualMs / 1_000)} virtual seconds in ${(realMs / 1_000).toFixed(1)}`;
  const numbers = Object.entries(figures).map(([key, value]) => `${key} ${Number(value.toPrecision(5))}`);
  const again = parsed.again === '' ? '' : ` ${parsed.again}`;
  return [
    `${name} seed ${seed}: ${verdict}; ${times}, trace ${traceHash.slice(0, 16)}`,
    ...(numbers.length === 0 ? [] : [`  ${numbers.join(', ')}`]),
    ...violations.map((violation) => `  ${violation}`),
    ...(violations.length === 0 ? [] : [`  again: npm run simulate -- ${name} --seed ${seed}${again}`]),
  ];
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  process.exitCode = await main(process.argv.slice(2), {
    write: (line) => void process.stdout.write(`${line}\n`),
    tell: (line) => void process.stderr.write(`${line}\n`),
  });
}
