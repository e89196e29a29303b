import { createLogger } from '@pulsemesh/base';
import { parseArguments, simulateUsage } from './arguments.ts';
import { pipelineDefaults, runPipeline } from './pipeline.ts';

/** Runs `simulate SCENARIO …` and says how it went: one line per run, the exit code 1 when a promise broke. */
export async function main(args: readonly string[], write: (line: string) => void): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    write(simulateUsage);
    return 0;
  }
  const parsed = parseArguments(args);
  if (typeof parsed === 'string') {
    write(`${parsed}\n${simulateUsage}`);
    return 2;
  }
  let exitCode = 0;
  for (let run = 0; run < parsed.runs; run += 1) {
    const seed = parsed.seed + run;
    const options = { ...pipelineDefaults, ...parsed.options, seed };
    const logger = parsed.isVerbose ? createLogger({ level: 'debug' }) : undefined;
    const { violations, report, faults, traceHash, virtualMs } = await runPipeline(options, logger);
    if (violations.length > 0) exitCode = 1;
    const { patients: _, ...counts } = report;
    if (parsed.isJson) {
      write(JSON.stringify({ scenario: 'pipeline', ...options, violations, traceHash, virtualMs, ...counts, faults }));
      continue;
    }
    const verdict = violations.length === 0 ? 'holds' : 'BROKEN';
    write(
      `pipeline seed ${seed}: ${verdict}; ${faults.length} faults, ${report.readingsStored} readings, ` +
        `${report.windows} windows, ${report.alerts} alerts, ${Math.round(virtualMs / 1000)} virtual seconds, ` +
        `trace ${traceHash.slice(0, 16)}`,
    );
    for (const violation of violations) write(`  ${violation}`);
    if (violations.length > 0) write(`  again: npm run simulate -- pipeline --seed ${seed} ${parsed.again}`);
  }
  return exitCode;
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  process.exitCode = await main(process.argv.slice(2), (line) => void process.stdout.write(`${line}\n`));
}
