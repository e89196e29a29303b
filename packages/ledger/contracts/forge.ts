import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const contractsFolder = fileURLToPath(new URL('.', import.meta.url));
const forgeFile = fileURLToPath(new URL('../../../node_modules/@foundry-rs/forge/bin.mjs', import.meta.url));

/** One test as forge reports it. */
export interface ForgeResult {
  readonly suite: string;
  readonly name: string;
  readonly isPassed: boolean;
  /** Why it failed; empty where it did not. */
  readonly reason: string;
}

/**
 * Runs all of forge's tests over contracts whose creation code is given, and says what came of each.
 *
 * @param code environment variable that a test reads, and the code that it deploys then.
 * @param profile of foundry.toml: `default`, or `full` with more runs.
 * @throws {Error} where forge gave no results: what it said instead.
 */
export async function runForge(
  code: Readonly<Record<string, string>>,
  profile: 'default' | 'full',
): Promise<readonly ForgeResult[]> {
  const env = {
    ...process.env,
    ...code,
    FOUNDRY_PROFILE: profile,
    // solc.mjs is started by name: by this Node.
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
  };
  const child = spawn(process.execPath, [forgeFile, 'test', '--json'], { cwd: contractsFolder, env });
  const [output, faults] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  const start = output.indexOf('{');
  if (start < 0) throw new Error(`forge gave no results: ${output}${faults}`);
  return parseResults(JSON.parse(output.slice(start)));
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Forge's own format; what does not fit counts as failed. */
function parseResults(report: Record<string, { test_results?: Record<string, { status?: string; reason?: string }> }>) {
  return Object.entries(report).flatMap(([suite, { test_results: results }]) =>
    Object.entries(results ?? { 'no results': {} }).map(([name, result]) => ({
      suite,
      name,
      isPassed: result.status === 'Success',
      reason: result.reason ?? '',
    })),
  );
}
